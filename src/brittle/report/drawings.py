"""A study's matrices, curves and graphs as plotly's JSON; colours are names that the page replaces by its theme's."""

from typing import Any

from brittle.metrics.curve_figure import Figure
from brittle.report.figures import DASHES, SERIES, SYMBOLS
from brittle.report.formats import figure_text
from brittle.report.graphs import graph_figure
from brittle.studies.bench.drawing import Curves, Drawing, Graph, HeatMap, Picture

LONGEST = 24
"""Letters of a name along a matrix; networks often differ in the last ones."""
WRITTEN = 15
"""Most columns of a matrix whose numbers are written in the cells."""


def drawing_figures(drawings: tuple[Drawing, ...]) -> dict[str, Figure]:
    """Return the plotly figures of all that are no pictures, by the names that the page gives their places."""
    return {f"drawing-{number}": _figure(one) for number, one in enumerate(drawings) if not isinstance(one, Picture)}


def _figure(drawing: HeatMap | Curves | Graph) -> Figure:
    if isinstance(drawing, HeatMap):
        return _heat_map(drawing)
    return graph_figure(drawing, _layout("", "")) if isinstance(drawing, Graph) else _curves(drawing)


def _heat_map(drawing: HeatMap) -> Figure:
    rows, columns = ([figure_text(name, LONGEST) for name in names] for names in (drawing.rows, drawing.columns))
    fraction = ".0%" if drawing.unit == "percent" else ".3~g"
    trace: Figure = {
        "type": "heatmap",
        "x": list(range(len(columns))),
        "y": list(range(len(rows))),
        "z": [list(row) for row in drawing.values],
        "customdata": [[[row, column] for column in columns] for row in rows],
        "hovertemplate": f"%{{customdata[0]}} → %{{customdata[1]}}: %{{z:{fraction}}}<extra></extra>",
        "hoverongaps": False,
        "colorscale": [[0, "@heat0"], [1, "@heat1"]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    if len(columns) <= WRITTEN:
        trace["texttemplate"] = f"%{{z:{fraction}}}"
    layout = _layout(drawing.column_axis, drawing.row_axis)
    for axis, names in (("xaxis", columns), ("yaxis", rows)):
        layout[axis] |= {
            "tickmode": "array",
            "tickvals": list(range(len(names))),
            "ticktext": names,
            "showgrid": False,
            "zeroline": False,
        }
    leaning = max(map(len, columns), default=0) >= 6
    layout["xaxis"] |= {"side": "top", "tickangle": -45 if leaning else 0, "ticklabeloverflow": "allow"}
    if leaning:  # the last name leans beyond the matrix
        layout["margin"]["r"] += 5 * len(columns[-1])
    layout["yaxis"]["autorange"] = "reversed"
    layout["height"] = 170 + 34 * len(rows)
    return {"data": [trace], "layout": layout}


def _curves(drawing: Curves) -> Figure:
    traces: list[Figure] = []
    for number, (name, (x, y)) in enumerate(drawing.lines.items()):
        color, published = f"@series{number % SERIES}", name in drawing.published
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": figure_text(name, 40),
                "x": list(x),
                "y": list(y),
                "line": {"color": color, "width": 2, "dash": "dot" if published else DASHES[0]},
                "marker": {"color": color, "symbol": SYMBOLS[number % len(SYMBOLS)], "size": 7},
            }
        )
    layout = _layout(drawing.x_title, drawing.y_title)
    places = {place for x, _ in drawing.lines.values() for place in x}
    if places and all(isinstance(place, int) for place in places) and max(places) - min(places) <= WRITTEN:
        layout["xaxis"]["dtick"] = 1  # what is counted has no halves
    layout |= {"height": 380, "showlegend": len(traces) > 1, "legend": {"orientation": "h", "y": -0.25}}
    return {"data": traces, "layout": layout}


def _layout(x_title: str, y_title: str) -> dict[str, Any]:
    def axis(title: str) -> dict[str, Any]:
        return {
            "title": {"text": figure_text(title, 60), "font": {"color": "@muted"}},
            "gridcolor": "@grid",
            "linecolor": "@grid",
            "zerolinecolor": "@grid",
            "tickfont": {"color": "@muted"},
            "automargin": True,
        }

    return {
        "margin": {"l": 10, "r": 16, "t": 30, "b": 20},
        "paper_bgcolor": "@clear",
        "plot_bgcolor": "@clear",
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13, "color": "@ink"},
        "hoverlabel": {"bgcolor": "@surface", "bordercolor": "@grid", "font": {"color": "@ink"}, "namelength": 40},
        "showlegend": False,
        "xaxis": axis(x_title),
        "yaxis": axis(y_title),
    }
