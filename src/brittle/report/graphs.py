"""A study's graph as plotly's JSON: where its nodes stand, and what they are drawn like."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from brittle.metrics.curve_figure import Figure
from brittle.metrics.estimate import Floats
from brittle.report.formats import figure_text
from brittle.studies.bench.drawing import Graph

LABELLED = 14
"""Nodes whose names are written beside them, the heaviest ones; all names show under the pointer."""
GAP = 0.8
"""Room between components, in units of the length of an edge."""
WIDE = 1.7
"""How much wider than high the components are spread."""
ROUNDS = 120
GOLDEN = math.pi * (3 - math.sqrt(5))
"""The golden angle, by which successive points of a spiral never line up."""


def graph_figure(drawing: Graph, layout: Figure) -> Figure:
    """Draw a graph.

    Args:
        drawing: nodes and edges.
        layout: plotly's, to be completed.
    """
    ends = [(begin, end) for begin, end, _ in drawing.edges]
    places = positions(len(drawing.nodes), ends)
    sizes = [7 + 3.5 * math.sqrt(weight) for _, weight in drawing.nodes]
    layout["yaxis"] |= {"scaleanchor": "x"}
    names = _names(drawing, places, sizes)
    layout["annotations"] = names
    return {"data": [_arrows(drawing, places, sizes), _nodes(drawing, places, sizes)], "layout": layout}


def _arrows(drawing: Graph, places: Floats, sizes: Sequence[float]) -> Figure:
    """Draw all edges as one line with gaps, each short of its end by the radius of the node there."""
    x: list[float | None] = []
    y: list[float | None] = []
    short: list[float] = []
    for begin, end, _ in drawing.edges:
        x += [float(places[begin, 0]), float(places[end, 0]), None]
        y += [float(places[begin, 1]), float(places[end, 1]), None]
        short += [0, sizes[end] / 2, 0]
    marker = {"symbol": "arrow", "angleref": "previous", "standoff": short, "color": "@muted"}
    return {"type": "scatter", "mode": "lines+markers", "x": x, "y": y, "marker": marker}


def _nodes(drawing: Graph, places: Floats, sizes: Sequence[float]) -> Figure:
    leads: dict[int, list[str]] = {}
    for begin, end, count in drawing.edges:
        leads.setdefault(begin, []).append(f"→ {figure_text(drawing.nodes[end][0], 40)} ({count})")
    about = [
        "<br>".join([figure_text(name, 40), f"{weight:g} {figure_text(drawing.weight, 40)}", *leads.get(node, [])])
        for node, (name, weight) in enumerate(drawing.nodes)
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "customdata": about,
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"color": "@series0", "size": list(sizes)},
    }


def _names(drawing: Graph, places: Floats, sizes: Sequence[float]) -> list[Figure]:
    """Write the names of the heaviest nodes above them."""
    heaviest = sorted(range(len(sizes)), key=lambda node: (-drawing.nodes[node][1], node))[:LABELLED]
    return [
        {
            "x": float(places[node, 0]),
            "y": float(places[node, 1]),
            "text": figure_text(drawing.nodes[node][0], 24),
            "yshift": sizes[node] / 2 + 9,
        }
        for node in heaviest
    ]


def positions(count: int, edges: Iterable[tuple[int, int]]) -> Floats:
    """Place nodes so that those that hang together stand together; the same graph always gives the same places.

    Each component is laid out by springs along its edges and repulsion between all nodes (Fruchterman and Reingold,
    "Graph drawing by force-directed placement", 1991); the components are then packed as discs, the largest first, each
    at the first free place of a spiral.

    Args:
        count: of the nodes.
        edges: pairs of nodes.

    Returns:
        (count, 2), in units of about the length of an edge.
    """
    places = np.zeros((count, 2))
    pairs = np.asarray(list(edges), dtype=np.int64).reshape(-1, 2)
    if not count:
        return places
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, member = connected_components(links, directed=False)
    groups = [np.flatnonzero(member == number) for number in range(int(member.max()) + 1)]
    discs: list[tuple[float, float, float]] = []
    for group in sorted(groups, key=lambda nodes: (-len(nodes), int(nodes[0]))):
        inside = pairs[member[pairs[:, 0]] == member[group[0]]]
        local = _springs(len(group), np.searchsorted(group, inside))
        radius = float(np.linalg.norm(local, axis=1).max()) + GAP
        x, y = _free(discs, radius)
        discs.append((x, y, radius))
        places[group] = local + np.array([x, y])
    return places


def _springs(count: int, edges: np.ndarray) -> Floats:
    """Lay one component out around its centre."""
    number = np.arange(count)
    radius, angle = np.sqrt(number + 0.5), number * GOLDEN
    places = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    if count == 1:
        return np.zeros((1, 2))
    begin, end = edges[:, 0], edges[:, 1]
    for turn in range(ROUNDS):
        apart = places[:, None] - places[None]
        square = (apart**2).sum(axis=2) + 1e-9
        force = (apart / square[..., None]).sum(axis=1)
        pull = places[end] - places[begin]
        pull *= np.linalg.norm(pull, axis=1, keepdims=True)
        np.add.at(force, begin, pull)
        np.add.at(force, end, -pull)
        length = np.linalg.norm(force, axis=1, keepdims=True) + 1e-9
        reach = 0.1 * math.sqrt(count) * (1 - turn / ROUNDS) + 0.01
        places = places + force / length * np.minimum(length, reach)
    return places - places.mean(axis=0)


def _free(discs: Sequence[tuple[float, float, float]], radius: float) -> tuple[float, float]:
    """Find the first place on a spiral where a disc touches none of the others."""
    taken = np.asarray(discs, dtype=np.float64).reshape(-1, 3)
    step = 0
    while True:
        distance, angle = 0.4 * math.sqrt(step), step * GOLDEN
        x, y = WIDE * distance * math.cos(angle), distance * math.sin(angle)
        if (np.hypot(taken[:, 0] - x, taken[:, 1] - y) >= taken[:, 2] + radius).all():
            return x, y
        step += 1
