"""A graph, drawn as discs with arrows between them."""

import math
from xml.etree.ElementTree import Element

from brittle.metrics.curve_figure import Figure
from brittle.report.svg_parts import add

ROOM = 40.0
"""Pixels around the outermost nodes, for their names."""
WIDTH, HEIGHT = 1000, 620
"""The largest that a graph is drawn."""
HEAD = 7.0
"""Pixels of the head of an arrow."""


def graph(parent: Element, figure: Figure, name: str, **attributes: object) -> None:
    """Draw a graph, as large as the page has room for.

    Args:
        parent: what it is added to.
        figure: plotly's JSON, of `graph_figure`.
        name: of the figure on its page.
        attributes: of the drawing.
    """
    arrows, nodes = figure["data"]
    x, y = nodes["x"], nodes["y"]
    left, top = min(x, default=0), max(y, default=0)
    wide, high = max(x, default=0) - left, top - min(y, default=0)
    unit = min((WIDTH - 2 * ROOM) / (wide or 1), (HEIGHT - 2 * ROOM) / (high or 1))
    size = (round(wide * unit + 2 * ROOM), round(high * unit + 2 * ROOM))

    def place(right: float, up: float) -> tuple[float, float]:
        return ROOM + (right - left) * unit, ROOM + (top - up) * unit

    look = {"width": size[0], "height": size[1], "viewBox": f"0 0 {size[0]} {size[1]}"}
    svg = add(parent, "svg", **{"class": "figure graph"}, **look, **attributes)
    head = add(svg, "marker", id=f"head-{name}", viewBox="0 0 8 8", refX=8, refY=4, orient="auto")
    head.attrib |= {"markerWidth": f"{HEAD:g}", "markerHeight": f"{HEAD:g}", "markerUnits": "userSpaceOnUse"}
    add(head, "path", d="M0 0L8 4L0 8Z", fill="@muted")
    for start in range(0, len(arrows["x"]), 3):
        ends = [place(arrows["x"][start + end], arrows["y"][start + end]) for end in (0, 1)]
        (x1, y1), (x2, y2) = ends
        length, short = math.hypot(x2 - x1, y2 - y1), arrows["marker"]["standoff"][start + 1]
        if length > short:
            x2, y2 = (end - (end - begin) * short / length for begin, end in ((x1, x2), (y1, y2)))
            look = {"stroke": "@muted", "opacity": "0.7", "marker_end": f"url(#head-{name})"}
            add(svg, "line", x1=x1, y1=y1, x2=x2, y2=y2, **look)
    for right, up, diameter, about in zip(x, y, nodes["marker"]["size"], nodes["customdata"], strict=True):
        across, down = place(right, up)
        disc = add(svg, "circle", cx=across, cy=down, r=diameter / 2, fill="@series0", stroke="@surface")
        add(disc, "title", about.replace("<br>", "\n"))
    for note in figure["layout"]["annotations"]:
        across, down = place(note["x"], note["y"])
        add(svg, "text", note["text"], **{"class": "name"}, x=across, y=down - note["yshift"] + 4)
