"""Su et al. 2019: one pixel."""
