"""Carlini and Wagner 2017."""
