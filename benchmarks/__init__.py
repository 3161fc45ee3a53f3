"""Every figure the README quotes, measured beside its peers."""
