"""The same parts of the page where the network answers for every pixel: shares of pixels, segmentations and depths."""

# pyright: reportUnknownParameterType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyarrow ships no types
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from brittle.metrics import mean
from brittle.metrics.formats import percent
from brittle.report.universal_parts import Label, Pair, Rate, classes_of, name_of, of_kind, picture_uri


def pixel_rate_of(kind: str, title: str, rows: pa.Table) -> Rate:
    """Return the line of a group of images: the mean share of an image's pixels that change."""
    shares, noise = (of_kind(rows, kind)[f"share_{name}"].to_numpy() for name in ("perturbed", "noise"))
    rate, random = (mean(one, bounds=(0, 1)) for one in (shares, noise))
    ends, random_ends = (f"{percent(one.low)} to {percent(one.high)}" for one in (rate, random))
    return Rate(title, percent(rate.value), ends, percent(random.value), random_ends, len(shares))


@dataclass(frozen=True)
class Depths:
    """What became of depths, in words.

    Attributes:
        ratio: from which a depth is another one.
        error, noise: the mean error |d - d*| / d* beside the depths of the images as they are, with the perturbation
            and with noise.
        farther: which part of the pixels is too far; the others that change are too near.
    """

    ratio: str
    error: str
    noise: str
    farther: str


def depths_of(made: dict[str, Any]) -> Depths | None:
    """Return what became of depths; None of networks with classes."""
    if made.get("task") != "depth":
        return None
    error, noise = (made["absolute"][name] for name in ("perturbed", "noise"))
    return Depths(f"{made['ratio']:g}", _error(error), _error(noise), percent(float(made["farther"]["value"])))


def _error(estimate: dict[str, Any]) -> str:
    value, low, high = (estimate[name] for name in ("value", "low", "high"))
    if value is None:
        return "not known, as no pixel has a depth"
    between = "too few images for an interval" if low is None else f"95 % interval {percent(low)} to {percent(high)}"
    return f"{percent(value)} ({between})"


def pixel_labels_of(made: dict[str, Any], rows: pa.Table) -> list[Label]:
    """Name the classes that changed pixels are taken for, with their parts of those that are listed; none of depths."""
    counts = {int(label): int(count) for label, count in made.get("taken_for", {}).items()}
    names = classes_of(rows)
    total = max(sum(counts.values()), 1)
    return [Label(name_of(label, names), count, percent(count / total)) for label, count in counts.items()]


def pixel_pairs_of(made: dict[str, Any], rows: pa.Table, kind: str) -> list[Pair]:
    """Return the first images before and after, each with its segmentations or depths."""
    maps = "depths" if made["task"] == "depth" else "segmentations"
    found = list[Pair]()
    for row in of_kind(rows, kind).to_pylist():
        if row["clean_png"] is None:
            continue
        share = percent(row["share_perturbed"])
        for (before, after), name in ((("clean", "perturbed"), row["name"]), (("before", "after"), maps)):
            pictures = [picture_uri(row[f"{column}_png"]) for column in (before, after)]
            said = ("as it is", "with the perturbation") if before == "clean" else ("before", f"{share} of the pixels")
            found.append(Pair(name, pictures[0], pictures[1], *said))
    return found
