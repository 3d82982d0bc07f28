"""What the pages of audits of dense networks share: how many images are broken, by how little, with pictures."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from brittle.metrics import Estimate, quantile
from brittle.metrics.curve_figure import Figure
from brittle.metrics.formats import THIN, Units, interval, percent, title
from brittle.metrics.sizes import QUANTILES
from brittle.pictures import data_uri
from brittle.reading import read_bytes
from brittle.report.content import picture_in
from brittle.report.drawings import drawing_figures
from brittle.report.formats import command_text, count, duration, placeless, subject
from brittle.report.gallery import SMALL
from brittle.report.template import fill
from brittle.runs.dense import PICTURES, DenseFolder, DenseImage
from brittle.runs.dense_summary import DenseSummary
from brittle.studies.bench.drawing import Curves
from brittle.words import plural

UNITS = Units(1.0)
"""Images are read from 0 to 1."""
S = TypeVar("S", bound=DenseSummary)
R = TypeVar("R", bound=DenseImage)


@dataclass(frozen=True)
class Shot:
    """An image of the gallery: its name, what came of it, and its pictures with their captions and what they show."""

    name: str
    result: str
    pictures: Sequence[tuple[str, str, str]]
    small: bool


@dataclass(frozen=True)
class DensePage(ABC, Generic[S, R]):
    """The page of an audit of a dense network.

    Attributes:
        folder: that holds it.
        summary: its figures.
        rows: of its images, or of those that are done.
    """

    template: ClassVar[str]
    """Name of the template."""
    kind: ClassVar[str]
    """What the network says of an image, such as "segmentation"."""

    folder: DenseFolder[Any, R]
    summary: S
    rows: Sequence[R]

    @property
    @abstractmethod
    def wrong(self) -> str:
        """What pixels are that the network is wrong about, in words that follow "are"."""

    @abstractmethod
    def captions(self, row: R) -> tuple[str, str]:
        """Return what stands under the pictures of what the network says of an image, before and after."""

    @abstractmethod
    def more_cards(self) -> Sequence[tuple[str, str, str, str]]:
        """Return the key figures of this task alone."""

    @abstractmethod
    def more_settings(self) -> Mapping[str, object]:
        """Return the settings of this task alone."""

    @abstractmethod
    def more(self, shown: Sequence[R]) -> Mapping[str, object]:
        """Return what the template of this task takes besides; `shown` are the images with pictures."""

    def render(self) -> str:
        """The whole page as text."""
        summary, rows = self.summary, self.rows
        shots = [(row, shot) for row in rows if (shot := self._shot(row))]
        return fill(
            self.template,
            _curve(summary, rows),
            network=subject(summary.network),
            data=subject(summary.data),
            images=plural(summary.images, "image"),
            created=self.folder.manifest.created,
            version=self.folder.manifest.versions["brittle"],
            norm=title(summary.norm),
            radius=None if summary.radius is None else UNITS.size(summary.radius, summary.norm),
            share=_asked(summary),
            wrong=self.wrong,
            kind=self.kind,
            truth=summary.truth,
            unfinished=_unfinished(summary),
            headline=_headline(summary),
            broken=percent(summary.broken.value),
            reach=interval(summary.broken),
            cards=[*_cards(summary, self.wrong), *self.more_cards()],
            sizes=[(title(norm), *measured(one, norm)) for norm, one in summary.sizes.items()],
            quantiles=_quantiles(summary, rows),
            shots=[shot for _, shot in shots],
            notes=summary.notes,
            bad=plural(summary.bad, "image") if summary.bad else "",
            settings=self._settings(),
            **self.more([row for row, _ in shots]),
        )

    def _shot(self, row: R) -> Shot | None:
        """Return the pictures of an image; None where any is gone, which costs no figure."""
        paths = [self.folder.picture(row.index, name) for name in PICTURES]
        if not all(path.is_file() for path in paths):
            return None
        found, norm = [picture_in(read_bytes(path)) for path in paths], self.summary.norm
        captions = ("as it is", "changed", *self.captions(row))
        texts = ("The image", "The changed image", f"The {self.kind}", f"The {self.kind} of the changed image")
        result = f"broken by {UNITS.size(row.smallest, norm)} ({title(norm)})" if row.success else "not broken"
        pictures = list(zip(map(data_uri, found), captions, texts, strict=True))
        return Shot(row.name, result, pictures, max(found[0].size) <= SMALL)

    def _settings(self) -> dict[str, object]:
        manifest = self.folder.manifest
        attack = manifest.attack
        return {
            "command": command_text(manifest.command),
            "labels": self.summary.labels,
            "share of the pixels": f"{manifest.share:g}",
            **self.more_settings(),
            "attack": ", ".join(
                [attack.name, *(f"{name} {one}" for name, one in attack.settings.items() if one is not None)]
            ),
            "norm": manifest.threat.norm,
            "radius": "no limit"
            if manifest.threat.radius is None
            else UNITS.size(manifest.threat.radius, manifest.threat.norm),
            "budget": "no limit" if manifest.budget is None else plural(manifest.budget, "pass", "passes"),
            "confidence": f"{manifest.confidence:g}",
            "seed": manifest.seed,
            "batch": manifest.batch,
            "device": manifest.device,
            "network": f"{placeless(manifest.network.spec)}, sha256 {manifest.network.digest[:12]}",
            "images": f"{placeless(manifest.data.spec)}, sha256 {manifest.data.digest[:12]}",
            "machine": manifest.machine,
            "versions": ", ".join(f"{name} {one}" for name, one in manifest.versions.items()),
            "made": manifest.finished or manifest.created,
        }


def _unfinished(summary: DenseSummary) -> str:
    """Say how many images are done of an audit that is not finished; nothing of one that is."""
    if not summary.left:
        return ""
    total = summary.images + summary.left + summary.bad
    return f"This audit is not finished: {summary.images:,} of {plural(total, 'image')} have been attacked."


def measured(estimate: Estimate, norm: str) -> tuple[str, str]:
    """Return a size and its interval as text."""
    return UNITS.size(estimate.value, norm), UNITS.interval(estimate, norm)


def _asked(summary: DenseSummary) -> str:
    return f"{100 * summary.asked:g}{THIN}%"


def _cards(summary: DenseSummary, wrong: str) -> list[tuple[str, str, str, str]]:
    """Return the key figures: name, meaning, value, and interval or what else is to be said."""
    passes = f"{count(summary.forward)} + {count(summary.backward)}"
    asked = f"{_asked(summary)} of the pixels {wrong}"
    return [
        ("Broken", asked, percent(summary.broken.value), interval(summary.broken)),
        (f"Median size, {title(summary.norm)}", "of the smallest change", *measured(summary.median, summary.norm)),
        ("Pixels", f"median share {wrong}", percent(summary.share.value), interval(summary.share)),
        ("Passes", "mean per image, forward and backward", passes, duration(summary.seconds)),
    ]


def _headline(summary: DenseSummary) -> str:
    """Say in one sentence what was found."""
    broken, images = round(summary.broken.value * summary.images), summary.images
    within = "" if summary.radius is None else f" within {UNITS.size(summary.radius, summary.norm)}"
    size = f"{UNITS.size(summary.median.value, summary.norm)} ({title(summary.norm)})"
    if not broken:
        return f"No image was broken{within}."
    if images == 1:
        return f"The one image is broken by a change of {size}."
    if math.isfinite(summary.median.value):
        return f"Half of the images are broken by a change of {size}."
    return f"{broken:,} of {images:,} images {'is' if broken == 1 else 'are'} broken{within}."


def _curve(summary: DenseSummary, rows: Sequence[DenseImage]) -> dict[str, Figure]:
    """Return the share of broken images by the size of the change, a step for each; none where none is broken."""
    factor = UNITS.factor(summary.norm)
    sizes = sorted(factor * row.smallest for row in rows if row.success)
    if not sizes:
        return {}
    broken = [100 * number / len(rows) for number in range(len(sizes) + 1)]
    axis = f"size of the change, {title(summary.norm)}{', in 1/255' if factor != 1 else ''}"
    curves = Curves("", "", axis, "images broken, %", {"broken": ([0.0, *sizes], broken)})
    figures = drawing_figures((curves,))
    (trace,), layout = figures["drawing-0"]["data"], figures["drawing-0"]["layout"]
    trace["line"]["shape"] = "hv"
    layout["xaxis"]["rangemode"], layout["yaxis"]["range"] = "tozero", [0, 103]
    return figures


def _quantiles(summary: DenseSummary, rows: Sequence[DenseImage]) -> list[tuple[str, str, str]]:
    """Return by which size parts of the images are broken, with intervals."""
    sizes = np.array([row.smallest for row in rows])
    return [(f"{100 * part:.0f}{THIN}%", *measured(quantile(sizes, part), summary.norm)) for part in QUANTILES]
