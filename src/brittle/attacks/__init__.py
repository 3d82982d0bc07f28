"""Published attacks, one file each."""
