"""Filling a page's template: everything inlined, text escaped, and no script allowed but plotly's and our own."""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from brittle.errors import escaped


def fill(template: str, figures: Mapping[str, Any], **values: Any) -> str:
    """Return a page that opens from disk and asks for nothing else.

    Args:
        template: file name of the template.
        figures: plotly figures by name, as JSON can hold them; plotly's script, 4.8 MB, is on pages that have any.
        values: what the template names; text in it is escaped.
    """
    scripts = [*([get_plotlyjs()] if figures else []), _asset("report.js")]
    return (
        _environment()
        .get_template(template)
        .render(
            figures=script_json(figures),
            plots=len(figures),
            style=Markup(_asset("report.css")),  # our own file
            scripts=[Markup(script) for script in scripts],  # plotly's and our own
            hashes=" ".join(f"'sha256-{_digest(script)}'" for script in scripts),
            **values,
        )
    )


@cache
def _environment() -> Environment:
    """Every template is compiled once."""
    return Environment(
        loader=PackageLoader("brittle.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_steerless,
    )


def _steerless(value: object) -> object:
    """Escape what would turn or hide the text around it; HTML is escaped afterwards."""
    return escaped(value, but="\n\t") if type(value) is str else value


def script_json(value: Any) -> Markup:
    r"""JSON that cannot end the script element it is written into, whatever text is in it.

    Example:
        >>> script_json({"name": "</script><b>"})
        Markup('{"name":"\\u003c/script\\u003e\\u003cb\\u003e"}')
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # escaped above


def _asset(name: str) -> str:
    return resources.files("brittle.report").joinpath("templates", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the page's security policy knows a script by: any other script is refused by the browser."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
