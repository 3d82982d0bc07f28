"""What figures are made of: elements of SVG, colours of the page's theme, marks, and what is said under the pointer.

Along an axis x is a percentage of the width and y a number of pixels, so that a figure is as wide as its page while its
letters and lines keep their size.
"""

import math
import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from brittle.errors import escaped
from brittle.metrics.curve_figure import Figure

CORNERS = {
    "square": (4, 45, 1.0, 1.0),
    "diamond": (4, 0, 1.05, 1.05),
    "triangle-up": (3, -90, 1.1, 1.1),
    "x": (8, 45, 1.25, 0.4),
    "star": (10, -90, 1.25, 0.5),
    "hexagon": (6, 0, 1.0, 1.0),
}
"""Of each mark the number of corners, the angle of the first, and radii of odd and even ones, beside a circle's."""
DASHES = {"dash": "9 5", "dot": "2 4", "dashdot": "9 4 2 4", "longdash": "14 5"}
_FIELD = re.compile(r"%\{(\w+)((?:\[\d+\])*)(?::([^}]+))?\}")


def add(parent: Element, tag: str, text: str = "", /, **attributes: object) -> Element:
    """Add an element; of its attributes `stroke_width` becomes stroke-width, and colours become the theme's."""
    found = SubElement(parent, tag)
    style = [f"{name}:{colour(str(attributes.pop(name)))}" for name in ("fill", "stroke") if name in attributes]
    if style:
        found.set("style", ";".join(style))
    for name, value in attributes.items():
        found.set(name.replace("_", "-"), number(value) if isinstance(value, float) else escaped(str(value)))
    if text:
        found.text = escaped(text, but="\n")
    return found


def colour(name: str) -> str:
    """Return a colour by the name that the style sheet has for it: "@ink" is --ink."""
    return f"var(--{name[1:]})" if name.startswith("@") else name


def number(value: float) -> str:
    """Write a number of pixels, or of thousandths of a width, as short as can be seen.

    Example:
        >>> number(12.04), number(-0.01), number(7.26)
        ('12', '0', '7.3')
    """
    return f"{round(value, 1) + 0:g}" if abs(value) < 1e5 else f"{value:.0f}"  # `:g` has six digits


def across(part: float) -> str:
    """Write a part of the width."""
    return f"{100 * part:.2f}".rstrip("0").rstrip(".") + "%"


def at(parent: Element, x: float, y: float) -> Element:
    """Add a place whose origin is a point: x as a part of the width, y in pixels."""
    return add(parent, "svg", **{"class": "at"}, x=across(x), y=float(y))


def mark(parent: Element, marker: Figure, size: float | None = None) -> Element:
    """Add a mark around the origin.

    Args:
        parent: what it is added to.
        marker: plotly's, with its symbol, color, size and line.
        size: its diameter in pixels, where not the marker's.
    """
    symbol = str(marker.get("symbol", "circle"))
    line = marker.get("line", {})
    style: dict[str, object] = {"fill": marker["color"], "stroke": line.get("color", "none")}
    if symbol.endswith("-open"):
        style["fill"] = "none"
    style["stroke_width"] = float(line.get("width", 1))
    radius = float(size if size is not None else marker.get("size", 8)) / 2
    shape = symbol.removesuffix("-open")
    if shape not in CORNERS:
        return add(parent, "circle", r=radius, **style)
    corners, first, odd, even = CORNERS[shape]
    angles = [math.radians(first + 360 * corner / corners) for corner in range(corners)]
    radii = [radius * (even if corner % 2 else odd) for corner in range(corners)]
    points = [
        f"{number(r * math.cos(angle))},{number(r * math.sin(angle))}" for r, angle in zip(radii, angles, strict=True)
    ]
    return add(parent, "polygon", points=" ".join(points), **style)


def said(template: str, values: Mapping[str, Any]) -> str:
    r"""Fill a template of what plotly says under the pointer.

    Example:
        >>> said("at %{x:.3g}: %{y:.1%}<extra></extra>", {"x": 0.12345, "y": 0.5})
        'at 0.123: 50.0%'
        >>> said("%{customdata[1]}<br>%{z}", {"customdata": ["a", "b"], "z": 3})
        'b\n3'
    """

    def field(found: re.Match[str]) -> str:
        value = values[found[1]]
        for place in re.findall(r"\d+", found[2]):
            value = value[int(place)]
        style = (found[3] or "").replace("~", "")
        if isinstance(value, int | float):
            return format(value, style or ".6g")
        return "" if value is None else str(value)

    return _FIELD.sub(field, template.replace("<extra></extra>", "").replace("<br>", "\n"))
