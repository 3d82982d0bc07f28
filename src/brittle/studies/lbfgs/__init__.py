"""Szegedy et al. 2014: L-BFGS."""
