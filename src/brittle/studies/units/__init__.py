"""Szegedy et al. 2014: what single units of a layer answer to, and what random directions do."""
