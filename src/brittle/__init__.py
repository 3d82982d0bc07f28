"""brittle."""
