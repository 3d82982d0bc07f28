"""A network as attacks see it: what its images and outputs mean, and how it is called."""
