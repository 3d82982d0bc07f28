"""How near registered attacks come to the best of them."""
