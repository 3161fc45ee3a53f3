"""Spiking networks: neurons, kernels, training, evaluation and trained weights."""
