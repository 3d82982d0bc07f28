"""The universal paper's figure on the size of X: how few images a perturbation for all images can be made from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from brittle.metrics import Estimate
from brittle.studies.bench.drawing import Curves
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import Cell, Column, Measured, Row, Setting, Study, sized
from brittle.studies.shared.by_network import cells_of, rows_of
from brittle.studies.shared.photographs import FAST, HALVES, LINF, NOISE, Photographs, fooled
from brittle.studies.shared.views import GIVEN, MOBILENET_128
from brittle.universal.ascent import UniversalAscent

TABLE = "uap_facts"
SIZES = (5, 10, 20, 50, 100, 200, 500)
"""Images in X; sizes beyond what there is are left out."""
SEEN = {"small": 1000, "paper": 5000}
"""Images that every search goes over, with repetition, by scale: the same for every size of X."""
VIEWS = (MOBILENET_128, *(view for view in GIVEN if view != MOBILENET_128))
SMALL = {MOBILENET_128.row: (200, 500)}
"""Images of X and held-out ones at the small scale, by network; the others are measured at the scale of the paper."""
PAPERS = "GoogLeNet"
_PAPERS_SIZE, _PAPERS_FACT = 500, "fooling with |X| = 500 images (GoogLeNet), at least"
_SHEET = "Fooling rate of held-out images"
COLUMNS = (
    *(Column(f"{size}", f"|X| = {size}", "percent", _SHEET) for size in SIZES),
    Column("noise", "noise", "percent", _SHEET),
    *(Column(f"{size}.given", f"|X| = {size}", "percent", "Fooling rate of X") for size in SIZES),
)
NOTES = (
    f"Made from the first images of X by {FAST!r} in the maximum norm, 10/255, with as many passes as it takes to go "
    f"over {SEEN['small']:,} images (scale small) or {SEEN['paper']:,} (scale paper), so that a small X is not at a "
    f"disadvantage by fewer steps: mini-batches hold {FAST.batch} images, or all of a smaller X. The smaller sets are "
    "parts of the larger ones, and the held-out images are the same for all.",
    HALVES,
    NOISE,
)


@dataclass(frozen=True)
class Sizes:
    """Perturbations of one network from more and more images."""

    photographs: Photographs
    name = "sizes"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        about = {"method": repr(FAST), "threat": repr(LINF), "sizes": list(SIZES), "seen": self._seen}
        return {**self.photographs.identity(), **about}

    @property
    def _seen(self) -> int:
        return sized(SEEN, self.photographs.setting.scale)

    def method(self, size: int) -> UniversalAscent:
        """Return the solver with as many passes as bring it over as many images as the others."""
        return replace(FAST, passes=max(1, math.ceil(self._seen / size)))

    def measure(self) -> Measured:
        """Make a perturbation from each size of X and try it on the held-out images."""
        photographs = self.photographs
        noise = fooled(photographs.held_out, photographs.noise(LINF))
        values: dict[str, Estimate | str] = {"noise": noise}
        own: list[Estimate] = []
        held_out: list[Estimate] = []
        sizes = [size for size in SIZES if size <= len(photographs.given)]
        for size in sizes:
            images = photographs.first(size)
            photographs.tell(f"X of {size} images")
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
    return cells_of(Sizes, VIEWS, SMALL, setting)


def _published(row: str, column: str) -> Figure:
    if (row, column) != (PAPERS, f"{_PAPERS_SIZE}"):
        return None
    return f"> {published()[TABLE].values[_PAPERS_FACT]} %"


UAP_SET_SIZE = Study(
    name="uap-set-size",
    title="How many images a universal perturbation must be made from",
    source=published()[TABLE].source + ", the figure on the size of X",
    cells=cells,
    rows=(
        *rows_of(VIEWS, SMALL),
        Row(PAPERS, "Published figure only, of another solver."),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
)
