"""A matrix, drawn as cells whose colour says how large their values are."""

import math
from xml.etree.ElementTree import Element

from brittle.metrics.curve_figure import Figure
from brittle.report.svg_parts import across, add, at, said

FAINTEST = 0.05
"""Part of the full colour that the smallest value has, so that its cell is seen."""
MIDDLE, DARK = 0.5, 0.68
"""Parts of the full colour from which writing in a cell changes colour, in the dark and in the light theme."""
GAP = 1
"""Pixels left free around a cell."""


def matrix(svg: Element, trace: Figure, height: float) -> None:
    """Draw the cells of a matrix, with their numbers where the trace asks for them.

    Args:
        svg: what they are added to, as wide as the matrix.
        trace: plotly's, a heat map.
        height: of the matrix, in pixels.
    """
    values = [value for row in trace["z"] for value in row if value is not None]
    if not all(math.isfinite(value) for value in values):
        raise ValueError("a matrix holds a number that is not finite")
    low, span = min(values, default=0), (max(values, default=1) - min(values, default=0)) or 1
    rows, columns = len(trace["y"]), len(trace["x"])
    tall = height / max(rows, 1)
    for row, line in enumerate(trace["z"]):
        for column, value in enumerate(line):
            if value is None:
                continue
            part = FAINTEST + (1 - FAINTEST) * (value - low) / span
            left, there = column / columns, {"y": row * tall + GAP, "height": tall - 2 * GAP}
            size = {"x": across(left), "width": across(1 / columns), **there}
            cell = add(svg, "rect", fill="@heat1", fill_opacity=f"{part:.2f}", stroke="@ground", **size)
            told = {"z": value, "customdata": trace["customdata"][row][column]}
            told["text"] = trace["text"][row][column] if "text" in trace else ""
            add(cell, "title", said(trace["hovertemplate"], told))
            text = said(trace.get("texttemplate", ""), told)
            if text:
                tone = "low" if part < MIDDLE else "middle" if part < DARK else "high"
                add(svg, "text", text, **{"class": tone}, x=across(left + 0.5 / columns), y=(row + 0.5) * tall + 4)


def heads(svg: Element, names: list[str], *, leaning: bool) -> None:
    """Write the names of the columns above a matrix."""
    for place, name in enumerate(names):
        there = at(svg, (place + 0.5) / len(names), -7)
        turn = {"transform": "rotate(-45)", "text_anchor": "start"} if leaning else {"text_anchor": "middle"}
        add(there, "text", name, **turn)
