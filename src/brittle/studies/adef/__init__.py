"""Alaifari et al. 2019: adversarial deformations."""
