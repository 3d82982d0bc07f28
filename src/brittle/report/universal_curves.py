"""What became of a universal perturbation from pass to pass, and by the number of perturbations, as curves."""

from collections.abc import Mapping
from typing import Any

from brittle.metrics.formats import percent
from brittle.report.universal_parts import NAMELESS
from brittle.studies.bench.drawing import Curves


def curves_of(made: Mapping[str, Any], target: str, seen: str, last: str) -> tuple[Curves, ...]:
    """Return all curves of a page.

    Args:
        made: what the file tells of how it was made.
        target: name of the class that images shall be taken for; "" for none.
        seen: the images that judged the passes, in words.
        last: the images that the page is of, in words.
    """
    passes = [int(one["number"]) for one in made["passes"]]
    title, gets, axis = _score(made, target)
    line = {seen: (passes, [100 * float(one["score"]) for one in made["passes"]])}
    caption = f"Fraction of {seen} that get {gets}."
    course = Curves(f"{title} after each pass", caption, "pass over the images", f"{axis}, %", line)
    return (
        course,
        *_traces(made["passes"], "pixels" if "task" in made else "images"),
        *_by_count(made, last),
    )


def _score(made: Mapping[str, Any], target: str) -> tuple[str, str, str]:
    """What a pass was judged by: a title, what images get, and the axis."""
    if target:
        of = target if target.startswith(NAMELESS) else f"the class {target}"
        return f"Taken for {target}", f"{of}, of those of others", "taken for it"
    if made.get("only"):
        return "Fooled of these classes less of others", "another class, of these classes less of others", "difference"
    if made.get("task") == "depth":
        return "Changed depths", f"another depth, by a factor of {made['ratio']:g} at least", "changed depths"
    gets = "another class with at least one of the perturbations" if "by_count" in made else "another class"
    return "Fooling rate", gets, "fooling rate"


def _traces(passes: list[dict[str, Any]], what: str) -> list[Curves]:
    """What became of perturbation and classes from pass to pass, where there were several passes."""
    names = {
        "saturated": "values at the radius",
        "leading": f"{what} taken for one class",
    }
    known = {
        title: ([int(one["number"]) for one in passes], [100 * float(one[name]) for one in passes])
        for name, title in names.items()
        if all(one.get(name) is not None for one in passes)
    }
    said = {
        "saturated": "Once nearly all values of the perturbation are at the radius, only signs can change.",
        "leading": "The one class is that which most are taken for: where it is nearly all, it fools them.",
    }
    caption = " ".join(said[name] for name, title in names.items() if title in known)
    axis = "%" if len(known) > 1 else f"{''.join(known)}, %"
    return [Curves("How it settled", caption, "pass over the images", axis, known)] if known and len(passes) > 1 else []


def _by_count(made: Mapping[str, Any], images: str) -> list[Curves]:
    """How many images the first perturbations fool, where several were made at once."""
    rates = [100 * float(one["value"]) for one in made.get("by_count", [])]
    chosen = made.get("by_choice")
    caption = f"Fraction of {images} that at least one of the first k perturbations fools, shown one after the other."
    caption += f" One chosen by the network's clean logits fools {percent(chosen['value'])}." if chosen else ""
    line = {images: (list(range(1, len(rates) + 1)), rates)}
    return [Curves("By the number of perturbations", caption, "perturbations", "fooled, %", line)] if rates else []
