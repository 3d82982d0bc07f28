"""Universal perturbations: one change for all images, made from images or without any."""
