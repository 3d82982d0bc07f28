"""Universal perturbations as pictures."""

from collections.abc import Sequence

import torch
from torch import Tensor

from brittle.studies.bench.drawing import Picture, encoded

GAP = 4
"""Pixels of grey between two perturbations."""


def drawn(title: str, perturbations: Sequence[Tensor], made: str) -> Picture:
    """Draw perturbations beside each other, grey where they are 0 and brought to the full range of colours.

    Args:
        title: of the picture.
        perturbations: (c, h, w) each, of one shape.
        made: what for, as a part of a sentence.
    """
    channels, height, _ = perturbations[0].shape
    parts: list[Tensor] = []
    for change in perturbations:
        largest = change.abs().amax().clamp_min(torch.finfo(change.dtype).tiny)
        parts += [
            0.5 + change.cpu() / (2 * largest.cpu()),
            torch.full((channels, height, GAP), 0.5, dtype=change.dtype),
        ]
    pixels = torch.cat(parts[:-1], 2).permute(1, 2, 0).numpy()
    several = len(perturbations) > 1
    what = f"{len(perturbations)} perturbations" if several else "the perturbation"
    return Picture(
        title,
        f"Grey is no change; the largest change{' of each' if several else ''} is drawn as full colour.",
        encoded(pixels[..., 0] if channels == 1 else pixels),
        f"the pixels of {what} {made}",
    )
