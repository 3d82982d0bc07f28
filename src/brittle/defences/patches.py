"""A bank of patches as a file, so that it is made once."""

import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from brittle.errors import InputError, quoted
from brittle.files import path_of, write_atomically
from brittle.reading import open_tensors, own_header
from brittle.runs.checkpoint import checksum

FORMAT = 1
"""Version of the file's layout; a file of another version is refused."""
NAME = "patches"
"""Of the tensor, and in the header of what the file holds."""


def save_patches(path: Path, patches: Tensor) -> None:
    """Write patches as safetensors: the tensor `patches`, format and checksum in the header's `brittle` as JSON.

    Args:
        path: the file; what lies there is replaced.
        patches: (n, c, side, side) from 0 to 1.

    Raises:
        RunError: the file cannot be written.
    """
    tensors = {NAME: patches.detach().float().cpu().contiguous().clone()}
    header = {"format": FORMAT, "holds": NAME, "id": checksum({}, tensors)}
    write_atomically(path, save(tensors, {"brittle": json.dumps(header, sort_keys=True)}))


def load_patches(spec: str) -> Tensor:
    """Read what `save_patches` wrote, (n, c, side, side) in float32.

    Raises:
        InputError: there is no such file, it holds something else, or it was damaged.
        OverLimit: it would take more than the limits allow.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "bank.safetensors"
        >>> save_patches(place, torch.rand(20, 3, 5, 5))
        >>> load_patches(str(place)).shape
        torch.Size([20, 3, 5, 5])
    """
    path = path_of(spec)
    try:
        with open_tensors(path) as file:
            header = own_header(file, path)
            if not isinstance(header, dict) or header["holds"] != NAME or header["format"] != FORMAT:
                raise ValueError(f"it does not say that it holds {NAME} in format {FORMAT}")
            patches: Tensor = file.get_tensor(NAME)
        if header["id"] != checksum({}, {NAME: patches}):
            raise ValueError("its id is not that of its content: it was damaged")
        _check(patches)
        return patches
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{spec!r} is no bank of patches of brittle ({quoted(error)}); expected what `save` of a prepared Quilting "
            "wrote"
        ) from error


def _check(patches: Tensor) -> None:
    if patches.dtype != torch.float32:
        raise ValueError(f"its patches are {patches.dtype}, not torch.float32")
    shape = tuple(patches.shape)
    if len(shape) != 4 or shape[2] != shape[3] or 0 in shape:
        raise ValueError(f"its patches have the shape {shape}, not (n, channels, side, side)")
    if not bool(((patches >= 0) & (patches <= 1)).all()):
        raise ValueError("its patches hold NaN or values outside 0 to 1")
