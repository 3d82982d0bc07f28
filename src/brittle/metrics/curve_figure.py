"""A security curve as plotly draws it: traces and layout as JSON, in colours by name; and whole, in a light theme."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from brittle.metrics.curves import Curve
from brittle.metrics.estimate import Floats

Figure = dict[str, Any]
LIGHT = {
    "@ink": "#1c2026",
    "@muted": "#59626e",
    "@grid": "#e4e5e2",
    "@surface": "#ffffff",
    "@clear": "rgba(0, 0, 0, 0)",
    "@band": "rgba(28, 32, 38, .13)",
    "@series0": "#0072b2",
}
"""Colours for a figure that stands by itself; a page replaces their names by those of its own theme."""


def curve_figure(curve: Curve, title: str, factor: float = 1.0) -> Any:
    """Draw a curve with its intervals, as a plotly figure that shows itself nowhere.

    Args:
        curve: with one radius or more; beyond the first two, as steps, and otherwise as points.
        title: of the axis of radii.
        factor: what radii are multiplied by.
    """
    import plotly.graph_objects as go

    name, end = curve.measured, float(curve.radii[-1]) * 1.05 or 1.0
    if len(curve.radii) > FEW:
        line = drawn_line(name, curve, factor, end, {"color": "@series0", "width": 2.5})
        traces = [*drawn_band(curve, factor, end), line]
    else:
        traces = [
            drawn_point(name, Curve(curve.radii[at : at + 1], (rate,)), factor, radius, "@series0", "circle")
            for at, (radius, rate) in enumerate(zip(curve.radii.tolist(), curve.accuracy, strict=True))
        ]
    layout = layout_of(title)
    layout["xaxis"] |= {"rangemode": "tozero"}
    layout["yaxis"] |= {"range": [-0.02, 1.02], "tickformat": ".0%", "title": {"text": name}}
    return go.Figure(coloured({"data": traces, "layout": layout}, LIGHT))


def coloured(value: Any, colours: Mapping[str, str]) -> Any:
    """Return a figure with colours in the place of their names, at any depth."""
    if isinstance(value, dict):
        return {key: coloured(inner, colours) for key, inner in value.items()}
    if isinstance(value, list):
        return [coloured(inner, colours) for inner in value]
    return colours.get(value, value) if isinstance(value, str) else value


FEW = 2
"""Radii up to which a curve is points and no line."""


def drawn_line(name: str, curve: Curve, factor: float, end: float, line: Figure) -> Figure:
    """Draw a curve as steps, up to a radius `end`."""
    rates = [rate.value for rate in curve.accuracy]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": plain_list(np.append(curve.radii, end) * factor),
        "y": plain_list(np.append(rates, rates[-1])),
        "line": {"shape": "hv"} | line,
        "hovertemplate": "%{x:.3g}: %{y:.1%}",
    }


def drawn_band(curve: Curve, factor: float, end: float) -> list[Figure]:
    """Draw the intervals of a curve as the band between two lines without a width."""
    x = plain_list(np.append(curve.radii, end) * factor)
    edges = [[rate.low for rate in curve.accuracy], [rate.high for rate in curve.accuracy]]
    shared: Figure = {"type": "scatter", "mode": "lines", "x": x, "hoverinfo": "skip", "showlegend": False}
    return [
        shared
        | {"y": plain_list(np.append(edge, edge[-1])), "line": {"shape": "hv", "width": 0, "color": "@ink"}}
        | fill
        for edge, fill in zip(edges, ({}, {"fill": "tonexty", "fillcolor": "@band"}), strict=True)
    ]


def drawn_point(name: str, curve: Curve, factor: float, radius: float, color: str, symbol: str) -> Figure:
    """Draw the only rate of a curve, with its interval."""
    (rate,) = curve.accuracy
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [rounded(radius * factor)],
        "y": [rounded(rate.value)],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [rounded(rate.high - rate.value)],
            "arrayminus": [rounded(rate.value - rate.low)],
            "color": color,
            "thickness": 1.5,
            "width": 5,
        },
        "marker": {"color": color, "symbol": symbol, "size": 11, "line": {"color": "@surface", "width": 1}},
        "hovertemplate": f"at %{{x:.3g}}: %{{y:.1%}}, n = {rate.n:,}",
    }


def layout_of(x: str) -> Figure:
    """Return the layout of a figure whose axis of x has a title."""
    axis: Figure = {
        "gridcolor": "@grid",
        "zerolinecolor": "@grid",
        "linecolor": "@grid",
        "tickfont": {"color": "@muted"},
        "automargin": True,
        "fixedrange": False,
    }
    return {
        "height": 380,
        "margin": {"l": 10, "r": 16, "t": 26, "b": 10},
        "paper_bgcolor": "@clear",
        "plot_bgcolor": "@clear",
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13, "color": "@ink"},
        "hoverlabel": {"bgcolor": "@surface", "bordercolor": "@grid", "font": {"color": "@ink"}, "namelength": 30},
        "showlegend": False,
        "xaxis": axis | ({"title": {"text": x, "font": {"color": "@muted"}}} if x else {}),
        "yaxis": axis | {},
    }


def plain_list(values: Floats) -> list[float]:
    """Return numbers as JSON holds them, rounded."""
    return [rounded(value) for value in values.tolist()]


def rounded(value: float) -> float:
    """Six significant digits are more than a figure shows, and keep the page small."""
    return float(f"{value:.6g}") if math.isfinite(value) else 0.0
