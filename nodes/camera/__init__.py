"""Cameras: a small interface of our own, the vendors' libraries behind it, and stand-ins."""
