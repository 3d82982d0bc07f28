"""Defences: what stands before, around or behind a network to make it harder to break; one published method a file."""

from brittle.defences.defence import Adaptive, Defence, Masking

__all__ = ["Adaptive", "Defence", "Masking"]
