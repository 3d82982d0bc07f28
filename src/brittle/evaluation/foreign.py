"""Universal perturbations of whatever origin: those of brittle, and arrays or pictures of somebody else."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from brittle.base.bounds import Bounds
from brittle.data.decode import decode
from brittle.data.npz import read_header
from brittle.errors import DataError, InputError, RunError, quoted
from brittle.limits import check_limit
from brittle.reading import open_ordinary, open_tensors, read_bytes
from brittle.remote import made_at
from brittle.runs.kinds import PERTURBATION_FILE
from brittle.threats import Lp
from brittle.universal_attacks.perturbation import Perturbation

Values = Literal["auto", "1", "255"]
GREY = 128
"""Level of a picture that stands for no change."""
SUFFIXES = (".safetensors", ".npy", ".png")
EXPECTED = f"a folder of `brittle universal`, or a file that ends with {', '.join(SUFFIXES)}"


def read_perturbation(path: Path | str | Perturbation, values: Values = "auto") -> tuple[Perturbation, str]:
    """Read a universal perturbation.

    Args:
        path: the folder or file of `brittle universal`; or a `.npy`, or a `.safetensors` with one tensor, of shape
            (c, h, w), (h, w, c), either with a 1 before, or (h, w); or a `.png`, whose level 128 is no change; or the
            address of one of these; or what was read already.
        values: what the numbers of foreign arrays are units of: images from 0 to "1", or from 0 to "255"; "auto" takes
            the first where no number is larger than 1. Of no effect on pictures, and on what brittle made, which says
            the bounds of the network that it was made for.

    Returns:
        It, for images from 0 to 1, and how it was read, in words.

    Raises:
        RunError: there is no such file, or it is no perturbation.
        InputError: another suffix.
        OverLimit: it would take more than the limits allow.
    """
    if isinstance(path, Perturbation):
        return _for_unit_range(path)
    with made_at(path) as there:
        return _read(there, values)


def _read(path: Path, values: Values) -> tuple[Perturbation, str]:
    if not path.exists():
        raise RunError(f"{str(path)!r} does not exist; expected {EXPECTED}")
    if path.is_dir() or path.name == PERTURBATION_FILE:
        return _own(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{str(path)!r} ends with {path.suffix!r}; expected {EXPECTED}")
    try:
        if path.suffix.lower() == ".png":
            return _stored((_picture(path) - GREY) / 255, path), f"a picture, whose level {GREY} is no change"
        numbers = _array(path) if path.suffix.lower() == ".npy" else _tensor(path)
    except (OSError, ValueError, DataError) as error:
        raise RunError(f"{str(path)!r} is no perturbation that can be read: {quoted(error)}") from error
    if numbers is None:
        return _own(path)
    largest = float(numbers.abs().max())
    chosen = ("1" if largest <= 1 else "255") if values == "auto" else values
    said = f"numbers up to {largest:.4g}, read as those of images from 0 to {chosen}"
    return _stored(numbers / int(chosen), path), said


def _own(path: Path) -> tuple[Perturbation, str]:
    """Read what brittle made."""
    return _for_unit_range(Perturbation.load(path))


def _for_unit_range(found: Perturbation) -> tuple[Perturbation, str]:
    """Return it for images from 0 to 1; those made in Python may be for other bounds."""
    bounds: Any = found.made.get("bounds")
    lower, upper = bounds or (0, 1)
    if (lower, upper) == (0, 1):
        return found, "made by brittle"
    before, unit, threat = Bounds(float(lower), float(upper)), Bounds(), found.threat
    said = f"made by brittle for images from {lower:g} to {upper:g}"
    tensor = threat.rescaled_change(found.tensor, before, unit)
    more = None if found.more is None else threat.rescaled_change(found.more, before, unit)
    within = threat.within(float(threat.radius) / before.span) if isinstance(threat, Lp) else threat
    return replace(found, tensor=tensor, more=more, threat=within), said


def _array(path: Path) -> Tensor:
    with open_ordinary(path) as file:
        shape, dtype = read_header(file, str(path))
        check_limit("cell", path.stat().st_size, str(path))
        content = file.read()
    if dtype.kind not in "fiu":
        raise DataError(f"it holds {dtype}; expected numbers")
    declared = math.prod(shape) * dtype.itemsize
    if declared != len(content):
        raise DataError(f"it declares {declared:,} bytes (shape {shape}) and holds {len(content):,}; is it complete?")
    return _arranged(torch.from_numpy(np.frombuffer(content, dtype).astype(np.float64)).reshape(shape))


def _tensor(path: Path) -> Tensor | None:
    """Return the only tensor of a file; None where it is one of brittle."""
    with open_tensors(path) as file:
        names = list(file.keys())
        if "brittle" in (file.metadata() or {}):
            return None
        if len(names) != 1:
            raise DataError(f"it holds {len(names)} tensors; expected one")
        values = file.get_tensor(names[0])
    if values.dtype == torch.bool or values.is_complex():
        raise DataError(f"it holds {values.dtype}; expected numbers")
    return _arranged(values.double())


def _picture(path: Path) -> Tensor:
    picture = decode(read_bytes(path, "cell"), str(path))
    return _arranged(torch.from_numpy(np.array(picture, dtype=np.float64)))


def _arranged(values: Tensor) -> Tensor:
    """Return values as (c, h, w)."""
    found = values[0] if values.ndim == 4 and len(values) == 1 else values
    found = found[None] if found.ndim == 2 else found
    if found.ndim == 3 and found.shape[0] not in (1, 3) and found.shape[2] in (1, 3):
        found = found.permute(2, 0, 1)
    if found.ndim != 3 or not found.numel():
        raise DataError(f"its shape is {tuple(values.shape)}; expected (c, h, w), (h, w, c), or (h, w)")
    return found.contiguous()


def _stored(values: Tensor, path: Path) -> Perturbation:
    if not bool(torch.isfinite(values).all()):
        raise RunError(f"{str(path)!r} holds NaN or infinite values; expected numbers")
    largest = float(values.abs().max())
    return Perturbation(values.float(), Lp("inf", max(largest, torch.finfo(torch.float32).tiny)), {"file": path.name})
