"""What searches by saliency maps gave, drawn: matrices of source and target classes, a curve, and a sheet of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brittle.metrics.estimate import Floats
from brittle.studies.bench.drawing import Curves, Drawing, HeatMap, Picture, encoded

GAP = 1
"""Pixels between the images of a sheet."""


@dataclass(frozen=True)
class Matrices:
    """By source (rows) and target class (columns), NaN where nothing was tried: shape (k, k) each."""

    success: Floats
    hardness: Floats
    distance: Floats


def drawings(
    title: str,
    names: Sequence[str],
    matrices: Matrices,
    limits: Sequence[float],
    curve: tuple[Floats, Floats],
    examples: Mapping[tuple[int, int], np.ndarray],
    maps: Mapping[tuple[int, int], np.ndarray],
) -> tuple[Drawing, ...]:
    """Draw what leading images of every class to every other class gave.

    Args:
        title: network and search.
        names: of the k classes.
        matrices: success, hardness and adversarial distance.
        limits: maximum distortions (m,).
        curve: success rate and mean distortion over all pairs at them.
        examples: (c, h, w) in [0, 1] by source and target; the clean image where both are the same.
        maps: saliency of the same clean images for each target, likewise.
    """
    rates, distortions = ([float(one) for one in line] for line in curve)
    x = [100 * limit for limit in limits]
    found: list[Drawing] = [
        _matrix(
            f"{title}: success",
            "The fraction of attempts that reach the target within the limit of the table.",
            names,
            matrices.success,
            percent=True,
        ),
        _matrix(
            f"{title}: hardness",
            "Area under the fraction of features changed against the success rate; larger is harder, and pairs that "
            "are "
            "never reached have 0.",
            names,
            matrices.hardness,
        ),
        _matrix(
            f"{title}: adversarial distance",
            "The fraction of features that alone say nothing for the target on the clean image, mean over images.",
            names,
            matrices.distance,
        ),
        Curves(
            f"{title}: by maximum distortion",
            "Success rate and mean features changed over all pairs of classes, against the most features allowed.",
            "maximum distortion Υ, % of the features",
            "%",
            {
                "success rate": (x, [100 * rate for rate in rates]),
                "features changed": (x, [100 * one for one in distortions]),
            },
        ),
    ]
    return (*found, _images(title, names, examples), _maps(title, names, maps))


def _matrix(title: str, caption: str, names: Sequence[str], values: Floats, percent: bool = False) -> HeatMap:
    return HeatMap(
        title,
        caption,
        names,
        names,
        [[float(one) if np.isfinite(one) else None for one in row] for row in values],
        "percent" if percent else "number",
        "source class",
        "target class",
    )


def _images(title: str, names: Sequence[str], examples: Mapping[tuple[int, int], np.ndarray]) -> Picture:
    reached, k = sum(source != target for source, target in examples), len(names)
    return Picture(
        f"{title}: images",
        "Rows: the class an image is of; columns: the class it was led to. On the diagonal the clean image of a class, "
        "elsewhere the first one of its class that reached the target at the largest maximum distortion; grey where "
        "none did.",
        _sheet(k, examples),
        f"A sheet of {k} by {k} images: {reached} pairs of source and target classes reached.",
    )


def _maps(title: str, names: Sequence[str], maps: Mapping[tuple[int, int], np.ndarray]) -> Picture:
    k = len(names)
    brightest = {pair: one / max(float(one.max()), 1e-30) for pair, one in maps.items()}
    return Picture(
        f"{title}: saliency maps",
        "Rows: the clean images on the diagonal above; columns: targets. The brighter a pixel, the more changing it "
        "alone speaks for the target and against all other classes; every map is scaled to its own maximum.",
        _sheet(k, brightest),
        f"A sheet of {k} by {k} saliency maps by source and target class.",
    )


def _sheet(k: int, examples: Mapping[tuple[int, int], np.ndarray]) -> str:
    """Lay images out by source and target, as PNG in base64; a pair without one stays grey."""
    channels, height, width = next(iter(examples.values())).shape
    sheet = np.full((k * (height + GAP) - GAP, k * (width + GAP) - GAP, channels), 0.5)
    for (source, target), image in examples.items():
        top, left = source * (height + GAP), target * (width + GAP)
        sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return encoded(sheet[..., 0] if channels == 1 else sheet, 2)
