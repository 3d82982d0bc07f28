"""Lines, bands, points and their intervals, drawn between two axes; and what they say under the pointer."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from brittle.metrics.curve_figure import Figure
from brittle.report.svg_axes import Axis
from brittle.report.svg_parts import DASHES, across, add, at, mark, number, said

WIDE = 1000
"""Units of the width in which lines are drawn before they are stretched."""
EDGE = 3
"""Pixels above and below, so that a line along the end of an axis is drawn whole."""
STRIPS = 48
"""Most strips that say the values of the lines under the pointer."""


@dataclass(frozen=True)
class Field:
    """The field between the axes.

    Attributes:
        x, y: its axes.
        height: in pixels.
    """

    x: Axis
    y: Axis
    height: float

    def down(self, value: float) -> float:
        """Return how many pixels below the upper edge a value of the y axis stands."""
        return (1 - self.y.place(value)) * self.height

    def lines(self, svg: Element, traces: Sequence[Figure]) -> None:
        """Draw all lines, with what is filled below them or between two of them."""
        ends = f"0 {-EDGE} {WIDE} {number(self.height + 2 * EDGE)}"
        where = {"y": -EDGE, "width": "100%", "height": self.height + 2 * EDGE}
        stretched = add(svg, "svg", viewBox=ends, preserveAspectRatio="none", **where)
        before: Figure | None = None
        for trace in traces:
            if "lines" not in trace["mode"]:
                continue
            path = self._path(trace)
            if trace.get("fill") == "tonexty" and before is not None:
                add(
                    stretched, "path", d=f"{self._path(before)}{self._path(trace, back=True)}Z", fill=trace["fillcolor"]
                )
            elif trace.get("fill") == "tozeroy" and trace["x"]:
                floor, first = number(self.down(0)), number(WIDE * self.x.place(trace["x"][0]))
                add(stretched, "path", d=f"{path}V{floor}H{first}Z", fill=trace["fillcolor"])
            line, before = trace["line"], trace
            if line.get("width", 2):
                dash = {"stroke_dasharray": DASHES[line["dash"]]} if line.get("dash") in DASHES else {}
                look = {"class": "line", "stroke_width": float(line.get("width", 2))}
                add(stretched, "path", d=path, stroke=line["color"], fill="none", **look, **dash)

    def _path(self, trace: Figure, *, back: bool = False) -> str:
        """Return the way along a line; with `back` from its last point to its first, going on from where one is."""
        points = list(zip(trace["x"], trace["y"], strict=True))
        steps, parts, pen = trace["line"].get("shape") == "hv", list[str](), "L" if back else "M"
        for x, y in reversed(points) if back else points:
            if x is None or y is None:
                pen = "M"
                continue
            right, down = number(WIDE * self.x.place(x)), number(self.down(y))
            if pen or not steps:
                parts.append(f"{pen or 'L'}{right} {down}")
            else:
                parts.append(f"V{down}H{right}" if back else f"H{right}V{down}")
            pen = ""
        return "".join(parts)

    def points(self, svg: Element, trace: Figure) -> None:
        """Draw the marks of a trace, each with its interval and with what it says under the pointer."""
        template = trace.get("hovertemplate", "%{x}, %{y}")
        for place, (x, y) in enumerate(zip(trace["x"], trace["y"], strict=True)):
            if x is None or y is None or not (self.x.holds(x) and self.y.holds(y)):
                continue
            self._interval(svg, trace, place)
            values = {"x": x, "y": y, "customdata": trace.get("customdata", [None] * (place + 1))[place]}
            there = at(svg, self.x.place(x), self.down(y))
            name = trace.get("name", "")
            add(mark(there, trace["marker"]), "title", f"{name}\n{said(template, values)}".strip())

    def _interval(self, svg: Element, trace: Figure, place: int) -> None:
        x, y = trace["x"][place], trace["y"][place]
        for error, upright in ((trace.get("error_y"), True), (trace.get("error_x"), False)):
            if error is None:
                continue
            look = {"stroke": error["color"], "stroke_width": float(error["thickness"])}
            middle = y if upright else x
            low, high = middle - error["arrayminus"][place], middle + error["array"][place]
            half = float(error["width"])
            if upright:
                there, ends = at(svg, self.x.place(x), 0), [self.down(low), self.down(high)]
                add(there, "line", y1=ends[0], y2=ends[1], **look)
                for end in ends:
                    add(there, "line", x1=-half, x2=half, y1=end, y2=end, **look)
            elif low > 0 or not self.x.logarithmic:
                ends, down = [self.x.place(low), self.x.place(high)], self.down(y)
                add(svg, "line", x1=across(ends[0]), x2=across(ends[1]), y1=down, y2=down, **look)
                for end in ends:
                    add(at(svg, end, down), "line", y1=-half, y2=half, **look)

    def strips(self, svg: Element, traces: Sequence[Figure], style: str) -> None:
        """Lay strips over the lines, each of which says what all of them are there.

        Args:
            svg: what they are added to.
            traces: all of the figure.
            style: how a value is written, as of `format`.
        """
        told = [one for one in traces if "lines" in one["mode"] and one.get("hoverinfo") != "skip" and one["x"]]
        every = sorted({x for one in told for x in one["x"] if x is not None and self.x.holds(x)})
        steps = any(one["line"].get("shape") == "hv" for one in told)
        every = (
            [every[round(part * (len(every) - 1) / (STRIPS - 1))] for part in range(STRIPS)]
            if len(every) > STRIPS
            else every
        )
        for place, x in enumerate(every):
            here = self.x.place(x)
            before = self.x.place(every[place - 1]) if place else here
            after = self.x.place(every[place + 1]) if place + 1 < len(every) else 1.0
            left, right = (here, after) if steps else ((here + before) / 2 if place else 0.0, (here + after) / 2)
            lines = [f"{one.get('name', '')}: {format(y, style)}" for one in told if (y := _value(one, x)) is not None]
            if right <= left or not lines:
                continue
            strip = add(svg, "rect", x=across(left), width=across(right - left), height=self.height, opacity="0")
            add(strip, "title", "\n".join([f"{x:.3g}", *lines]))


def _value(trace: Figure, x: float) -> Any:
    """Return what a line is at x: of steps the last one, of other lines only what was measured there."""
    if trace["line"].get("shape") == "hv":
        place = bisect_right(trace["x"], x) - 1
        return trace["y"][place] if place >= 0 else None
    return trace["y"][trace["x"].index(x)] if x in trace["x"] else None
