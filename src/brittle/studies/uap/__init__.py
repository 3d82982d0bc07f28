"""Moosavi-Dezfooli et al. 2017: universal perturbations."""
