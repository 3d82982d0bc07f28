"""What two stated identities differ in, and whether answers asked anew are those that were kept."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from brittle.identity.sources import changed_files

KEPT_IMAGES = 4
"""Images whose answers are kept with a checkpoint."""
KEPT_VALUES = 1000
"""Numbers of one answer that are kept, evenly spread where there are more."""
APART = 0.02
"""Fraction of the answers' range by which they may differ: other kernels round otherwise, by far less."""


def stated(parts: Mapping[str, object]) -> str:
    """Return what determines a result as text, so that two such texts can be compared part by part."""
    return json.dumps(parts, sort_keys=True, default=str)


def fingerprint(parts: object) -> str:
    """Return the sha256, in hexadecimal, of what determines something: the id by which files know each other.

    Args:
        parts: whatever JSON can hold, in any order; or the text of `stated`.

    Example:
        >>> fingerprint({"seed": 0, "radius": 0.5})[:8] == fingerprint({"radius": 0.5, "seed": 0})[:8]
        True
    """
    text = parts if isinstance(parts, str) else json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def differing(before: str, now: str) -> str:
    """Name the parts in which two texts of `stated` differ; "everything" where one of them is another text.

    Example:
        >>> differing(stated({"seed": 0, "your code": {"a.py": "x"}}), stated({"seed": 1, "your code": {"a.py": "y"}}))
        'seed, your code (a.py was changed)'
    """
    try:
        old, new = json.loads(before), json.loads(now)
    except ValueError:
        return "everything"
    if not isinstance(old, dict) or not isinstance(new, dict):
        return "everything"
    return ", ".join(_named(cast("dict[str, Any]", old), cast("dict[str, Any]", new)))


def _named(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    said: list[str] = []
    for part in sorted({*old, *new}):
        first, second = old.get(part), new.get(part)
        if first == second:
            continue
        if part == "your code":
            said.append(f"{part} ({changed_files(first or {}, second or {})})")
        else:
            said.append(part)
    return said


def kept_answers(outputs: Tensor) -> Tensor:
    """Return of a network's outputs (n, ...) what is kept of them, (n, at most `KEPT_VALUES`), float32 on the CPU."""
    flat = outputs.detach().reshape(len(outputs), -1).to("cpu", torch.float32)
    if flat.shape[1] <= KEPT_VALUES:
        return flat
    return flat[:, torch.linspace(0, flat.shape[1] - 1, KEPT_VALUES).long()]


def apart(kept: Tensor, now: Tensor) -> str:
    """Say in numbers how answers asked anew differ from those kept; "" where rounding explains it.

    Example:
        >>> apart(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 1.0]]))
        ''
        >>> apart(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 1.0]]))
        'by up to 0.5, where the answers reach from 0 to 1'
    """
    if kept.shape != now.shape:
        return f"in shape: {tuple(kept.shape)} kept, {tuple(now.shape)} now"
    low, high = (float(one) for one in kept.aminmax()) if kept.numel() else (0.0, 0.0)
    same = (kept - now).abs() <= APART * (high - low)
    if bool((same | (kept == now) | (kept.isnan() & now.isnan())).all()):
        return ""
    return f"by up to {float((kept - now).abs().amax()):.3g}, where the answers reach from {low:.3g} to {high:.3g}"
