"""What threats, classifiers and the core stand on: rows, bounds, seeds and the state of random numbers."""
