"""The universal paper's figure on the size of X: how few images a perturbation for all images can be made from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from brittle.metrics import Estimate
from brittle.studies.bench.drawing import Curves
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import Cell, Column, Measured, Order, Row, Scale, Setting, Study, sized
from brittle.studies.shared.by_network import Amounts, cells_of, rows_of
from brittle.studies.shared.photographs import FAST, HALVES, LINF, NOISE, Photographs, fooled
from brittle.studies.shared.views import GIVEN, MOBILENET_128, MOBILENET_160, MOBILENET_V2
from brittle.studies.uap.sizes import RESNET
from brittle.universal_attacks.ascent import UniversalAscent

TABLE = "uap_facts"
SIZES = (10, 50, 200, 500, 2000, 10_000)
"""Images in X; which of them, says `PLANS`."""
VIEWS = (MOBILENET_V2, RESNET, *(view for view in GIVEN if view != MOBILENET_V2))


@dataclass(frozen=True)
class Plan:
    """What is done with a network at a scale.

    Attributes:
        sizes: images in X.
        seen: images that every search goes over, with repetition: the same for every size of X.
        held_out: images that none is made from, at most.
    """

    sizes: tuple[int, ...]
    seen: int
    held_out: int


_WHOLE = Plan((10, 50, 200, 500), 5000, 500)
PLANS: Mapping[Scale, Mapping[str, Plan]] = {
    "small": {
        MOBILENET_V2.row: Plan((10, 50, 500), 500, 100),
        RESNET.row: Plan((50, 500, 2000), 2000, 1000),
        MOBILENET_128.row: Plan((10, 50, 200, 500), 2000, 500),
    },
    "full": {
        **{view.row: _WHOLE for view in (MOBILENET_V2, MOBILENET_160, MOBILENET_128)},
        RESNET.row: Plan((50, 500, 2000, 10_000), 10_000, 5000),
    },
    "paper": {
        **{view.row: _WHOLE for view in GIVEN},
        RESNET.row: Plan((50, 500, 2000, 10_000), 50_000, 10_000),
    },
}
AMOUNTS: Amounts = {
    scale: {row: (plan.sizes[-1], plan.held_out) for row, plan in plans.items()} for scale, plans in PLANS.items()
}
PAPERS = "GoogLeNet"
BESIDE = {
    MOBILENET_V2.row: (
        PAPERS,
        f"Beside {PAPERS}, the only network of the paper's figure, with which it has little in common: it is the one "
        "at hand that noise fools least.",
    ),
    RESNET.row: ("", RESNET.note),
}
_PAPERS_SIZE, _PAPERS_FACT = 500, "fooling with |X| = 500 images (GoogLeNet), at least"
_SHEET = "Fooling rate of held-out images"
COLUMNS = (
    *(Column(f"{size}", f"|X| = {size:,}", "percent", _SHEET) for size in SIZES),
    Column("noise", "noise", "percent", _SHEET),
    *(Column(f"{size}.given", f"|X| = {size:,}", "percent", "Fooling rate of X") for size in SIZES),
)
NOTES = (
    f"Made from the first images of X by {FAST!r} in the maximum norm, 10/255, with as many passes as it takes to go "
    "over as many images as with every other size of X, so that a small X is not at a disadvantage by fewer steps: "
    + ", ".join(f"{plan.seen:,} for {row}" for row, plan in PLANS["small"].items())
    + " at the small scale, "
    + ", ".join(f"{plan.seen:,} for {row}" for row, plan in PLANS["full"].items())
    + f" at full. Mini-batches hold {FAST.batch} images, or all of a smaller X. The smaller sets are parts of the "
    "larger ones, and the held-out images are the same for all.",
    HALVES,
    f"{RESNET.row} has X from the training images of CIFAR-10, which it was trained on, and held-out ones from the "
    "test images. They are too small for random crops, which make more of few images.",
    NOISE,
)


@dataclass(frozen=True)
class Sizes:
    """Perturbations of one network from more and more images."""

    photographs: Photographs
    name = "sizes"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        about = {"method": repr(FAST), "threat": repr(LINF), "plan": repr(self.plan)}
        return {**self.photographs.identity(), **about}

    @property
    def plan(self) -> Plan:
        """What is done at the scale asked for."""
        return sized(PLANS, self.photographs.setting.scale)[self.photographs.view.row]

    def method(self, size: int) -> UniversalAscent:
        """Return the solver with as many passes as bring it over as many images as the others."""
        return replace(FAST, passes=max(1, math.ceil(self.plan.seen / size)))

    def measure(self) -> Measured:
        """Make a perturbation from each size of X and try it on the held-out images."""
        photographs = self.photographs
        noise = fooled(photographs.held_out, photographs.noise(LINF))
        values: dict[str, Estimate | str] = {"noise": noise}
        own: list[Estimate] = []
        held_out: list[Estimate] = []
        sizes = [size for size in self.plan.sizes if size <= len(photographs.given)]
        for size in sizes:
            images = photographs.first(size)
            photographs.tell(f"X of {size:,} images")
            found = photographs.found(self.method(size), LINF, images).tensor
            own, held_out = [*own, fooled(images, found)], [*held_out, fooled(photographs.held_out, found)]
            values |= {f"{size}": held_out[-1], f"{size}.given": own[-1]}
        return Measured(values, remark=photographs.story(), figures=(self._curves(sizes, held_out, own, noise),))

    def _curves(
        self, sizes: Sequence[int], held_out: Sequence[Estimate], own: Sequence[Estimate], noise: Estimate
    ) -> Curves:
        """Draw the rates against the size."""
        least = published()[TABLE].values[_PAPERS_FACT] / 100
        lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {
            "held-out images": (sizes, [one.value for one in held_out]),
            "images of X": (sizes, [one.value for one in own]),
            "noise, held-out images": ((0, sizes[-1]), (noise.value, noise.value)),
            "paper, GoogLeNet, at least": ((_PAPERS_SIZE,), (least,)),
        }
        title = f"{self.photographs.view.row}: fooling rate against the size of X"
        caption = f"{noise.n:,} held-out images. The paper's point is a lower bound for another network."
        return Curves(title, caption, "images in X", "fooling rate", lines, ("paper, GoogLeNet, at least",))


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network."""
    return cells_of(Sizes, VIEWS, AMOUNTS, setting)


def _published(row: str, column: str) -> Figure:
    if (row, column) != (PAPERS, f"{_PAPERS_SIZE}"):
        return None
    return f"> {published()[TABLE].values[_PAPERS_FACT]} %"


ORDERS = (
    Order(
        f"{MOBILENET_V2.row}: with |X| = 500 (in the paper more than 30 %) one perturbation fools more than noise",
        ((MOBILENET_V2.row, "noise"), (MOBILENET_V2.row, "500")),
    ),
    *(
        Order(
            f"{row}: fooling of unseen images rises with |X| ({', '.join(f'{size:,}' for size in plan.sizes)})",
            tuple((row, f"{size}") for size in plan.sizes),
        )
        for row, plan in PLANS["small"].items()
    ),
)
UAP_SET_SIZE = Study(
    name="uap-set-size",
    title="How many images a universal perturbation must be made from",
    source=published()[TABLE].source + ", the figure on the size of X",
    cells=cells,
    rows=(
        *rows_of(VIEWS, AMOUNTS, BESIDE),
        Row(PAPERS, "Published figure only, of another solver."),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    orders=ORDERS,
    minutes={"small": 4.5},
)
