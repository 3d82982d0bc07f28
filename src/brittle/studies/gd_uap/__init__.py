"""Mopuri et al. 2018: GD-UAP."""
