"""Files of adversarial images: how they are called, written and read back."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor

from brittle.errors import InputError
from brittle.files import write_atomically
from brittle.maths.geometry import warp
from brittle.maths.quantization import as_bytes, values_of
from brittle.names import plain_name
from brittle.pictures import animate, png_of, sheet
from brittle.runs.place import beside as with_ending

FRAMES = 13
"""Pictures of an animation, from the original to the deformed image."""
LONGEST_CLASS = 40
"""Bytes of a class's name in the name of a file."""
VECTORS, MOVING, FIELD = ".vectors.png", ".moving.png", ".safetensors"
"""Endings of what lies beside a deformed image."""


@dataclass(frozen=True)
class FileNames:
    """What the files of an image are called."""

    original: str
    changed: str


def file_names(index: int, label: str, after: str) -> FileNames:
    """Return what the files of an image are called; its number makes them the only ones.

    Example:
        >>> file_names(3, "giant panda", "gibbon")
        FileNames(original='0003-giant-panda.png', changed='0003-giant-panda-gibbon.png')
    """
    before, now = (plain_name(name, LONGEST_CLASS) or "class" for name in (label, after))
    return FileNames(f"{index:04d}-{before}.png", f"{index:04d}-{before}-{now}.png")


def save_picture(image: Tensor, path: Path) -> None:
    """Write an image (c, h, w) in [0, 1], of one or three channels, as PNG.

    Raises:
        InputError: another number of channels.
        RunError: the file cannot be written.
    """
    levels = as_bytes(image).permute(1, 2, 0).numpy()
    if levels.shape[2] not in (1, 3):
        raise InputError(f"an image of {levels.shape[2]} channels is no PNG; expected 1 or 3")
    write_atomically(path, png_of(Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)))


def save_deformation(clean: Tensor, adversarial: Tensor, vectors: Tensor, path: Path) -> None:
    """Write what shows a deformation beside its image: four pictures, an animation, and the field.

    Args:
        clean: (c, h, w) in [0, 1].
        adversarial: likewise.
        vectors: (2, h, w), in pixels.
        path: of the adversarial image.

    Raises:
        RunError: a file cannot be written.
    """
    original, deformed, arrows = (tensor.cpu().numpy().astype(np.float64) for tensor in (clean, adversarial, vectors))
    fraction = torch.linspace(0, 1, FRAMES)[:, None, None, None].to(vectors)
    frames = warp(clean.cpu().expand(FRAMES, -1, -1, -1), fraction * vectors)
    write_atomically(with_ending(path, VECTORS), png_of(sheet(original, deformed, arrows)))
    animate([one.numpy().astype(np.float64) for one in frames], with_ending(path, MOVING))
    write_atomically(with_ending(path, FIELD), save({"field": vectors.contiguous()}))


def read_picture(path: Path, like: Tensor) -> Tensor:
    """Return what `save_picture` wrote, of the shape and type of another image."""
    with Image.open(path) as picture:
        levels = np.asarray(picture).reshape(like.shape[1], like.shape[2], like.shape[0])
    return values_of(torch.from_numpy(levels.copy()).permute(2, 0, 1).to(like.dtype))
