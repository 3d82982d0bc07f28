"""Papernot et al. 2016: the saliency map."""
