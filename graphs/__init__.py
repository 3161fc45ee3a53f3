"""Ready graph files."""
