"""Figures as SVG inside the page: drawn without a script, in the colours of the theme, as wide as there is room."""

import math
from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element, tostring

from markupsafe import Markup

from brittle.errors import escaped
from brittle.metrics.curve_figure import Figure
from brittle.report.svg_axes import Axis, axis_of
from brittle.report.svg_graph import graph
from brittle.report.svg_lines import Field
from brittle.report.svg_matrix import heads, matrix
from brittle.report.svg_parts import DASHES, across, add, at, mark

LETTER = 6.7
"""Pixels of a letter beside an axis, at most."""
NARROW = 220
"""Pixels below which a field between names is not drawn; then the figure scrolls."""
CELL, NUMBER = 12, 44
"""Least widths in pixels of a matrix's column, without and with numbers in its cells."""


def drawing(figure: Figure, name: str, label: str) -> Markup:
    """Draw a figure.

    Args:
        figure: plotly's JSON, with lines, points, a matrix or a graph; colours are names as of the style sheet.
        name: of the figure on its page.
        label: what it shows, for those who do not see it.

    Returns:
        HTML with the figure's legend, its axes' titles and the figure as SVG.
    """
    whole = Element("div", {"id": f"plot-{name}", "class": "drawing"})
    layout, traces = figure["layout"], figure["data"]
    if layout.get("showlegend"):
        _legend(whole, traces)
    says = {"role": "img", "aria-label": escaped(label)}
    if "scaleanchor" in layout["yaxis"]:
        graph(_scrolling(whole, label, ""), figure, name, **says)
    elif traces and traces[0]["type"] == "heatmap":
        _matrix(whole, figure, says)
    else:
        _field(whole, figure, says)
    return Markup(tostring(whole, encoding="unicode", short_empty_elements=False))  # text was escaped above


def _field(whole: Element, figure: Figure, says: dict[str, str]) -> None:
    """Draw lines and points between two axes."""
    layout, traces = figure["layout"], figure["data"]
    x, y = axis_of(layout["xaxis"], _values(traces, "x")), axis_of(layout["yaxis"], _values(traces, "y"))
    named = "ticktext" in layout["yaxis"]
    left = 14 + LETTER * max((len(text) for _, text in y.ticks), default=0)
    field = Field(x, y, float(layout["height"] - 70))
    _title(whole, layout["yaxis"])
    box = _scrolling(whole, says["aria-label"], f"min-width:{left + NARROW:.0f}px") if named else add(whole, "div")
    canvas = add(box, "div", **{"class": "canvas"}, style=_room(26 if "annotations" in layout else 10, 16, 26, left))
    svg = add(canvas, "svg", **{"class": "figure"}, width="100%", height=field.height, **says)
    _grid(svg, field)
    _shapes(svg, field, layout)
    field.lines(svg, traces)
    field.strips(svg, traces, ".1%" if "%" in layout["yaxis"].get("tickformat", "") else ".4g")
    for trace in traces:
        if "markers" in trace["mode"]:
            field.points(svg, trace)
    _title(whole, layout["xaxis"], "axis below")


def _matrix(whole: Element, figure: Figure, says: dict[str, str]) -> None:
    layout, (trace,) = figure["layout"], figure["data"]
    rows, columns = layout["yaxis"]["ticktext"], layout["xaxis"]["ticktext"]
    leaning = layout["xaxis"]["tickangle"] != 0
    longest = max(map(len, columns), default=0)
    left = 14 + LETTER * max(map(len, rows), default=0)
    lean = 0.71 * LETTER * longest if leaning else 0
    height = float(max(28 if len(columns) > len(trace["z"]) else 30, 16) * len(rows))
    least = left + lean + len(columns) * (NUMBER if "texttemplate" in trace else CELL)
    sides = [layout[axis].get("title", {}).get("text", "") for axis in ("yaxis", "xaxis")]
    sides = [f"{side} {arrow}" for side, arrow in zip(sides, "↓→", strict=True) if side]
    _title(whole, {"title": {"text": ", ".join(sides)}})
    box = _scrolling(whole, says["aria-label"], f"min-width:{least:.0f}px")
    canvas = add(box, "div", **{"class": "canvas"}, style=_room(24 + lean, 16 + lean, 6, left))
    svg = add(canvas, "svg", **{"class": "figure matrix"}, width="100%", height=height, **says)
    heads(svg, columns, leaning=leaning)
    for place, name in enumerate(rows):
        add(svg, "text", name, x=-8, y=(place + 0.5) * height / len(rows) + 4, text_anchor="end")
    matrix(svg, trace, height)


def _grid(svg: Element, field: Field) -> None:
    """Draw the lines at round numbers, and the numbers."""
    for axis, upright in ((field.x, True), (field.y, False)):
        for value in (*axis.between, *(value for value, _ in axis.ticks)):
            if axis.grid and axis.holds(value):
                _rule(svg, field, axis, value, upright=upright, stroke="@grid")
    for value, text in field.x.ticks:
        if field.x.holds(value):
            add(svg, "text", text, x=across(field.x.place(value)), y=field.height + 18, text_anchor="middle")
    for value, text in field.y.ticks:
        if field.y.holds(value):
            add(svg, "text", text, x=-8, y=field.down(value) + 4, text_anchor="end")


def _rule(svg: Element, field: Field, axis: Axis, value: float, *, upright: bool, **look: Any) -> None:
    if upright:
        place = across(axis.place(value))
        add(svg, "line", x1=place, x2=place, y1=0, y2=field.height, **look)
    else:
        place = field.down(value)
        add(svg, "line", x1=0, x2="100%", y1=place, y2=place, **look)


def _shapes(svg: Element, field: Field, layout: Figure) -> None:
    """Draw lines across the whole field, and what is written above them."""
    for shape in layout.get("shapes", []):
        line, upright = shape["line"], shape.get("yref") == "paper"
        look = {"stroke": line["color"], "stroke_width": float(line["width"])}
        if line.get("dash") in DASHES:
            look["stroke_dasharray"] = DASHES[line["dash"]]
        axis, value = (field.x, shape["x0"]) if upright else (field.y, shape["y0"])
        if axis.holds(value):
            _rule(svg, field, axis, value, upright=upright, **look)
    for note in layout.get("annotations", []):
        place = field.x.place(note["x"])
        anchor = "start" if place < 0.2 else "end" if place > 0.8 else "middle"  # else it leaves the page
        add(at(svg, place, -8), "text", note["text"], text_anchor=anchor)


def _legend(whole: Element, traces: Iterable[Figure]) -> None:
    """Name the lines and marks by what they look like."""
    named = add(whole, "ul", **{"class": "key"})
    for trace in traces:
        if trace.get("showlegend") is False:
            continue
        item = add(named, "li", **{"class": "sample"})
        svg = add(item, "svg", width=30, height=12, aria_hidden="true")
        if "lines" in trace["mode"]:
            line = trace["line"]
            dash = {"stroke_dasharray": DASHES[line["dash"]]} if line.get("dash") in DASHES else {}
            add(svg, "line", x1=1, x2=29, y1=6, y2=6, stroke=line["color"], stroke_width=float(line["width"]), **dash)
        if "markers" in trace["mode"]:
            mark(add(svg, "g", transform="translate(15 6)"), trace["marker"], 8)
        add(item, "span", trace["name"])


def _title(parent: Element, axis: Figure, kind: str = "axis") -> None:
    text = axis.get("title", {}).get("text", "")
    if text:
        add(parent, "p", text, **{"class": kind})


def _scrolling(parent: Element, label: str, style: str) -> Element:
    """Add a box that scrolls by itself where the page is narrow, with the pointer and with keys."""
    outer = add(parent, "div", **{"class": "scroll"}, tabindex=0, role="region", aria_label=label)
    return add(outer, "div", style=style) if style else outer


def _room(top: float, right: float, bottom: float, left: float) -> str:
    """Leave room around a figure for what is written beside it."""
    return f"padding:{top:.0f}px {right:.0f}px {bottom:.0f}px {left:.0f}px"


def _values(traces: Iterable[Figure], name: str) -> list[float]:
    """Return all that stand along an axis, ends of intervals with them."""
    found: list[float] = []
    for trace in traces:
        values, error = trace[name], trace.get(f"error_{name}")
        found += [value for value in values if value is not None]
        if error is not None:
            found += [value + more for value, more in zip(values, error["array"], strict=True)]
            found += [value - less for value, less in zip(values, error["arrayminus"], strict=True)]
    if not all(math.isfinite(value) for value in found):
        raise ValueError("a figure holds a number that is not finite")
    return found
