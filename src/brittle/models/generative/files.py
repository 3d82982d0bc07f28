"""Generative models from the files that `brittle train` writes, and those that come with brittle."""

from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from brittle.errors import InputError, ModelError, quoted
from brittle.models.generative.pixelcnn import PixelCNN
from brittle.models.generative.wgan import WGAN
from brittle.models.weights import load_weights, refuse_pickle, weights_file
from brittle.reading import open_tensors, own_header

DESIGNS: dict[str, type[PixelCNN] | type[WGAN]] = {kind.KIND: kind for kind in (PixelCNN, WGAN)}
"""What can be trained by name."""
SHIPPED: dict[str, tuple[int, int, int]] = {
    "pixelcnn-cifar": (3, 32, 32),
    "pixelcnn-digits": (1, 28, 28),
    "pixelcnn-mnist": (1, 28, 28),
    "wgan-digits": (1, 28, 28),
    "wgan-mnist": (1, 28, 28),
}
"""Weights that come with brittle, and the images (channels, height, width) that they were trained on."""
MOST = 4096
"""Largest size that a file may name: sizes decide how much memory a network takes."""
MOST_LAYERS = 100
"""Largest depth that a file may name."""


def load_generative(spec: str, kind: str) -> nn.Module:
    """Open a trained generative model.

    Args:
        spec: one of `SHIPPED`, a file of weights that `brittle train` wrote, or the folder of such a training.
        kind: "pixelcnn" or "wgan".

    Returns:
        The model in eval mode, its weights asking for no gradients. It is shared by all who name the same unchanged
        file: do not alter it.

    Raises:
        ModelError: no such file, a damaged one, or one of another kind.

    Example:
        >>> load_generative("pixelcnn-digits", "pixelcnn").channels
        1
    """
    if spec in SHIPPED:
        with as_file(files("brittle.models") / "weights" / f"{spec}.safetensors") as shipped:
            return _kept(shipped, kind, shipped.stat().st_mtime_ns)
    path = weights_file(Path(spec))
    refuse_pickle(path)
    if not path.is_file():
        raise ModelError(
            f"there is no {kind} {spec!r}; expected {', '.join(name for name in SHIPPED if name.startswith(kind))}, or "
            f"the folder or file of a training: brittle train {kind} --data DATA --out FOLDER"
        )
    return _kept(path, kind, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _kept(path: Path, kind: str, changed: int) -> nn.Module:
    """The model in a file that was last changed at a time."""
    design = _design(path, kind)
    with torch.random.fork_rng(devices=[]):
        module = _built(path, kind, design)
    load_weights(module, path)
    return module.eval().requires_grad_(False)


def _design(path: Path, kind: str) -> dict[str, int]:
    """The sizes that a file names, each of them within bounds."""
    try:
        with open_tensors(path) as file:
            said: Any = own_header(file, path)
        found, design = said["architecture"], said["design"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{str(path)!r} is not the file of a trained {kind} ({quoted(error)}); expected weights that "
            f"`brittle train {kind}` wrote"
        ) from error
    if found != kind:
        raise ModelError(f"{str(path)!r} holds a {quoted(found)}; expected a {kind}: brittle train {kind}")
    sizes = cast("dict[str, object]", design) if isinstance(design, dict) else {}
    for name, value in sizes.items():
        most = MOST_LAYERS if name == "depth" else MOST
        if type(value) is not int or not 1 <= value <= most:
            raise ModelError(f"{str(path)!r} says {quoted(name)} is {quoted(value)}; expected 1 to {most}")
    return cast("dict[str, int]", sizes)


def _built(path: Path, kind: str, design: dict[str, int]) -> nn.Module:
    """A module of the sizes that a file names, none larger than the file."""
    try:
        with torch.device("meta"):
            needed = sum(one.numel() * one.itemsize for one in DESIGNS[kind](**design).parameters())
        size = path.stat().st_size
        if needed > size:
            raise ModelError(f"{str(path)!r} has {size:,} bytes and speaks of weights of {needed:,}; save it again")
        return DESIGNS[kind](**design)
    except (TypeError, InputError) as error:
        raise ModelError(f"{str(path)!r} does not describe a {kind}: {quoted(error)}") from error


def pixelcnn_of(spec: str) -> PixelCNN:
    """Open a trained PixelCNN; arguments and errors as of `load_generative`."""
    return cast("PixelCNN", load_generative(spec, PixelCNN.KIND))


def wgan_of(spec: str) -> WGAN:
    """Open a trained WGAN; arguments and errors as of `load_generative`."""
    return cast("WGAN", load_generative(spec, WGAN.KIND))
