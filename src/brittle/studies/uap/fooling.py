"""The universal paper's table 1: how many images one change fools, of those it was made from and of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from brittle.attacks.deepfool import DeepFool
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Scale, Setting, Study, sized
from brittle.studies.bench.work import Work
from brittle.studies.shared.photographs import FAST, HALVES, L2, LINF, NOISE, Photographs, fooled
from brittle.studies.shared.views import (
    FETCHED,
    GIVEN,
    MOBILENET_128,
    MOBILENET_160,
    MOBILENET_192,
    MOBILENET_V2,
    SQUEEZENET,
    STAND_INS,
)
from brittle.studies.uap.drawn import drawn
from brittle.studies.uap.sizes import RESNET, shared_perturbation, taken
from brittle.threats import Lp
from brittle.universal_attacks.sga import SGA
from brittle.universal_attacks.uap import UniversalDeepFool

TABLE = "uap_fooling"
THREATS = (LINF, L2)
PUBLISHED = UniversalDeepFool(DeepFool(steps=8, box=0.0), full_length=True)
"""The paper's algorithm as the authors' code has it: a change counts if DeepFool arrives within 8 steps, whatever the
box; in the 2-norm v has the length of the radius; until 80 % of X are fooled, 10 passes at most."""
PUBLISHED_ON: Mapping[Scale, Mapping[tuple[str, str], int | None]] = {
    "small": {
        ("linf", MOBILENET_128.row): 100,
        ("linf", RESNET.row): None,
        ("l2", MOBILENET_128.row): 200,
        ("l2", MOBILENET_160.row): 100,
        ("l2", MOBILENET_192.row): 50,
    },
    "full": {
        ("linf", MOBILENET_128.row): None,
        ("linf", MOBILENET_160.row): None,
        ("linf", RESNET.row): None,
        **{("l2", view.row): None for view in GIVEN},
    },
}
"""Images of X that the paper's algorithm has by norm and network, None for all; it runs on no others at that scale."""
AGGREGATED: Mapping[Scale, SGA] = {"small": SGA(passes=2), "full": SGA(passes=5), "paper": SGA()}
"""SGA in the maximum norm; a pass shows every image four times, and the authors make 20."""
ONLY_PUBLISHED = ("CaffeNet", "VGG-F")
_SHEETS = {"linf": "Maximum norm, 10/255", "l2": "2-norm, 2000/255"}
_LOWER = {"linf": "maximum norm", "l2": "2-norm"}


def _columns(norm: str) -> tuple[Column, ...]:
    fast, slow, later = (f"{_SHEETS[norm]}, {name}" for name in ("fast solver", "published algorithm", "SGA"))
    aggregated = (
        Column("linf.sga.given", "X", "percent", later),
        Column("linf.sga.unseen", "held-out", "percent", later),
    )
    return (
        Column(f"{norm}.given", "X", "percent", fast),
        Column(f"{norm}.unseen", "held-out", "percent", fast),
        Column(f"{norm}.noise", "noise, held-out", "percent", fast),
        Column(f"{norm}.paper.count", "images in X", "number", slow),
        Column(f"{norm}.paper.given", "X", "percent", slow, stands_for=f"{norm}.given"),
        Column(f"{norm}.paper.unseen", "held-out", "percent", slow, stands_for=f"{norm}.unseen"),
        *(aggregated if norm == "linf" else ()),
    )


NOTES = (
    f"Fast solver: {FAST!r}. Published algorithm: {PUBLISHED!r}; it takes one image after the other, so that below the "
    "scale of the paper it runs on some networks alone, at the small scale with fewer images. The published figures "
    "stand beside both.",
    "In the maximum norm the published algorithm adds DeepFool's steps, which on photographs are small beside the "
    "radius: a few hundred do not fill it, so that it fools fewer unseen images than noise, which does. The paper has "
    f"10,000; on the small images of {RESNET.row} a few hundred are enough.",
    f"SGA (Liu et al., ICCV 2023): scale small {AGGREGATED['small']!r}, full {AGGREGATED['full']!r}, paper "
    f"{AGGREGATED['paper']!r}. Its published mean over AlexNet, VGG, ResNet and GoogLeNet is 95.9 %, beside which "
    "stand 82.5 % for the universal paper's algorithm, from 10,000 images of the training set.",
    "The authors add a perturbation without clamping to the box; here every image stays in it.",
    STAND_INS,
    HALVES,
    NOISE,
    "The 2-norm's radius is that of the paper at every size of image: a change of a pixel is larger at the smaller "
    "sizes, and noise alone fools the smallest networks.",
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
        perturbation = shared_perturbation(photographs, self.threat).tensor
        values = {
            f"{norm}.given": fooled(photographs.given, perturbation),
            f"{norm}.unseen": fooled(photographs.held_out, perturbation),
            f"{norm}.noise": fooled(photographs.held_out, photographs.noise(self.threat)),
        }
        title = f"Universal perturbation of {photographs.view.row}, {_LOWER[norm]}"
        figures = (drawn(title, [perturbation], f"made for {photographs.view.row}"),)
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


@dataclass(frozen=True)
class Aggregated(Work):
    """SGA on a network, in the maximum norm."""

    identity_fields: ClassVar[tuple[str, ...]] = ("method",)
    photographs: Photographs
    threat: Lp

    @property
    def method(self) -> str:
        """What is made, with all settings."""
        return repr(AGGREGATED[self.photographs.setting.scale])

    @property
    def name(self) -> str:
        """What the work is called."""
        return f"SGA, {self.threat.name}"

    def measure(self) -> Measured:
        """Make a perturbation and try it on images that it was not made from."""
        photographs, key = self.photographs, f"{self.threat.name}.sga"
        found = photographs.found(AGGREGATED[photographs.setting.scale], self.threat)
        values = {
            f"{key}.given": fooled(photographs.given, found.tensor),
            f"{key}.unseen": fooled(photographs.held_out, found.tensor),
        }
        return Measured(values, remark=photographs.story())


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: for each network and norm the fast solver, and where it may run the published one."""
    found: list[Cell] = []
    counts = {} if setting.scale == "paper" else sized(PUBLISHED_ON, setting.scale)
    for view in (*GIVEN, RESNET, *FETCHED):
        photographs, threats = taken(view, setting), THREATS if view != RESNET else (LINF,)
        works: list[Fast | Slow | Aggregated] = [Fast(photographs, threat) for threat in threats]
        works.append(Aggregated(photographs, LINF))
        for threat in threats:
            if setting.scale == "paper" or (threat.name, view.row) in counts:
                works.append(Slow(photographs, threat, counts.get((threat.name, view.row))))
        found += [Cell(view.row, work.name, work.measure, work.identity) for work in works]
    return found


def _published(row: str, column: str) -> Figure:
    norm, _, which = column.partition(".")
    if which not in ("given", "unseen"):
        return None
    table = published()[TABLE]
    return table.figure(f"{norm} {'X' if which == 'given' else 'Val'}", row) if row in table.columns else None


ORDERS = (
    *(
        Order(
            f"{view.row}: one perturbation fools far more unseen images than noise of equal norm, {_LOWER[norm]}",
            ((view.row, f"{norm}.noise"), (view.row, f"{norm}.unseen")),
        )
        for norm in _SHEETS
        for view in (MOBILENET_V2, SQUEEZENET, MOBILENET_192)
    ),
    Order(
        "Of plain stacks and the small fast network this one is fooled most, maximum norm (VGG-19, VGG-16, VGG-F)",
        tuple((view.row, "linf.unseen") for view in (MOBILENET_192, MOBILENET_160, MOBILENET_128)),
    ),
    Order(
        "The network of AlexNet's kind is fooled more than the residual one, maximum norm (ResNet-152, CaffeNet)",
        ((MOBILENET_V2.row, "linf.unseen"), (SQUEEZENET.row, "linf.unseen")),
    ),
)
UAP_FOOLING = Study(
    name="uap-fooling",
    title="How many images one universal perturbation fools",
    source=published()[TABLE].source + ", table 1",
    cells=cells,
    rows=(
        *(view.as_row() for view in (*GIVEN, RESNET, *FETCHED)),
        *(Row(name, "Published figures only: no weights are at hand.") for name in ONLY_PUBLISHED),
    ),
    columns=(*_columns("linf"), *_columns("l2")),
    published=_published,
    notes=NOTES,
    orders=ORDERS,
    minutes={"small": 9},
)
