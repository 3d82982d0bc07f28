"""Parts of the page of a universal perturbation that are read off its rows: rates, classes, images before and after."""

# pyright: reportUnknownParameterType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyarrow ships no types
import json
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from brittle.metrics import fooling_rate
from brittle.metrics.formats import percent
from brittle.metrics.paired import sign_test
from brittle.pictures import data_uri
from brittle.report.content import picture_in
from brittle.report.gallery import reduced

LABELS = 10
"""Most classes listed that fooled images are taken for."""
CHANCE = 0.05
"""Below this probability that chance alone splits images so, a perturbation is shown to do more than noise."""
NAMELESS = "class "
"""Before the number of a class that has no name."""
SHOTS = 6
"""Images shown before and after."""


@dataclass(frozen=True)
class Rate:
    """A line of the table: a group of images, and the fractions of it fooled by the perturbation and by noise."""

    kind: str
    fooled: str
    interval: str
    noise: str
    noise_interval: str
    count: int


@dataclass(frozen=True)
class Label:
    """A class that fooled images are taken for, and how many are."""

    name: str
    count: int
    fraction: str


@dataclass(frozen=True)
class Pair:
    """An image before and after, as data URIs, with the network's words."""

    name: str
    before: str
    after: str
    said_before: str
    said_after: str


def of_kind(rows: pa.Table, kind: str) -> pa.Table:
    """Return the rows of a group of images."""
    return rows.filter(pa.array(kind == one for one in rows["kind"].to_pylist()))


def rate_of(kind: str, title: str, rows: pa.Table) -> Rate:
    """Return the line of a group of images."""
    some = of_kind(rows, kind)
    clean, moved, noise = (some[f"class_{name}"].to_numpy() for name in ("clean", "perturbed", "noise"))
    rate, random = (fooling_rate(clean, other) for other in (moved, noise))
    ends, random_ends = (f"{percent(one.low)} to {percent(one.high)}" for one in (rate, random))
    return Rate(title, percent(rate.value), ends, percent(random.value), random_ends, len(clean))


@dataclass(frozen=True)
class Split:
    """How many images the perturbation moves more than noise, and how many less, and how likely chance splits them so.

    Attributes:
        more, less: numbers of images; those that both move alike are neither.
        chance: how likely they are split at least as unevenly where neither does more (exact two-sided sign test).
    """

    more: int
    less: int
    chance: float

    @property
    def shown(self) -> bool:
        """Whether the perturbation is shown to do more."""
        return self.more > self.less and self.chance < CHANCE


def beyond_noise(kind: str, rows: pa.Table, *, pixels: bool) -> Split:
    """Compare with noise image by image: which part of its pixels changes, or whether its class does."""
    some = of_kind(rows, kind)
    if pixels:
        moved, noise = (some[f"share_{name}"].to_numpy() for name in ("perturbed", "noise"))
    else:
        clean = some["class_clean"].to_numpy()
        moved, noise = ((some[f"class_{name}"].to_numpy() != clean) * 1.0 for name in ("perturbed", "noise"))
    more, less = int((moved > noise).sum()), int((moved < noise).sum())
    return Split(more, less, sign_test(more, less))


def labels_of(rows: pa.Table, kind: str) -> list[Label]:
    """Count the classes that fooled images are taken for."""
    some, names = of_kind(rows, kind), classes_of(rows)
    clean, moved = (some[f"class_{name}"].to_numpy() for name in ("clean", "perturbed"))
    counts = Counter(moved[clean != moved].tolist())
    total = max(sum(counts.values()), 1)
    return [Label(name_of(label, names), count, percent(count / total)) for label, count in counts.most_common(LABELS)]


def classes_of(rows: pa.Table) -> list[str]:
    """Return the names of the classes."""
    return json.loads((rows.schema.metadata or {}).get(b"classes", b"[]"))


def name_of(label: int, names: list[str]) -> str:
    """Name a class."""
    return names[label] if 0 <= label < len(names) else f"{NAMELESS}{label}"


def pairs_of(rows: pa.Table, kind: str) -> list[Pair]:
    """Return the first fooled images, before and after."""
    names, found = classes_of(rows), []
    for row in of_kind(rows, kind).to_pylist():
        if row["clean_png"] is None or len(found) == SHOTS:
            continue
        said = [
            f"{name_of(row[f'class_{when}'], names)} ({percent(row[f'confidence_{when}'])})"
            for when in ("clean", "perturbed")
        ]
        pictures = [picture_uri(row[column]) for column in ("clean_png", "perturbed_png")]
        found.append(Pair(row["name"], pictures[0], pictures[1], said[0], said[1]))
    return found


def picture_uri(png: bytes) -> str:
    """Return a PNG as a data URI after decoding it, a large one reduced, so that nothing but pixels reaches a page."""
    return data_uri(reduced(picture_in(png)))
