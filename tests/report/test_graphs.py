"""Where a graph's nodes stand: neighbours near, components apart, the same every time."""

import numpy as np

from brittle.report.graphs import GAP, LABELLED, graph_figure, positions
from brittle.studies.bench.drawing import Graph

STARS = [(leaf, 0) for leaf in range(1, 12)] + [(leaf, 12) for leaf in range(13, 18)] + [(18, 19), (20, 20)]


def distances(places):
    return np.linalg.norm(places[:, None] - places[None], axis=2)


def test_components_do_not_overlap():
    places = positions(21, STARS)
    groups = [range(12), range(12, 18), range(18, 20), range(20, 21)]
    discs = []
    for group in groups:
        inside = places[list(group)]
        centre = inside.mean(axis=0)
        discs.append((centre, np.linalg.norm(inside - centre, axis=1).max()))
    for number, (centre, radius) in enumerate(discs):
        for other, reach in discs[:number]:
            assert np.linalg.norm(centre - other) >= radius + reach + 2 * GAP - 1e-6


def test_neighbours_stand_together_and_nobody_on_another():
    places = positions(21, STARS)
    apart = distances(places)
    assert (apart[~np.eye(21, dtype=bool)] > 0.3).all()
    hub = apart[0, 1:12]
    assert hub.max() < 2 * hub.min()
    assert apart[1:12, 1:12].max() > hub.max()  # the leaves stand around the hub


def test_the_same_graph_gives_the_same_places():
    assert np.array_equal(positions(21, STARS), positions(21, iter(STARS)))
    assert positions(0, []).shape == (0, 2)
    assert positions(1, []).tolist() == [[0, 0]]


def test_the_heaviest_nodes_are_named_and_larger():
    nodes = [(f"n{number}", float(number)) for number in range(LABELLED + 5)]
    figure = graph_figure(Graph("G", "", nodes, [(0, 1, 1)]), {"xaxis": {}, "yaxis": {}})
    _, drawn = figure["data"]
    written = figure["layout"]["annotations"]
    assert {one["text"] for one in written} == {name for name, _ in nodes[5:]}
    assert written[0]["text"] == nodes[-1][0]
    assert [written[0]["x"], written[0]["y"]] == [drawn["x"][-1], drawn["y"][-1]]
    assert drawn["marker"]["size"] == sorted(drawn["marker"]["size"])
