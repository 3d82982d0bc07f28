"""Moosavi-Dezfooli et al. 2016: DeepFool."""
