"""What the viewer keeps of each kind of packet, without Qt."""
