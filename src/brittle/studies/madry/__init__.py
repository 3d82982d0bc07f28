"""Madry et al. 2018: adversarial training."""
