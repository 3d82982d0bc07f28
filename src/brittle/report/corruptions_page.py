"""The page of a measurement under corruptions: a map of the accuracy, and what the corruptions look like."""

from dataclasses import dataclass
from pathlib import Path

from brittle.metrics import Estimate
from brittle.metrics.formats import interval, percent
from brittle.pictures import data_uri
from brittle.reading import read_bytes
from brittle.report.content import picture_in, shown
from brittle.report.formats import command_text, placeless, subject
from brittle.report.template import fill
from brittle.runs.corruptions import CLEAN, CorruptionsFolder, CorruptionsSummary, cell_name
from brittle.runs.kinds import CORRUPTED

LISTS = {
    "auto": "the published ones for the images' size",
    "cifar": "those of CIFAR-10-C",
    "imagenet": "those of ImageNet-C",
}
"""Whose severities, in words."""


@dataclass(frozen=True)
class Cell:
    """An accuracy in the table: as text, with its interval, and how much of the colour it gets, 0 to 100."""

    value: str
    reach: str
    shade: int


@dataclass(frozen=True)
class Row:
    """A kind of corruption: its cells by severity, and their mean."""

    kind: str
    cells: list[Cell]
    mean: Cell


def corruptions_page(run: Path) -> str:
    """Return the page of the folder of `brittle corrupt`.

    Raises:
        RunError: it is not finished, or a part of it is damaged.
    """
    folder = CorruptionsFolder.open(run)
    with shown(run, "the folder of a measurement under corruptions"):
        return render(folder, CorruptionsSummary.of(folder))


def render(folder: CorruptionsFolder, summary: CorruptionsSummary) -> str:
    """The whole page as text."""
    manifest = folder.manifest
    return fill(
        "corruptions.html",
        {},
        network=subject(summary.network),
        data=subject(summary.data),
        images=summary.images,
        created=manifest.created,
        version=manifest.versions["brittle"],
        severities=manifest.severities,
        cards=[
            ("Corrupted", "mean over all kinds and severities", percent(summary.mean.value), interval(summary.mean)),
            ("Clean", "the images as they are", percent(summary.clean.value), interval(summary.clean)),
        ],
        lost=f"{100 * (summary.clean.value - summary.mean.value):.1f}",
        worst=min(summary.kinds, key=lambda kind: summary.kinds[kind].value),
        rows=[
            Row(
                kind,
                [_cell(summary.cells[kind, severity]) for severity in manifest.severities],
                _cell(summary.kinds[kind]),
            )
            for kind in manifest.kinds
        ],
        original=_picture(folder, CLEAN),
        pictures=[
            (kind, [(severity, _picture(folder, cell_name(kind, severity))) for severity in manifest.severities])
            for kind in manifest.kinds
        ],
        settings={
            "command": command_text(manifest.command),
            "severities": LISTS.get(manifest.published, manifest.published),
            "seed": manifest.seed,
            "batch": manifest.batch,
            "network": f"{placeless(manifest.network.spec)}, sha256 {manifest.network.digest[:12]}",
            "images": f"{placeless(manifest.data.spec)}, sha256 {manifest.data.digest[:12]}",
            "machine": manifest.machine,
            "versions": ", ".join(f"{name} {one}" for name, one in manifest.versions.items()),
            "made": manifest.finished or manifest.created,
        },
    )


def _cell(estimate: Estimate) -> Cell:
    return Cell(f"{100 * estimate.value:.1f}", interval(estimate), round(100 * estimate.value))


def _picture(folder: CorruptionsFolder, name: str) -> tuple[str, int] | None:
    """Return a picture as a data URI with its width; None where it is gone, which costs no figure."""
    path = folder.path / CORRUPTED / f"{name}.png"
    if not path.is_file():
        return None
    picture = picture_in(read_bytes(path))
    return data_uri(picture), picture.width
