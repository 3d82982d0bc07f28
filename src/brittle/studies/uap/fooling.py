"""The universal paper's table 1: how many images one change fools, of those it was made from and of others."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.attacks.deepfool import DeepFool
from brittle.studies.bench.drawing import Picture, encoded
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study
from brittle.studies.bench.work import Work
from brittle.studies.shared.photographs import FAST, HALVES, L2, LINF, NOISE, Photographs, fooled
from brittle.studies.shared.views import FETCHED, GIVEN, MOBILENET_128
from brittle.threats import Lp
from brittle.universal.uap import UniversalDeepFool

TABLE = "uap_fooling"
THREATS = (LINF, L2)
PUBLISHED = UniversalDeepFool(DeepFool(steps=10))
"""The paper's algorithm with its settings: 10 steps of DeepFool, until 80 % of X are fooled, 10 passes at most."""
FEW = {MOBILENET_128.row: 100}
"""Images of X that the paper's algorithm has at the small scale, by network; it does not run where none are given."""
ONLY_PUBLISHED = ("CaffeNet", "VGG-F")
_SHEETS = {"linf": "Maximum norm, 10/255", "l2": "2-norm, 2000/255"}


def _columns(norm: str) -> tuple[Column, ...]:
    sheet = _SHEETS[norm]
    return (
        Column(f"{norm}.given", "fast solver, X", "percent", sheet),
        Column(f"{norm}.unseen", "fast solver, held-out", "percent", sheet),
        Column(f"{norm}.noise", "noise, held-out", "percent", sheet),
        Column(f"{norm}.paper.count", "published algorithm, images in X", "number", sheet),
        Column(f"{norm}.paper.given", "published algorithm, X", "percent", sheet),
        Column(f"{norm}.paper.unseen", "published algorithm, held-out", "percent", sheet),
    )


NOTES = (
    f"Fast solver: {FAST!r}. Published algorithm: {PUBLISHED!r}; it takes one image after the other, so that at the "
    f"small scale it runs on {MOBILENET_128.row} alone, with the first {FEW[MOBILENET_128.row]} images of X; at the "
    "scale of the paper it runs on all networks with all of X. Published figures stand beside the published "
    "algorithm.",
    HALVES,
    NOISE,
    "The 2-norm's radius is that of the paper at every size of image: a change of a pixel is larger at the smaller "
    "sizes.",
    INTERVALS,
)


@dataclass(frozen=True)
class Fast(Work):
    """The fast solver on a network, and noise of equal norm."""

    photographs: Photographs
    threat: Lp

    @property
    def name(self) -> str:
        """What the work is called."""
        return f"fast solver, {self.threat.name}"

    def measure(self) -> Measured:
        """Make a perturbation and try it, and noise, on images that it was not made from."""
        photographs, norm = self.photographs, self.threat.name
        perturbation = photographs.found(FAST, self.threat).tensor
        values = {
            f"{norm}.given": fooled(photographs.given, perturbation),
            f"{norm}.unseen": fooled(photographs.held_out, perturbation),
            f"{norm}.noise": fooled(photographs.held_out, photographs.noise(self.threat)),
        }
        figures = (picture(photographs, perturbation),) if norm == LINF.name else ()
        return Measured(values, remark=photographs.story(), figures=figures)


@dataclass(frozen=True)
class Slow(Work):
    """The published algorithm on a network."""

    photographs: Photographs
    threat: Lp
    count: int | None

    @property
    def name(self) -> str:
        """What the work is called."""
        return f"published algorithm, {self.threat.name}"

    def measure(self) -> Measured:
        """Make a perturbation and try it on images that it was not made from."""
        photographs, key = self.photographs, f"{self.threat.name}.paper"
        images = photographs.given if self.count is None else photographs.first(self.count)
        found = photographs.found(PUBLISHED, self.threat, images)
        passes, fraction = found.made["passes"], found.size / float(self.threat.radius)
        assert isinstance(passes, list)
        values = {
            f"{key}.count": f"{len(images):,}",
            f"{key}.given": fooled(images, found.tensor),
            f"{key}.unseen": fooled(photographs.held_out, found.tensor),
        }
        note = f"({len(passes)} pass{'es' if len(passes) != 1 else ''}, size {fraction:.0%} of the radius)"
        return Measured(values, {f"{key}.given": note}, photographs.story())


def picture(photographs: Photographs, perturbation: Tensor) -> Picture:
    """Draw a perturbation, grey where it is 0 and brought to the full range of colours."""
    row, largest = photographs.view.row, perturbation.abs().amax().clamp_min(torch.finfo(perturbation.dtype).tiny)
    pixels = (0.5 + perturbation / (2 * largest)).permute(1, 2, 0).cpu().numpy()
    return Picture(
        f"Universal perturbation of {row}, maximum norm",
        "Grey is no change; the largest change, 10/255, is drawn as full colour.",
        encoded(pixels[..., 0] if pixels.shape[2] == 1 else pixels),
        f"the pixels of the perturbation made for {row}",
    )


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: for each network and norm the fast solver, and where it may run the published one."""
    found: list[Cell] = []
    for view in (*GIVEN, *FETCHED):
        photographs = Photographs(view, setting)
        works: list[Fast | Slow] = [Fast(photographs, threat) for threat in THREATS]
        if setting.scale == "paper" or view.row in FEW:
            count = None if setting.scale == "paper" else FEW[view.row]
            works += [Slow(photographs, threat, count) for threat in THREATS]
        found += [Cell(view.row, work.name, work.measure, work.identity) for work in works]
    return found


def _published(row: str, column: str) -> Figure:
    norm, _, which = column.partition(".paper.")
    if which not in ("given", "unseen"):
        return None
    table = published()[TABLE]
    return table.figure(f"{norm} {'X' if which == 'given' else 'Val'}", row) if row in table.columns else None


UAP_FOOLING = Study(
    name="uap-fooling",
    title="How many images one universal perturbation fools",
    source=published()[TABLE].source + ", table 1",
    cells=cells,
    rows=(
        *(Row(view.row, "Not in the paper.") for view in GIVEN),
        *(Row(view.row, "Weights of torchvision, not the paper's.") for view in FETCHED),
        *(Row(name, "Published figures only: no weights are at hand.") for name in ONLY_PUBLISHED),
    ),
    columns=(*_columns("linf"), *_columns("l2")),
    published=_published,
    notes=NOTES,
)
