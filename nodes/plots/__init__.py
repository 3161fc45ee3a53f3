"""Figures for papers and slides, made without a screen; matplotlib draws them."""
