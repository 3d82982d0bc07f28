"""Faults planted in networks and attacks, one for each check of an evaluation, each with a twin that is sound."""
