"""Generative models: networks that say how likely an image is, or make images from random numbers."""

from brittle.models.generative.pixelcnn import PixelCNN
from brittle.models.generative.wgan import WGAN, Critic, Generator

__all__ = ["WGAN", "Critic", "Generator", "PixelCNN"]
