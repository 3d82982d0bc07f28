"""PixelDefend beside ART's: the same images and PixelCNN, one thread, one run; seconds are those of the processor.

    PYTHONPATH=src .venv-bench/bin/python -m benchmarks.pixel_defend [images]

ART 1.20 is given a network whose 256 outputs a value are the PixelCNN's own probabilities of the levels, as its
`PixelDefend` wants them. It asks it once for a whole image as it came and not again after a value has moved, which is
less work than algorithm 1 of the paper. Both work on the digits that come with scikit-learn, with noise of 16/255. All
images are given in one call.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers import peer
from brittle.data import open_source
from brittle.models.generative import PixelCNN
from brittle.models.generative.files import pixelcnn_of
from brittle.models.generative.likeliest import likeliest_near
from brittle.models.generative.logistic_mixture import LogisticMixture

EPS = 16


class Whole(int):
    """A radius that NumPy leaves alone: with NumPy 2, ART's `uint8 - int` wraps around below 0, and it then fails."""

    __array_ufunc__ = None

    def __rsub__(self, other: Any) -> int:
        return int(other) - int(self)

    def __radd__(self, other: Any) -> int:
        return int(other) + int(self)


class Levels(nn.Module):
    """From a PixelCNN's outputs for grey images to the probability of every level, (n, values x 256)."""

    def forward(self, parameters: Tensor) -> Tensor:
        mixture = LogisticMixture.of(parameters, 1, 256)
        levels = torch.arange(256.0).expand(*mixture.weights.shape[:-1], 256)
        found = mixture.components(0, levels, mixture.means_given(0, [])) + mixture.weights.unsqueeze(-2)
        return found.logsumexp(-1).exp().flatten(1)


def of_art(model: PixelCNN, images: Tensor) -> Tensor:
    """What ART makes of the images."""
    shape = tuple(images.shape[1:])
    estimator = peer("art.estimators.classification").PyTorchClassifier
    made: Any = estimator(
        nn.Sequential(model, Levels()),
        loss=nn.CrossEntropyLoss(),
        input_shape=shape,
        nb_classes=shape[1] * shape[2] * 256,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    defence: Any = peer("art.defences.preprocessor").PixelDefend(eps=Whole(EPS), pixel_cnn=made, batch_size=1)
    return torch.from_numpy(np.asarray(defence(images.numpy())[0], dtype=np.float32))


def noisy_digits(count: int) -> Tensor:
    """Digits with noise of the defence's own radius, on levels of 8 bits."""
    images = next(iter(open_source("digits", max_images=count).blocks(count))).images
    noise = torch.randint(-EPS, EPS + 1, images.shape, generator=torch.Generator().manual_seed(0)) / 255
    return ((images + noise).clamp(0, 1) * 255).round() / 255


def row(name: str, seconds: float, bits: float, far: float) -> str:
    """One line of the table."""
    return f"{name:28s} {seconds:10.4f} {bits:14.4f} {far:12.2f}"


def main(count: int) -> None:
    """Print a row for each."""
    torch.set_num_threads(1)
    model, images = pixelcnn_of("pixelcnn-digits"), noisy_digits(count)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "brittle, together": lambda given: likeliest_near(model, given, EPS / 255),
        "ART": lambda given: of_art(model, given),
    }
    print(f"{'':28s} {'CPU s':>10s} {'bits a value':>14s} {'moved by/255':>12s}")
    print(row("as given", 0.0, float(model.bits_per_value(images).mean()), 0.0))
    for name, made in ways.items():
        made(images[:1])  # what is done once in a process is no part of the time
        began = process_time()
        found = made(images)
        seconds = (process_time() - began) / count
        far = float((found - images).abs().max()) * 255
        print(row(name, seconds, float(model.bits_per_value(found).mean()), far))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
