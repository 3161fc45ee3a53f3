"""What the viewer's user can do: controls that ask the nodes, and files that are saved."""
