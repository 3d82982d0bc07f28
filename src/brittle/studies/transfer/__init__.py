"""Changes made on some networks, shown to others."""
