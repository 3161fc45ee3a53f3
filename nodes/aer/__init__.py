"""Address events over UDP, as aestream (SpiNNaker's SPIF), eventcv and faery send them."""
