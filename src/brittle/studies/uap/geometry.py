"""The universal paper's geometry: which directions fool, and how few of them the boundaries' normals need."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from brittle.maths.subspace import Spectrum, by_gram
from brittle.metrics import Estimate, dimensions, mean, without_interval
from brittle.studies.bench.drawing import Curves
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Scale, Setting, Study, sized
from brittle.studies.shared.by_network import Amounts, cells_of, rows_of
from brittle.studies.shared.photographs import FAST, HALVES, L2, Photographs, fooled
from brittle.studies.shared.views import GIVEN, MOBILENET_128, MOBILENET_V2, SQUEEZENET
from brittle.studies.uap.boundaries import SEARCH, Boundaries, boundaries
from brittle.studies.uap.sizes import shared_perturbation

TABLE = "uap_facts"
VIEWS = (MOBILENET_V2, *(view for view in GIVEN if view != MOBILENET_V2))
AMOUNTS: Amounts = {
    "small": {MOBILENET_V2.row: (110, 100)},
    "full": {MOBILENET_V2.row: (500, 200), SQUEEZENET.row: (200, 200), MOBILENET_128.row: (500, 500)},
}
"""Images of X and held-out ones, by scale and network."""
DIMENSIONS = 100
"""d' of the paper: leading singular vectors that span the subspace."""
DRAWS: Mapping[Scale, int] = {"small": 2, "full": 3, "paper": 5}
"""Random vectors whose fooling rates are averaged, by scale."""
FRACTIONS: Mapping[Scale, tuple[float, ...]] = {
    "small": (0.35, 1.0, 1.5),
    "full": (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5),
    "paper": (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5),
}
"""Lengths at which the directions are tried, as fractions of the radius, by scale; 1 is among them."""
LEVELS = 255
"""Of the papers' images; their lengths are of values from 0 to 255."""
BLOCK = 64
"""Rows of the matrix of normals in a block."""
FAINT = 0.1
"""Fooling rate of the paper's random vectors: the length that gives it here is comparable whatever the network."""
PAPERS = "CaffeNet"
BESIDE = {
    MOBILENET_V2.row: (
        PAPERS,
        f"Beside {PAPERS}, the only network of the paper's figures: not near to it, but noise of the paper's length "
        "fools it as seldom, which makes the lengths comparable.",
    ),
    SQUEEZENET.row: (PAPERS, SQUEEZENET.note),
}

_SPAN, _NEEDED, _WHERE = "Vectors of length 2000/255", "Length that fools (values 0–255)", "Normals of the boundary"
_FAINT = f"Random vectors of the length at which {100 * FAINT:g} % are fooled by one of the whole space"
COLUMNS = (
    Column("universal", "universal perturbation", "percent", _SPAN),
    Column("span", f"in the span of {DIMENSIONS} normals' directions", "percent", _SPAN),
    Column("whole", "in the whole space", "percent", _SPAN),
    Column("ratio", "span : whole", "ratio", _SPAN),
    Column("faint.length", "length", "ratio", _FAINT),
    Column("faint.span", f"in the span of {DIMENSIONS} normals' directions", "percent", _FAINT, stands_for="span"),
    Column("faint.whole", "in the whole space", "percent", _FAINT, stands_for="whole"),
    Column("faint.ratio", "span : whole", "ratio", _FAINT),
    Column("own", "mean of images' own changes, ||r||", "number", _NEEDED),
    Column("universal.length", "universal perturbation", "number", _NEEDED),
    Column("random.length", "random vector, √d ||r||", "number", _NEEDED),
    Column("rows", "normals", "number", _WHERE),
    Column("columns", "values of an image", "number", _WHERE),
    Column("half", "dimensions for 50 % of the energy", "number", _WHERE),
    Column("half.random", "of random unit vectors", "number", _WHERE),
)
_PUBLISHED = {
    "universal": "universal perturbation of norm 2000",
    "span": f"random vector of norm 2000 in the {DIMENSIONS}-dimensional subspace S of normals",
    "whole": "random vector of norm 2000 in the whole space",
    "random.length": "norm of a random vector that fools, sqrt(d) times that of an image's own perturbation, about",
    "universal.length": "norm of a universal perturbation",
}
NOTES = (
    "Normals: of every image of X the gradient, brought to length 1, of the difference of both classes' logits "
    f"where {SEARCH!r} (2-norm) crosses the nearest boundary. Singular values: of the matrix with the normals as "
    "rows, exactly; beside it as many random unit vectors. Dimensions for 50 % of the energy: how many leading "
    "singular values hold half of the sum of all squares.",
    f"Random vectors: {DRAWS['small']}, {DRAWS['full']} or {DRAWS['paper']} draws by scale, normally distributed in "
    f"the span of the {DIMENSIONS} leading directions, or in the whole space, brought to a length; the rate is the "
    "mean over draws, its interval is over images. The length 2000/255 is the paper's; at the smaller image sizes it "
    "is a larger change of every pixel, at which any vector fools many images. The other length is the one of those "
    f"drawn at which the rate in the whole space comes nearest to the paper's {100 * FAINT:g} %. All rates are of "
    "held-out images, of which no normal was taken.",
    f"Directions against length: {FAST!r} with that radius and its direction at other lengths; the sum of DeepFool's "
    "changes of X; the sum of the gradients of the cross-entropy, each of length 1, at the images of X; DeepFool's "
    "change of one image; the mean image of X, which is nearly grey, so that it makes all brighter; the random "
    "vectors.",
    "Length that fools: DeepFool's changes of the images of X (r); a random vector must be √d times as long (Fawzi, "
    "Moosavi-Dezfooli and Frossard, Robustness of classifiers: from adversarial to random noise, 2016), d values of an "
    "image; the universal perturbation's is its radius.",
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
        return {**self.photographs.identity(), **about, "draws": self.draws, "lengths": self.lengths}

    @property
    def draws(self) -> int:
        """Random vectors of each kind."""
        return sized(DRAWS, self.photographs.setting.scale)

    @property
    def lengths(self) -> list[float]:
        """Lengths at which the directions are tried; the paper's radius is among them."""
        return [fraction * float(L2.radius) for fraction in sized(FRACTIONS, self.photographs.setting.scale)]

    def measure(self) -> Measured:
        """Find normals, decompose them, and try directions on held-out images."""
        photographs = self.photographs
        universal = shared_perturbation(photographs, L2).tensor
        around = boundaries(photographs)
        spectrum = by_gram(lambda: around.normals.split(BLOCK), min(DIMENSIONS, len(around.normals)))
        photographs.tell("singular values of random unit vectors")
        random = self._random_spectrum(around.normals)
        whole = torch.randn(self.draws, *photographs.shape, generator=self._generator(1))
        within, anywhere = self._rates("span", self._in_span(spectrum)), self._rates("whole space", whole)
        values: dict[str, Estimate | str] = {
            "universal": fooled(photographs.held_out, universal),
            **_compared(self.lengths, within, anywhere),
            **_needed(around, float(universal.norm())),
            "rows": f"{len(around.normals):,}",
            "columns": f"{around.normals.shape[1]:,}",
            "half": without_interval(dimensions(spectrum.values.numpy()), len(around.normals)),
            "half.random": without_interval(dimensions(random.values.numpy()), len(around.normals)),
        }
        directions = {
            "universal perturbation": universal.cpu(),
            "sum of DeepFool's changes": around.total,
            "sum of gradients": around.gradients,
            "DeepFool's change of one image": around.single,
            "mean image": around.average,
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
        weights = torch.randn(self.draws, len(spectrum.directions), generator=self._generator(3))
        return (weights @ spectrum.directions).reshape(self.draws, *self.photographs.shape)

    def _rates(self, name: str, vectors: Tensor) -> list[Estimate]:
        """Estimate how many held-out images the vectors fool on average, at every length."""
        held_out, found = self.photographs.held_out, list[Estimate]()
        for length in self.lengths:
            self.photographs.tell(f"random vectors in the {name}, length {length:.2f}")
            hits = [held_out.fooled(_long(vector, length)).double().numpy() for vector in vectors]
            found.append(mean(np.mean(hits, axis=0), bounds=(0, 1)))
        return found

    def _by_length(self, directions: Mapping[str, Tensor], means: Mapping[str, Sequence[Estimate]]) -> Curves:
        """Try the directions at several lengths."""
        photographs, row, lengths = self.photographs, self.photographs.view.row, self.lengths
        lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
        for name, direction in directions.items():
            photographs.tell(f"{name}, {len(lengths)} lengths")
            lines[name] = (lengths, [photographs.held_out.fooling_rate(_long(direction, one)) for one in lengths])
        lines |= {name: (lengths, [one.value for one in rates]) for name, rates in means.items()}
        count = f"{len(photographs.held_out):,} held-out images"
        caption = f"Directions brought to a length and added to {count}. The paper's radius is {float(L2.radius):.2f}."
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


def _compared(
    lengths: Sequence[float], within: Sequence[Estimate], anywhere: Sequence[Estimate]
) -> dict[str, Estimate | str]:
    """Return the figures at the paper's radius, and at the length whose rate in the whole space is the paper's."""
    paper = min(range(len(lengths)), key=lambda place: abs(lengths[place] - float(L2.radius)))
    faint = min(range(len(lengths)), key=lambda place: abs(anywhere[place].value - FAINT))
    values: dict[str, Estimate | str] = {"faint.length": f"{lengths[faint]:.2f}"}
    for start, place in (("", paper), ("faint.", faint)):
        span, whole = within[place], anywhere[place]
        ratio = f"{span.value / whole.value:.2f}" if whole.value else "none in the whole space"
        values |= {f"{start}span": span, f"{start}whole": whole, f"{start}ratio": ratio}
    return values


def _needed(around: Boundaries, universal: float) -> dict[str, Estimate | str]:
    """Return the lengths that fool, of values from 0 to 255."""
    own = mean(LEVELS * around.lengths.double().numpy())
    root = math.sqrt(around.normals.shape[1])
    return {
        "own": own,
        "universal.length": without_interval(LEVELS * universal, 1),
        "random.length": Estimate(root * own.value, root * own.low, root * own.high, own.n),
    }


def _left_out(around: Boundaries) -> str:
    missing = around.images - len(around.normals)
    return f"({missing:,} of {around.images:,} images reached no boundary)" if missing else ""


def _long(direction: Tensor, length: float) -> Tensor:
    """Bring a direction to a length."""
    return direction * (length / direction.norm().clamp_min(torch.finfo(direction.dtype).tiny))


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network."""
    return cells_of(Directions, VIEWS, AMOUNTS, setting)


def _published(row: str, column: str) -> Figure:
    return published()[TABLE].values[_PUBLISHED[column]] if row == PAPERS and column in _PUBLISHED else None


ORDERS = (
    Order(
        "At the radius the universal perturbation fools far more than a random vector in the span of the normals, and "
        "this one far more than one of the whole space (85, 38 and 10 %)",
        tuple((MOBILENET_V2.row, column) for column in ("whole", "span", "universal")),
    ),
    Order(
        "A random vector must be longer than the universal perturbation, and this longer than an image's own change",
        tuple((MOBILENET_V2.row, column) for column in ("own", "universal.length", "random.length")),
    ),
    Order(
        "The normals lie in fewer dimensions than random vectors do",
        tuple((MOBILENET_V2.row, column) for column in ("half", "half.random")),
    ),
)
UAP_GEOMETRY = Study(
    name="uap-geometry",
    title="Which directions fool, and how many dimensions they have",
    source=published()[TABLE].source + ", the section on explaining the vulnerability",
    cells=cells,
    rows=(
        *rows_of(VIEWS, AMOUNTS, BESIDE),
        Row(PAPERS, "Published figures only."),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    orders=ORDERS,
)
