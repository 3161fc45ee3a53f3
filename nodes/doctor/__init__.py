"""retina doctor: what this machine can run, and the exact command for what it lacks."""
