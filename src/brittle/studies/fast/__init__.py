"""Adversarial training in one step, in several and for free: what each costs and what it gives."""
