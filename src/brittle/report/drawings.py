"""A study's matrices, curves and graphs as plotly's JSON; colours are names of those that the theme of the page has."""

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
    }
    if len(columns) <= WRITTEN:
        trace["texttemplate"] = f"%{{z:{fraction}}}"
    layout = _layout(drawing.column_axis, drawing.row_axis)
    for axis, names in (("xaxis", columns), ("yaxis", rows)):
        layout[axis] |= {
            "tickmode": "array",
            "tickvals": list(range(len(names))),
            "ticktext": names,
        }
    leaning = max(map(len, columns), default=0) >= 6
    layout["xaxis"] |= {"side": "top", "tickangle": -45 if leaning else 0}
    layout["yaxis"]["autorange"] = "reversed"
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
    if "%" in drawing.y_title:
        layout["yaxis"]["rangemode"] = "tozero"  # a rate of nearly nothing does not look like one of nearly all
    layout |= {"height": 380, "showlegend": len(traces) > 1}
    return {"data": traces, "layout": layout}


def _layout(x_title: str, y_title: str) -> Figure:
    titles = {"xaxis": x_title, "yaxis": y_title}
    return {"showlegend": False} | {axis: {"title": {"text": figure_text(title, 60)}} for axis, title in titles.items()}
