"""Cameras that are not there: the vendors' interfaces, kept faithfully, on a scene of our own."""
