"""Filling a page's template: everything inlined, figures drawn, text escaped, and no script allowed but our own."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from brittle.errors import escaped
from brittle.metrics.curve_figure import Figure
from brittle.report.formats import command_text, placeless
from brittle.report.svg import drawing


def fill(template: str, figures: Mapping[str, Figure], **values: Any) -> str:
    """Return a page that opens from disk and asks for nothing else.

    Args:
        template: file name of the template, which places each figure by `plot(name, label)`.
        figures: plotly's JSON by name; they are drawn as SVG, and are seen without a script.
        values: what the template names; text in it is escaped.
    """
    script = _asset("report.js")
    return (
        _environment()
        .get_template(template)
        .render(
            plot=lambda name, label: drawing(figures[name], name, label),
            plots=len(figures),
            style=Markup(_asset("report.css").replace("@dark;", _asset("dark.css"))),  # our own files
            script=Markup(script),  # our own
            digest=f"'sha256-{_digest(script)}'",
            **values,
        )
    )


@cache
def _environment() -> Environment:
    """Every template is compiled once."""
    found = Environment(
        loader=PackageLoader("brittle.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_steerless,
    )
    found.filters |= {"placeless": placeless, "command_text": command_text}
    return found


def _steerless(value: object) -> object:
    """Escape what would turn or hide the text around it; HTML is escaped afterwards."""
    return escaped(value, but="\n\t") if type(value) is str else value


def _asset(name: str) -> str:
    return resources.files("brittle.report").joinpath("templates", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the page's security policy knows a script by: any other script is refused by the browser."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
