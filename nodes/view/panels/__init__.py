"""The viewer's panels: one view of the stream each, painted only when what it shows has changed."""
