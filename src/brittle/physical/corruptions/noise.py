"""Corruptions by noise: Gaussian, shot and impulse noise."""

import torch

from brittle.base.seeds import Streams
from brittle.maths.poisson import poisson_quantiles
from brittle.physical.channel import everyone
from brittle.types import Images


def gaussian_noise(images: Images, streams: Streams, sigma: float) -> Images:
    """Add Gaussian noise of a standard deviation, as of a sensor in low light."""
    return images + sigma * streams.normal(everyone(images), tuple(images.shape[1:]))


def shot_noise(images: Images, streams: Streams, photons: float) -> Images:
    """Count photons, of which white means so many: Poisson noise."""
    uniforms = streams.uniform(everyone(images), tuple(images.shape[1:]))
    return poisson_quantiles(uniforms, images.clamp_min(0) * photons) / photons


def impulse_noise(images: Images, streams: Streams, part: float) -> Images:
    """Set a part of all values to 0 or 1, with equal chance: salt and pepper."""
    uniforms = streams.uniform(everyone(images), tuple(images.shape[1:]))
    salt, pepper = uniforms < part / 2, uniforms >= 1 - part / 2
    return torch.where(salt, 1.0, torch.where(pepper, 0.0, images))
