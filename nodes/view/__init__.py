"""view: the live viewer; events, class scores, answer and rates in a Qt window."""
