"""The page of an audit of a segmentation: how many images are broken, by how little, and what that looks like."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brittle.metrics import Estimate, quantile
from brittle.metrics.curve_figure import Figure
from brittle.metrics.formats import THIN, Units, interval, percent, title
from brittle.metrics.sizes import QUANTILES
from brittle.pictures import class_colours, data_uri
from brittle.reading import read_bytes
from brittle.report.content import picture_in, shown
from brittle.report.drawings import drawing_figures
from brittle.report.formats import count, duration, without_folders
from brittle.report.gallery import SMALL
from brittle.report.template import fill
from brittle.runs.result_manifests import SegmentationManifest
from brittle.runs.segmentation import PICTURES, SegmentationFolder, SegmentedImage
from brittle.runs.segmentation_summary import SegmentationSummary, class_name
from brittle.studies.bench.drawing import Curves
from brittle.words import plural

UNITS = Units(1.0)
"""Images are read from 0 to 1."""
NAMED = 12
"""Most classes whose colours are explained."""


@dataclass(frozen=True)
class Shot:
    """An image of the gallery: its name, what came of it, and its pictures with their captions and what they show."""

    name: str
    result: str
    pictures: Sequence[tuple[str, str, str]]
    small: bool


@dataclass(frozen=True)
class Key:
    """A class on the pictures: its name, and its colour in hexadecimal."""

    name: str
    colour: str


def segmentation_page(run: Path) -> str:
    """Return the page of the folder of `brittle audit --task segmentation`.

    Raises:
        RunError: it is not finished, or a part of it is damaged.
    """
    folder = SegmentationFolder.open(run)
    with shown(run, "the folder of an audit of a segmentation"):
        return render(folder, SegmentationSummary.of(folder), folder.images())


def render(folder: SegmentationFolder, summary: SegmentationSummary, rows: Sequence[SegmentedImage]) -> str:
    """The whole page as text."""
    manifest = folder.manifest
    shots = [(row, shot) for row in rows if (shot := _shot(folder, row))]
    return fill(
        "segmentation.html",
        _curve(summary, rows),
        network=without_folders(summary.network),
        data=without_folders(summary.data),
        images=plural(summary.images, "image"),
        norm=title(summary.norm),
        radius=None if summary.radius is None else UNITS.size(summary.radius, summary.norm),
        share=_asked(summary),
        headline=_headline(summary),
        broken=percent(summary.broken.value),
        reach=interval(summary.broken),
        cards=_cards(summary),
        sizes=[(title(norm), *_measured(one, norm)) for norm, one in summary.sizes.items()],
        quantiles=_quantiles(summary, rows),
        classes=[
            (one.name, f"{one.pixels:,}", f"{one.lost:,}", percent(one.lost / one.pixels)) for one in summary.classes
        ],
        shots=[shot for _, shot in shots],
        keys=_keys(manifest, [row for row, _ in shots]),
        notes=summary.notes,
        bad=plural(summary.bad, "image") if summary.bad else "",
        settings=_settings(manifest),
    )


def _measured(estimate: Estimate, norm: str) -> tuple[str, str]:
    return UNITS.size(estimate.value, norm), UNITS.interval(estimate, norm)


def _asked(summary: SegmentationSummary) -> str:
    return f"{100 * summary.asked:g}{THIN}%"


def _cards(summary: SegmentationSummary) -> list[tuple[str, str, str, str]]:
    """Return the key figures: name, meaning, value, and interval or what else is to be said."""
    passes = f"{count(summary.forward)} + {count(summary.backward)}"
    asked = f"{_asked(summary)} of the pixels segmented otherwise"
    return [
        ("Broken", asked, percent(summary.broken.value), interval(summary.broken)),
        (f"Median size, {title(summary.norm)}", "of the smallest change", *_measured(summary.median, summary.norm)),
        ("Pixels", "median share segmented otherwise", percent(summary.share.value), interval(summary.share)),
        ("Passes", "mean per image, forward and backward", passes, duration(summary.seconds)),
    ]


def _headline(summary: SegmentationSummary) -> str:
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


def _curve(summary: SegmentationSummary, rows: Sequence[SegmentedImage]) -> dict[str, Figure]:
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


def _quantiles(summary: SegmentationSummary, rows: Sequence[SegmentedImage]) -> list[tuple[str, str, str]]:
    """Return by which size parts of the images are broken, with intervals."""
    sizes = np.array([row.smallest for row in rows])
    return [(f"{100 * part:.0f}{THIN}%", *_measured(quantile(sizes, part), summary.norm)) for part in QUANTILES]


def _shot(folder: SegmentationFolder, row: SegmentedImage) -> Shot | None:
    """Return the pictures of an image; None where any is gone, which costs no figure."""
    paths = [folder.picture(row.index, name) for name in PICTURES]
    if not all(path.is_file() for path in paths):
        return None
    found, norm = [picture_in(read_bytes(path)) for path in paths], folder.manifest.threat.norm
    seen = [plural(row.classes(when), "class", "classes") for when in ("before", "after")]
    captions = ("as it is", "changed", f"before: {seen[0]}", f"after: {seen[1]}, {percent(row.share)} otherwise")
    texts = ("The image", "The changed image", "Its segmentation", "The segmentation of the changed image")
    result = f"broken by {UNITS.size(row.smallest, norm)} ({title(norm)})" if row.success else "not broken"
    pictures = list(zip(map(data_uri, found), captions, texts, strict=True))
    return Shot(row.name, result, pictures, max(found[0].size) <= SMALL)


def _keys(manifest: SegmentationManifest, rows: Sequence[SegmentedImage]) -> list[Key]:
    """Return the colours of the classes that fill most of the pictures."""
    pixels = Counter[str]()
    for row in rows:
        for number, counts in row.pixels.items():
            pixels[number] += counts.before + counts.after
    return [Key(class_name(manifest, number), _colour(number)) for number, _ in pixels.most_common(NAMED)]


def _colour(number: str) -> str:
    """Return a class's colour as a style sheet writes it."""
    red, green, blue = (255 * class_colours(np.array([[int(number)]]))).round().astype(int)[0, 0]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _settings(manifest: SegmentationManifest) -> dict[str, object]:
    attack = manifest.attack
    return {
        "command": " ".join(manifest.command),
        "labels": "the network's own segmentation of the clean image",
        "share of the pixels": f"{manifest.share:g}",
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
        "network": f"{manifest.network.spec}, sha256 {manifest.network.digest[:12]}",
        "images": f"{manifest.data.spec}, sha256 {manifest.data.digest[:12]}",
        "machine": manifest.machine,
        "versions": ", ".join(f"{name} {one}" for name, one in manifest.versions.items()),
        "made": manifest.finished or manifest.created,
    }
