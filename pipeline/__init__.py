"""The streaming machinery: events, packets, channels, nodes, graphs and their launcher."""
