"""Processes of this machine that work for one that began them."""
