"""Images changed for one network, shown to the others: the work of the tables of Szegedy et al. 2014, section 4.2."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from brittle.attacks.lbfgs import LBFGS
from brittle.base.rows import column
from brittle.base.seeds import Streams
from brittle.core.goal import Targeted
from brittle.core.run import run
from brittle.metrics import Estimate, mean, proportion
from brittle.studies.bench.drawing import Drawing, HeatMap, Picture, encoded
from brittle.studies.bench.published import Figure, Published
from brittle.studies.bench.study import Cell, Measured
from brittle.studies.shared.small_networks import SmallNetworks
from brittle.threats import Lp
from brittle.types import Images, Labels, PerImage

ATTACK = LBFGS()
BEYOND = 1e-3
"""How far beyond the boundary, in logits, an image is led: in a batch of another size it is then judged the same."""
DISTORTION = "distortion"
"""The key of the column of average distortions."""
RIGHT = " (right before)"
"""What the key of a network's other column ends with: its error on the images that it had right unchanged."""
BATCH = 500
SHOWN = 12
"""Images on the sheet of pictures."""


@dataclass(frozen=True)
class Change:
    """What is done to the images in one row.

    Attributes:
        row: key of the row.
        short: its name where there is little room.
        source: the network that the images are distorted for; None for Gaussian noise, and for nothing at all.
        stddev: of the noise, or what the distortion is amplified to; None to leave the distortion as it is.
        published: name of the row in the published table, "" where it is not in there.
    """

    row: str
    short: str
    source: str | None = None
    stddev: float | None = None
    published: str = ""


@dataclass(frozen=True)
class Distorted:
    """What the attack made of the images for one network.

    Attributes:
        images: changed, (n, c, h, w).
        found: which of them are of the class they were to be led to.
    """

    images: Images
    found: Tensor


def distortion(change: Tensor) -> PerImage:
    """Measure sqrt(mean(r^2)) of each image's change, as the paper's tables do.

    Example:
        >>> distortion(torch.full((1, 1, 2, 2), 0.5))
        tensor([0.5000])
    """
    return change.flatten(1).square().mean(1).sqrt()


def amplified(images: Images, changed: Images, stddev: float) -> Images:
    """Bring each image's change to a distortion of `stddev`; images without a change stay as they are."""
    change = changed - images
    size = distortion(change).clamp_min(torch.finfo(images.dtype).tiny)
    return images + change * column(stddev / size, change)


def other_classes(labels: Labels, classes: int, seed: int) -> Labels:
    """Draw a class for each image from its own stream, any but its label, all equally likely."""
    places = torch.arange(len(labels), device=labels.device)
    drawn = (Streams(seed, places).uniform(places, ()) * (classes - 1)).long().clamp_max(classes - 2)
    return drawn + (drawn >= labels).long()


def figure(table: Published, changes: Sequence[Change], row: str, key: str) -> Figure:
    """Return the paper's figure for a row and a column; that of the distortion may stand in the name of its row."""
    if key.endswith(RIGHT):
        return None
    name = next((change.published for change in changes if change.row == row), "")
    if key != DISTORTION or "average distortion" in table.columns:
        return table.figure(name, "average distortion" if key == DISTORTION else key)
    return float(name.split("stddev ")[1].rstrip(")")) if "stddev " in name else None


class TransferMatrix:
    """The rows of a table, each computed once.

    Args:
        networks: of the columns.
        changes: of the rows.
        table: the published one.
    """

    def __init__(self, networks: SmallNetworks, changes: Sequence[Change], table: Published):
        self.networks, self.changes, self.table = networks, changes, table
        self._distorted: dict[str, Distorted] = {}
        self._measured: dict[str, Measured] = {}

    def cells(self) -> Sequence[Cell]:
        """Return the pieces of work: one a row, and the drawings."""
        rows = [
            Cell(
                change.row,
                "errors",
                lambda change=change: self.row(change),
                lambda change=change: self.identity(change),
            )
            for change in self.changes
        ]
        return [*rows, Cell(self.changes[0].row, "drawings", self.drawings, lambda: self.identity(None))]

    def identity(self, change: Change | None) -> Mapping[str, object]:
        """Everything that determines the outcome of a row, or of the drawings."""
        attack = {"name": type(ATTACK).__name__, **{name: str(value) for name, value in asdict(ATTACK).items()}}
        done = [asdict(one) for one in self.changes] if change is None else asdict(change)
        return {
            **self.networks.identity(),
            "attack": attack,
            "goal": "random other class",
            "beyond": BEYOND,
            "change": done,
        }

    def row(self, change: Change) -> Measured:
        """Measure every network's error on the changed images, all and those it had right, and their distortion."""
        if change.row not in self._measured:
            images, labels = self.networks.shown
            changed = self.changed(change)
            values: dict[str, Estimate | str] = {}
            for key in self.networks.models:
                wrong, before = self._wrong(key, changed, labels), self._wrong(key, images, labels)
                values[key] = proportion(int(wrong.sum()), len(wrong))
                right = int((~before).sum())
                values[key + RIGHT] = proportion(int(wrong[~before].sum()), right) if right else "none right"
            size = distortion(changed - images).double().cpu().numpy()
            average = mean(size)
            values[DISTORTION] = replace(average, low=max(average.low, 0.0)) if average.has_interval else average
            notes, remark = dict[str, str](), ""
            if change.source is not None:
                lost = int((~self._found(change.source).found).sum())
                notes = (
                    {DISTORTION: f"({lost:,} of {len(size):,} images not led to their class, and left)"} if lost else {}
                )
                remark = self.networks.story(change.source) if change.stddev is None else ""
            self._measured[change.row] = Measured(values, notes, remark)
        return self._measured[change.row]

    def changed(self, change: Change) -> Images:
        """Return the images, changed."""
        images, _ = self.networks.shown
        if change.source is not None:
            found = self._found(change.source).images
            return found if change.stddev is None else amplified(images, found, change.stddev)
        if change.stddev is None:
            return images
        places = torch.arange(len(images), device=images.device)
        streams = Streams(self.networks.setting.seed, places, images.dtype)
        return images + change.stddev * streams.normal(places, tuple(images.shape[1:]))

    def _found(self, key: str) -> Distorted:
        """Lead every image to a random class that is not its own, by the smallest change."""
        if key not in self._distorted:
            networks, (images, labels) = self.networks, self.networks.shown
            classifier = networks.classifier(key)
            targets = other_classes(labels, 10, networks.setting.seed)
            networks.setting.tell(f"{key}: L-BFGS on {len(images):,} images")
            result = run(
                ATTACK,
                classifier,
                images,
                goal=Targeted(targets, BEYOND),
                threat=Lp(2),
                seed=networks.setting.seed,
                batch=BATCH,
            )
            found = result.success | result.already
            moved = torch.where(column(found, images), result.adversarial, images)
            self._distorted[key] = Distorted(moved, found)
        return self._distorted[key]

    @torch.no_grad()
    def _wrong(self, key: str, images: Images, labels: Labels) -> Tensor:
        """Say which images a network gets wrong."""
        classifier = self.networks.classifier(key)
        return torch.cat([classifier.logits(some).argmax(1) for some in images.split(BATCH)]) != labels

    def drawings(self) -> Measured:
        """Draw both matrices, the measured and the published one, and the changed images."""
        columns = list(self.networks.models)
        measured = [[_value(self.row(change).values[key]) for key in columns] for change in self.changes]
        paper = [change for change in self.changes if change.published]
        theirs = [[_fraction(figure(self.table, self.changes, change.row, key)) for key in columns] for change in paper]
        lengthened = " (×: amplified)" if any(one.source and one.stddev for one in self.changes) else ""
        about = f"Error of the column's network on the images changed as the row says{lengthened}"
        axes = ("images changed for", "shown to")
        figures: tuple[Drawing, ...] = (
            HeatMap(
                *("Errors, measured", f"{about}, measured.", [change.short for change in self.changes], columns),
                *(measured, "percent", *axes),
            ),
            HeatMap(
                *("Errors, published", f"{about}, as the paper has it.", [change.short for change in paper], columns),
                *(theirs, "percent", *axes),
            ),
            self._sheet(),
        )
        return Measured(figures=figures)

    def _sheet(self) -> Picture:
        """Lay the first images out, a row for each change."""
        rows = [self.changed(change)[:SHOWN, 0].clamp(0, 1) for change in self.changes]
        sheet = torch.cat([torch.cat(list(row), 1) for row in rows], 0)
        names = "; ".join(f"{number}: {change.row}" for number, change in enumerate(self.changes, 1))
        return Picture(
            "The changed images",
            f"The first {SHOWN} images, row by row. {names}.",
            encoded(sheet.cpu().numpy(), 2),
            f"{len(rows)} rows of handwritten digits; most changes are hard to see, noise and amplified changes easy.",
        )


def _value(value: Estimate | str) -> float | None:
    return value.value if isinstance(value, Estimate) else None


def _fraction(figure: Figure) -> float | None:
    return figure / 100 if isinstance(figure, int | float) else None
