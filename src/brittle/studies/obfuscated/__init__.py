"""Defences that hide gradients, attacked naively and adaptively."""
