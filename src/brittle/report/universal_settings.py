"""How a universal perturbation was made, in words: what its file tells, as a page lists it."""

import ast
from collections.abc import Mapping
from typing import Any, cast

from brittle.report.formats import placeless

ELSEWHERE = (
    *("command", "fooling", "taken_for", "reached", "fooled_of", "fooled_beside", "seeds", "by_count", "by_choice"),
    *("absolute", "farther"),
)
"""What stands in other sections of the page."""
NAMES = {
    "attack": "method",
    "method": "its settings",
    "said": "done to the images",
    "from_images": "made from images",
    "image": "height and width of an image",
    "images": "images of the search",
    "unseen": "images kept aside",
    "bounds": "least and greatest value of a pixel",
    "noise": "images are noise",
    "network_digest": "network (sha256)",
    "data_digest": "images (sha256)",
    "brittle's code": "brittle's code (sha256)",
    "your code": "your code (sha256)",
    "weights": "all tensors (sha256)",
    "only": "classes that it shall fool",
    "target": "class that it leads to",
    "ratio": "ratio from which a depth is another one",
}
"""What fields are called on a page; the others go by their own names."""
OFF, QUOTE = ("None", "()", "False"), "'"
"""What a setting is that is not on, and what stands around text in Python."""


def settings_of(made: Mapping[str, Any]) -> dict[str, str]:
    """Return everything of how a perturbation was made that the page does not show elsewhere, without what is empty.

    Args:
        made: what its file tells.

    Example:
        >>> settings_of({"passes": [{}, {}], "said": [], "method": "Ascent(passes=2, loud=None)", "seed": 0})
        {'its settings': 'passes 2', 'passes': '2', 'done to the images': 'nothing', 'seed': '0'}
    """
    first = {name: made[name] for name in ("attack", "method") if name in made}
    told = first | {name: value for name, value in made.items() if name not in ELSEWHERE}
    told["passes"] = len(made["passes"])
    if "said" in made:
        told["said"] = "; ".join(made["said"]) or "nothing"
    if "method" in made:
        told["method"] = method_words(str(made["method"]))
    return {NAMES.get(name, name): _setting(value) for name, value in told.items() if value not in (None, "", {}, [])}


def method_words(text: str) -> str:
    """Return the settings of a method as it is written in Python, but those that are off or empty.

    Args:
        text: of a file that nobody need trust; what is no call stays as it is.

    Example:
        >>> method_words("Ascent(passes=10, loss='cosine', loud=None, classes=(), crops=Crops(scale=0.5))")
        'passes 10, loss cosine, crops Crops(scale=0.5)'
    """
    try:
        call = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError):
        return text
    if not isinstance(call, ast.Call) or call.args:
        return text
    words = ((str(one.arg), ast.unparse(one.value)) for one in call.keywords)
    return ", ".join(f"{name} {one.strip(QUOTE)}" for name, one in words if one not in OFF)


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(one) for one in cast("list[Any]", value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in cast("dict[str, Any]", value).items() if one is not None)
    return placeless(str(value))
