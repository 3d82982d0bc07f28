"""Figures as plotly's JSON; colours are names of those that the page's light and dark themes have."""

import numpy as np

from brittle import metrics
from brittle.metrics import Curve, Outcome, Pair
from brittle.metrics.curve_figure import Figure, drawn_band, drawn_line, drawn_point, layout_of, plain_list, rounded
from brittle.metrics.estimate import Floats
from brittle.metrics.formats import percent, significant
from brittle.report.formats import figure_text
from brittle.report.run_data import AttackRows, RunData

SERIES = 7
"""Number of colours for attacks in the style sheet (Okabe and Ito's, for the colour-blind); then they repeat."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "hexagon")
BINS = 40
MATRIX = 30
"""Most classes of which the confusion is drawn as a matrix."""


def security_figure(evidence: RunData) -> Figure:
    """Robust accuracy against the radius: each attack, and the worst case over all with its interval."""
    p, factor = evidence.norm, evidence.units.factor(evidence.norm)
    curves = [(attack, *_curve(evidence, attack)) for attack in evidence.attacks]
    worst = metrics.security_curve(evidence.outcomes, p)
    highest = _reach(evidence, worst)
    end = max([highest, *(float(curve.radii[-1]) for _, curve, _ in curves)])
    traces: list[Figure] = []
    if len(curves) > 1:
        traces += drawn_band(worst, factor, end)
        traces.append(drawn_line("Worst case", worst, factor, end, {"color": "@ink", "width": 3}))
    for number, (attack, curve, radius) in enumerate(curves):
        color = f"@series{number % SERIES}"
        name = figure_text(attack.title)
        if radius is None:
            if len(curves) == 1:
                traces += drawn_band(curve, factor, end)
            dash = DASHES[number % len(DASHES)] if len(curves) > 1 else "solid"
            traces.append(drawn_line(name, curve, factor, end, {"color": color, "width": 2, "dash": dash}))
        else:
            traces.append(drawn_point(name, curve, factor, radius, color, SYMBOLS[number % len(SYMBOLS)]))
    layout = layout_of(evidence.units.axis("largest change", evidence.norm))
    layout["xaxis"]["range"] = [0, rounded(highest * factor)]
    layout["yaxis"] |= {"range": [-0.02, 1.02], "tickformat": ".0%", "title": {"text": "robust accuracy"}}
    layout["showlegend"] = True
    if evidence.radius is not None:
        _mark(layout, evidence.radius * factor, f"asked: {evidence.units.size(evidence.radius, p)}")
    return {"data": traces, "layout": layout}


def size_figure(evidence: RunData) -> Figure | None:
    """How many images fall at which size, for each attack that searches the smallest; None when there is none."""
    searchers, finite = evidence.searchers, _found_sizes(evidence)
    if not any(map(len, finite)):
        return None
    factor = evidence.units.factor(evidence.norm)
    top = _end_of_sizes(finite)
    edges = np.linspace(0, max(top, 1e-12), BINS + 1)
    traces: list[Figure] = []
    for number, (attack, found) in enumerate(zip(searchers, finite, strict=True)):
        heights = np.histogram(found, edges)[0]
        color = f"series{evidence.attacks.index(attack) % SERIES}"
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": figure_text(attack.title),
                "x": plain_list(edges * factor),
                "y": [*heights.tolist(), 0],
                "line": {"shape": "hv", "color": f"@{color}", "width": 2, "dash": DASHES[number % len(DASHES)]},
                "fill": "tozeroy",
                "fillcolor": f"@{color}-band",
                "hovertemplate": "from %{x:.3g}: %{y} images<extra></extra>",
            }
        )
    layout = layout_of(evidence.units.axis("smallest change", evidence.norm))
    layout["xaxis"]["range"] = [0, rounded(top * factor)]
    layout["yaxis"] |= {"rangemode": "tozero", "title": {"text": "images"}}
    layout["showlegend"] = True
    if evidence.radius is not None and evidence.radius <= top:
        _mark(layout, evidence.radius * factor, f"asked: {evidence.units.size(evidence.radius, evidence.norm)}")
    return {"data": traces, "layout": layout}


def sizes_beyond(evidence: RunData) -> int:
    """How many smallest changes lie to the right of `size_figure`, all attacks that search for them together."""
    finite = _found_sizes(evidence)
    if not any(map(len, finite)):
        return 0
    return int((np.concatenate(finite) > _end_of_sizes(finite)).sum())


def _found_sizes(evidence: RunData) -> list[Floats]:
    sizes = [metrics.minimal_sizes(attack.table, evidence.norm) for attack in evidence.searchers]
    return [found[np.isfinite(found)] for found in sizes]


def _end_of_sizes(finite: list[Floats]) -> float:
    """Where the figure of sizes ends: a few very large changes would press all others to its edge."""
    return float(np.quantile(np.concatenate(finite), 0.99)) * 1.05 or 1.0


def confusion_figure(evidence: RunData, pairs: list[Pair], labels: list[int]) -> Figure:
    """Matrix of original and adversarial label, counts written in the cells."""
    matrix = metrics.confusion_matrix(pairs, labels)
    places = list(range(len(labels)))
    names = [figure_text(evidence.label(label), 14) for label in labels]
    full = [figure_text(evidence.label(label), 60) for label in labels]
    trace: Figure = {
        "type": "heatmap",
        "x": places,
        "y": places,
        "z": matrix.tolist(),
        "text": [[str(cell) if cell else "" for cell in row] for row in matrix.tolist()],
        "customdata": [[[before, after] for after in full] for before in full],
        "hovertemplate": "%{customdata[0]} → %{customdata[1]}: %{z}<extra></extra>",
    }
    if len(labels) <= 15:
        trace["texttemplate"] = "%{text}"
    layout = layout_of("")
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": names}
    short = max(map(len, names)) < 4
    layout["xaxis"] |= ticks | {"side": "top", "tickangle": 0 if short else -45}
    layout["xaxis"]["title"], layout["yaxis"]["title"] = {"text": "after"}, {"text": "before"}
    layout["yaxis"] |= ticks | {"autorange": "reversed"}
    return {"data": [trace], "layout": layout}


def _curve(evidence: RunData, attack: AttackRows) -> tuple[Curve, float | None]:
    """An attack's own curve and, where it was run at one radius of this norm, that radius."""
    outcome: Outcome = evidence.outcome(attack)
    radii = None if outcome.radius is None else [outcome.radius]
    return metrics.security_curve([outcome], evidence.norm, radii), outcome.radius


def _reach(evidence: RunData, worst: Curve) -> float:
    """Largest radius shown at first: past the radius asked, and past nearly every size found."""
    right = worst.accuracy[0].value
    last = worst.accuracy[-1].value
    bulk = next(
        radius
        for radius, rate in zip(worst.radii.tolist(), worst.accuracy, strict=True)
        if rate.value <= last + 0.02 * (right - last)
    )
    return max(1.15 * bulk, 1.5 * (evidence.radius or 0.0)) or 1.0


def _mark(layout: Figure, x: float, text: str) -> None:
    line: Figure = {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"}
    layout["shapes"] = [line | {"line": {"color": "@muted", "dash": "dot", "width": 1.5}}]
    note: Figure = {"x": x, "y": 1, "yref": "paper", "yanchor": "bottom", "text": text, "showarrow": False}
    layout["annotations"] = [note | {"font": {"color": "@muted", "size": 12}}]


def curve_rows(evidence: RunData) -> list[tuple[str, str, str]]:
    """The worst-case curve as a table of radius, robust accuracy and interval, for those who cannot see the figure."""
    highest = _reach(evidence, metrics.security_curve(evidence.outcomes, evidence.norm))
    radii = [*np.linspace(0, highest, 9).tolist(), *([] if evidence.radius is None else [evidence.radius])]
    curve = metrics.security_curve(evidence.outcomes, evidence.norm, sorted(set(radii)))
    return [
        (
            evidence.units.size(radius, evidence.norm),
            percent(rate.value),
            f"{significant(100 * rate.low)}–{significant(100 * rate.high)}",
        )
        for radius, rate in zip(curve.radii.tolist(), curve.accuracy, strict=True)
    ]
