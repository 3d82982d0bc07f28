"""brittle side by side with its peers, by success, by passes and by time."""
