"""The bench: studies and cells, how they are computed, kept and laid out; it knows no study."""
