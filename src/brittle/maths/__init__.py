"""Mathematics without networks: norms, losses, hyperplanes."""
