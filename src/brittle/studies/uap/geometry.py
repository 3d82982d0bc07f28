"""The universal paper's geometry: which directions fool, and how few of them the boundaries' normals need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from brittle.maths.subspace import Spectrum, by_gram
from brittle.metrics import Estimate, dimensions, mean
from brittle.studies.bench.drawing import Curves
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study
from brittle.studies.shared.by_network import cells_of, rows_of
from brittle.studies.shared.photographs import FAST, HALVES, L2, Photographs, fooled
from brittle.studies.shared.views import GIVEN, MOBILENET_128
from brittle.studies.uap.boundaries import SEARCH, Boundaries, boundaries

TABLE = "uap_facts"
VIEWS = (MOBILENET_128, *(view for view in GIVEN if view != MOBILENET_128))
SMALL = {MOBILENET_128.row: (500, 500)}
"""Images of X and held-out ones at the small scale, by network; the others are measured at the scale of the paper."""
DIMENSIONS = 100
"""d' of the paper: leading singular vectors that span the subspace."""
DRAWS = 5
"""Random vectors whose fooling rates are averaged."""
FRACTIONS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
"""Lengths at which the directions are tried, as fractions of the radius."""
LENGTHS = tuple(fraction * float(L2.radius) for fraction in FRACTIONS)
PAPER = FRACTIONS.index(1.0)
"""Place of the paper's radius among the lengths."""
BLOCK = 64
"""Rows of the matrix of normals in a block."""
FAINT = 0.1
"""Fooling rate of the paper's random vectors: the length that gives it here is comparable whatever the network."""
PAPERS = "The paper's network"

_SPAN, _WHERE = "Random vectors of length 2000/255", "Normals of the boundary"
_FAINT = f"Random vectors of the length at which {100 * FAINT:g} % are fooled by one of the whole space"
COLUMNS = (
    Column("universal", "universal perturbation", "percent", _SPAN),
    Column("span", f"in the span of {DIMENSIONS} normals' directions", "percent", _SPAN),
    Column("whole", "in the whole space", "percent", _SPAN),
    Column("ratio", "span : whole", "ratio", _SPAN),
    Column("faint.length", "length", "ratio", _FAINT),
    Column("faint.span", f"in the span of {DIMENSIONS} normals' directions", "percent", _FAINT),
    Column("faint.whole", "in the whole space", "percent", _FAINT),
    Column("faint.ratio", "span : whole", "ratio", _FAINT),
    Column("rows", "normals", "number", _WHERE),
    Column("columns", "values of an image", "number", _WHERE),
    Column("half", "dimensions for 50 % of the energy", "number", _WHERE),
    Column("half.random", "of random unit vectors", "number", _WHERE),
)
_PUBLISHED = {
    "universal": "universal perturbation of norm 2000",
    "span": f"random vector of norm 2000 in the {DIMENSIONS}-dimensional subspace S of normals",
    "whole": "random vector of norm 2000 in the whole space",
}
NOTES = (
    "Normals: of every image of X the gradient, brought to length 1, of the difference of both classes' logits "
    f"where {SEARCH!r} (2-norm) crosses the nearest boundary. Singular values: of the matrix with the normals as "
    "rows, exactly; beside it as many random unit vectors. Dimensions for 50 % of the energy: how many leading "
    "singular values hold half of the sum of all squares.",
    f"Random vectors: {DRAWS} draws, normally distributed in the span of the {DIMENSIONS} leading directions, or in "
    "the whole space, brought to a length; the rate is the mean over draws, its interval is over images. "
    "The length 2000/255 is the paper's; at the smaller image sizes it is a larger change of every pixel, at which "
    "any vector fools many images. The other length is the one of those drawn at which the rate in the whole space "
    f"comes nearest to the paper's {100 * FAINT:g} %. All rates are of held-out images, of which no normal was taken.",
    f"Directions against length: {FAST!r} with that radius and its direction at other lengths; the sum of DeepFool's "
    "changes of X; the sum of the gradients of the cross-entropy, each of length 1, at the images of X; DeepFool's "
    "change of one image; the random vectors.",
    HALVES,
    INTERVALS,
)


@dataclass(frozen=True)
class Directions:
    """Everything about a network's directions: one piece of work, because all of it needs the normals."""

    photographs: Photographs
    name = "directions"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        about = {"method": repr(FAST), "threat": repr(L2), "search": repr(SEARCH), "dimensions": DIMENSIONS}
        return {**self.photographs.identity(), **about, "draws": DRAWS, "fractions": list(FRACTIONS)}

    def measure(self) -> Measured:
        """Find normals, decompose them, and try directions on held-out images."""
        photographs = self.photographs
        universal = photographs.found(FAST, L2).tensor
        around = boundaries(photographs)
        spectrum = by_gram(lambda: around.normals.split(BLOCK), min(DIMENSIONS, len(around.normals)))
        photographs.tell("singular values of random unit vectors")
        random = self._random_spectrum(around.normals)
        whole = torch.randn(DRAWS, *photographs.shape, generator=self._generator(1))
        within, anywhere = self._rates("span", self._in_span(spectrum)), self._rates("whole space", whole)
        values: dict[str, Estimate | str] = {
            "universal": fooled(photographs.held_out, universal),
            **_compared(within, anywhere),
            "rows": f"{len(around.normals):,}",
            "columns": f"{around.normals.shape[1]:,}",
            "half": f"{dimensions(spectrum.values.numpy()):,}",
            "half.random": f"{dimensions(random.values.numpy()):,}",
        }
        directions = {
            "universal perturbation": universal.cpu(),
            "sum of DeepFool's changes": around.total,
            "sum of gradients": around.gradients,
            "DeepFool's change of one image": around.single,
        }
        means = {f"random, span of {DIMENSIONS}": within, "random, whole space": anywhere}
        figures = (self._by_length(directions, means), self._values(spectrum, random))
        return Measured(values, {"rows": _left_out(around)}, photographs.story(), figures)

    def _generator(self, number: int) -> torch.Generator:
        return torch.Generator().manual_seed(self.photographs.setting.seed * 1_000_003 + number)

    def _random_spectrum(self, like: Tensor) -> Spectrum:
        """Decompose as many random unit vectors."""
        random = torch.randn(like.shape, generator=self._generator(2))
        random /= random.norm(dim=1, keepdim=True)
        return by_gram(lambda: random.split(BLOCK), 1)

    def _in_span(self, spectrum: Spectrum) -> Tensor:
        """Draw vectors whose directions are uniform in the span, (draws, c, h, w)."""
        weights = torch.randn(DRAWS, len(spectrum.directions), generator=self._generator(3))
        return (weights @ spectrum.directions).reshape(DRAWS, *self.photographs.shape)

    def _rates(self, name: str, vectors: Tensor) -> list[Estimate]:
        """Estimate how many held-out images the vectors fool on average, at every length."""
        held_out, found = self.photographs.held_out, list[Estimate]()
        for length in LENGTHS:
            self.photographs.tell(f"random vectors in the {name}, length {length:.2f}")
            hits = [held_out.fooled(_long(vector, length)).double().numpy() for vector in vectors]
            found.append(mean(np.mean(hits, axis=0), bounds=(0, 1)))
        return found

    def _by_length(self, directions: Mapping[str, Tensor], means: Mapping[str, Sequence[Estimate]]) -> Curves:
        """Try the directions at several lengths."""
        photographs, row = self.photographs, self.photographs.view.row
        lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
        for name, direction in directions.items():
            photographs.tell(f"{name}, {len(LENGTHS)} lengths")
            lines[name] = (LENGTHS, [photographs.held_out.fooling_rate(_long(direction, one)) for one in LENGTHS])
        lines |= {name: (LENGTHS, [one.value for one in rates]) for name, rates in means.items()}
        count = f"{len(photographs.held_out):,} held-out images"
        caption = f"Directions brought to a length and added to {count}. The paper's radius is {LENGTHS[PAPER]:.2f}."
        return Curves(f"{row}: fooling rate against length", caption, "2-norm of the change", "fooling rate", lines)

    def _values(self, spectrum: Spectrum, random: Spectrum) -> Curves:
        """Lay the singular values beside those of random vectors."""
        count = len(spectrum.values)
        places = [float(place) for place in range(1, count + 1)]
        lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {
            "normals of the boundary": (places, spectrum.values.tolist()),
            "random unit vectors": (places, random.values.tolist()),
        }
        caption = f"Of {count:,} rows of length 1. The faster they fall, the fewer directions hold the normals."
        return Curves(f"{self.photographs.view.row}: singular values", caption, "number", "singular value", lines)


def _compared(within: Sequence[Estimate], anywhere: Sequence[Estimate]) -> dict[str, Estimate | str]:
    """Return the figures at the paper's radius, and at the length whose rate in the whole space is the paper's."""
    faint = min(range(len(LENGTHS)), key=lambda place: abs(anywhere[place].value - FAINT))
    values: dict[str, Estimate | str] = {"faint.length": f"{LENGTHS[faint]:.2f}"}
    for start, place in (("", PAPER), ("faint.", faint)):
        span, whole = within[place], anywhere[place]
        ratio = f"{span.value / whole.value:.2f}" if whole.value else "none in the whole space"
        values |= {f"{start}span": span, f"{start}whole": whole, f"{start}ratio": ratio}
    return values


def _left_out(around: Boundaries) -> str:
    missing = around.images - len(around.normals)
    return f"({missing:,} of {around.images:,} images reached no boundary)" if missing else ""


def _long(direction: Tensor, length: float) -> Tensor:
    """Bring a direction to a length."""
    return direction * (length / direction.norm().clamp_min(torch.finfo(direction.dtype).tiny))


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network; at the small scale the smallest one alone."""
    return cells_of(Directions, VIEWS, SMALL, setting)


def _published(row: str, column: str) -> Figure:
    key = column.removeprefix("faint.")  # the paper's own length is the one of 10 %
    return published()[TABLE].values[_PUBLISHED[key]] if row == PAPERS and key in _PUBLISHED else None


UAP_GEOMETRY = Study(
    name="uap-geometry",
    title="Which directions fool, and how many dimensions they have",
    source=published()[TABLE].source + ", the section on explaining the vulnerability",
    cells=cells,
    rows=(
        *rows_of(VIEWS, SMALL),
        Row(PAPERS, "Published figures only."),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
)
