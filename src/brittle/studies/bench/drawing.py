"""What a study shows besides its table: matrices, curves, pictures and graphs, kept as data and drawn by the report."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image

from brittle.errors import InputError
from brittle.maths.quantization import as_bytes


@dataclass(frozen=True)
class HeatMap:
    """A matrix with its numbers written in the cells.

    Attributes:
        title: what it shows, unique in the study.
        caption: how to read it.
        rows, columns: names along both sides.
        values: row by row; None where there is no number.
        unit: "percent" for fractions, "number" for anything else.
        row_axis, column_axis: what the names are.
    """

    kind: ClassVar[str] = "heatmap"
    title: str
    caption: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float | None]]
    unit: Literal["percent", "number"] = "number"
    row_axis: str = ""
    column_axis: str = ""

    def __post_init__(self):
        if [len(row) for row in self.values] != [len(self.columns)] * len(self.rows):
            raise InputError(f"the heat map {self.title!r} needs {len(self.rows)} rows of {len(self.columns)} values")


@dataclass(frozen=True)
class Curves:
    """Lines over a common axis.

    Attributes:
        title: what it shows, unique in the study.
        caption: how to read it.
        x_title, y_title: of the axes, with their units.
        lines: by name, the points' x and y.
        published: names of the lines that are a paper's, drawn dashed.
    """

    kind: ClassVar[str] = "curves"
    title: str
    caption: str
    x_title: str
    y_title: str
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    published: Sequence[str] = ()


@dataclass(frozen=True)
class Picture:
    """A picture, such as a sheet of images.

    Attributes:
        title: what it shows, unique in the study.
        caption: how to read it.
        png: the file's bytes in base64, as `encoded` gives it.
        text: what a reader who cannot see it is told.
    """

    kind: ClassVar[str] = "picture"
    title: str
    caption: str
    png: str
    text: str


@dataclass(frozen=True)
class Graph:
    """Nodes with arrows between them.

    Attributes:
        title: what it shows, unique in the study.
        caption: how to read it.
        nodes: name and weight, at least 0, of each; the heavier the larger.
        edges: number of the node where it begins, of the one where it ends, and a count.
        weight: what a node's weight is.
    """

    kind: ClassVar[str] = "graph"
    title: str
    caption: str
    nodes: Sequence[tuple[str, float]]
    edges: Sequence[tuple[int, int, int]]
    weight: str = "weight"

    def __post_init__(self):
        if any(not 0 <= end < len(self.nodes) for edge in self.edges for end in edge[:2]):
            raise InputError(f"the graph {self.title!r} has {len(self.nodes)} nodes, and an edge to one beyond them")
        if any(weight < 0 for _, weight in self.nodes):
            raise InputError(f"the graph {self.title!r} has a node of negative weight; expected numbers from 0 up")


Drawing = HeatMap | Curves | Picture | Graph
_KINDS: dict[str, type[Drawing]] = {one.kind: one for one in (HeatMap, Curves, Picture, Graph)}


def encoded(pixels: np.ndarray, scale: int = 1) -> str:
    """Encode an image as PNG in base64.

    Args:
        pixels: (h, w) or (h, w, 3), floats in [0, 1] or uint8.
        scale: by how many pixels on each side every pixel is drawn.
    """
    if pixels.dtype != np.uint8:
        pixels = as_bytes(np.clip(pixels, 0, 1))
    file = io.BytesIO()
    Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1)).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def plain(drawing: Drawing) -> dict[str, Any]:
    """Return a drawing as JSON can hold it; `drawn` reads it back."""
    return {"kind": drawing.kind, **asdict(drawing)}


def drawn(content: Mapping[str, Any]) -> Drawing:
    """Read what `plain` wrote.

    Raises:
        KeyError, TypeError: the content is of something else.
    """
    fields = {name: value for name, value in content.items() if name != "kind"}
    return _KINDS[content["kind"]](**fields)
