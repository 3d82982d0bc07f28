"""The core: what an attack is, what it may see, who judges it, and the one loop."""
