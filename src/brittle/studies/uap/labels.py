"""The universal paper's dominant labels: into which classes a universal perturbation leads the images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from brittle.metrics import Estimate, LabelGraph, fooling_rate, label_graph, without_interval
from brittle.studies.bench.drawing import Graph
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Setting, Study
from brittle.studies.bench.work import Work
from brittle.studies.shared.by_network import Amounts, cells_of, rows_of
from brittle.studies.shared.photographs import FAST, HALVES, LINF, NOISE, Photographs, fooled
from brittle.studies.shared.views import GIVEN, MOBILENET_128, MOBILENET_V2, SQUEEZENET
from brittle.studies.uap.sizes import shared_perturbation
from brittle.universal_attacks.images import ImageSet

VIEWS = GIVEN
AMOUNTS: Amounts = {
    "small": {MOBILENET_V2.row: (50, 200), MOBILENET_128.row: (200, 500)},
    "full": {view.row: (500, 500) for view in GIVEN if view != SQUEEZENET},
}
"""Images of X and held-out ones, by scale and network."""
NAMED = 5
"""Dominant labels that the table names."""
_WHERE, _GRAPH = "Where fooled images go", "Graph of dominant labels"
COLUMNS = (
    Column("images", "images", "number", _WHERE),
    Column("fooled", "fooled", "percent", _WHERE),
    Column("noise", "noise", "percent", _WHERE),
    Column("top", "to the most frequent class", "percent", _WHERE),
    Column("five", f"to the {NAMED} most frequent", "percent", _WHERE),
    Column("five.noise", f"to the {NAMED} most frequent, noise", "percent", _WHERE),
    Column("classes", "classes", "number", _GRAPH),
    Column("edges", "edges", "number", _GRAPH),
    Column("components", "components", "number", _GRAPH),
    Column("largest", "labels in the largest", "number", _GRAPH),
    Column("dominant", f"{NAMED} dominant labels (in-degree)", "number", _GRAPH),
)
NOTES = (
    f"Made from X by {FAST!r} in the maximum norm, 10/255; added to all images, those of X and the held-out ones, "
    "because a class has few: an edge leads from class i to class j where more than half of the images that the "
    "network takes for i without the perturbation are taken for j with it. A class of one image has an edge as soon "
    "as that image is fooled. The paper, with 50 images of a class, gives the picture and no figures.",
    "To the most frequent classes: fractions of the fooled images. Components are those of the graph without "
    "directions; "
    "the in-degree of a label is the number of classes that are led to it.",
    HALVES,
    NOISE,
    INTERVALS,
)


@dataclass(frozen=True)
class Labels(Work):
    """Where the images of one network go."""

    photographs: Photographs
    name = "labels"

    def measure(self) -> Measured:
        """Make a perturbation and see where it leads all images."""
        photographs = self.photographs
        both = torch.cat([photographs.given.images[:], photographs.held_out.images[:]])
        images = ImageSet(photographs.classifier, both, photographs.given.batch)
        perturbation = shared_perturbation(photographs, LINF).tensor
        clean, moved = images.clean.numpy(), images.predictions(perturbation).numpy()
        noisy = images.predictions(photographs.noise(LINF)).numpy()
        graph = label_graph(clean, moved)
        values: dict[str, Estimate | str] = {
            "images": f"{len(images):,}",
            "fooled": fooling_rate(clean, moved),
            "noise": fooled(images, photographs.noise(LINF)),
            "top": _fraction(clean, moved, 1),
            "five": _fraction(clean, moved, NAMED),
            "five.noise": _fraction(clean, noisy, NAMED),
            "classes": f"{len(np.unique(clean)):,}",
            "edges": f"{len(graph.edges):,}",
            "components": f"{len(graph.components):,}",
            "largest": f"{len(graph.components[0]) if graph.components else 0:,}",
            "dominant": self._dominant(graph),
        }
        return Measured(values, remark=photographs.story(), figures=(self._drawing(graph),))

    def _name(self, label: int) -> str:
        names = self.photographs.names
        return names[label].split(",")[0] if label < len(names) else f"class {label}"

    def _dominant(self, graph: LabelGraph) -> str:
        first = (f"{self._name(label)} ({degree:,})" for label, degree in graph.in_degrees[:NAMED])
        return "; ".join(first) or "none"

    def _drawing(self, graph: LabelGraph) -> Graph:
        """Draw the classes that have an edge; a node weighs as much as classes are led to it."""
        labels = [label for component in graph.components for label in component]
        place, degrees = {label: number for number, label in enumerate(labels)}, dict(graph.in_degrees)
        nodes = [(self._name(label), float(degrees.get(label, 0))) for label in labels]
        edges = [(place[edge.source], place[edge.target], edge.led) for edge in graph.edges]
        caption = (
            "An arrow leads from a class to the one that most of its images are taken for; the larger a label, the "
            "more classes are led to it."
        )
        return Graph(f"{self.photographs.view.row}: dominant labels", caption, nodes, edges, "classes led here")


def _fraction(clean: np.ndarray, moved: np.ndarray, count: int) -> Estimate | str:
    """Fraction of the fooled images in the most frequent classes, which are chosen by it: it has no interval."""
    where = Counter(moved[clean != moved].tolist())
    if not where:
        return "none fooled"
    return without_interval(sum(images for _, images in where.most_common(count)) / where.total(), where.total())


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network."""
    return cells_of(Labels, VIEWS, AMOUNTS, setting)


def _published(row: str, column: str) -> Figure:
    return None


ORDERS = tuple(
    Order(
        f"{view.row}: the images that one perturbation fools go to few classes, more of them to the {NAMED} most "
        "frequent than with noise",
        ((view.row, "five.noise"), (view.row, "five")),
    )
    for view in (MOBILENET_V2, MOBILENET_128)
)
UAP_LABELS = Study(
    name="uap-labels",
    title="Into which classes a universal perturbation leads images",
    source=published()["uap_facts"].source + ", the section on dominant labels",
    cells=cells,
    rows=tuple(rows_of(VIEWS, AMOUNTS)),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    orders=ORDERS,
    minutes={"small": 1},
)
