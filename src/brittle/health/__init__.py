"""Evaluation health: checks of the audit itself, each with its number, rule and remedy."""
