"""Opening recordings of events and reading them as streams."""
