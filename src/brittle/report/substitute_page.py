"""The page of a substitute: how it came to agree with its oracle, what transfers, and what that cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brittle.metrics import Estimate
from brittle.metrics.formats import interval, percent, significant
from brittle.report.content import object_of, placed, shown
from brittle.report.drawings import drawing_figures
from brittle.report.formats import duration
from brittle.report.template import fill
from brittle.runs.folder import REPORT
from brittle.runs.kinds import SUBSTITUTE_FILE
from brittle.runs.results import SubstituteFolder
from brittle.studies.bench.drawing import Curves

PURPOSES = {
    "training": "labels that the substitute was trained on",
    "agreement": "test images as they are",
    "rounds": "adversarial images after each round",
    "transfer": "adversarial images in the end",
}
"""What queries were for, in words."""
MEANS = {
    "fooled": "fools the substitute, of all",
    "rate": "transfers, of those it had right",
    "wrong": "oracle wrong, of all",
}
"""What is measured of an attack, in words."""


def write_substitute(folder: Path, out: Path | None = None, *, force: bool = False, title: str | None = None) -> Path:
    """Write the page of a substitute.

    Args:
        folder: of `brittle substitute`.
        out: the file to write, or a folder for it; by default `report.html` in the folder.
        force: replace another page at `out`.
        title: of the user's, see `write_report`.

    Returns:
        The file written.

    Raises:
        RunError: it is not finished, a file is missing or is another one, or the page cannot be written.
    """
    made = SubstituteFolder.open(folder)
    course = made.file(SUBSTITUTE_FILE)
    with shown(course, "the course of a substitute"):
        page = render(object_of(course), made.manifest.created)
    return placed(page, folder / REPORT, out, force=force, title=title)


def render(story: Mapping[str, Any], created: str = "") -> str:
    """Return the whole page as text."""
    rounds: list[dict[str, Any]] = story["rounds"]
    transfers: list[dict[str, Any]] = story["transfers"]
    curves = [_by_queries(rounds)]
    swept = _swept(transfers)
    curves += [_by_radius(norm, lines) for norm, lines in swept.items()]
    settings = story["settings"]
    counted = f"n = {rounds[-1]['agreement']['n']:,} of all, {transfers[0]['rate']['n']:,} of those it had right"
    return fill(
        "substitute.html",
        drawing_figures(tuple(curves)),
        story=story,
        created=created,
        right=_estimate(story["oracle_accuracy"]),
        agreement=_estimate(rounds[-1]["agreement"]),
        curves=curves,
        rounds=[_round(one) for one in rounds],
        means=list(MEANS.values()),
        transfers=[_transfer(one) for one in transfers],
        queries=[(PURPOSES.get(name, name), f"{count:,}") for name, count in story["queries"].items()],
        spent=f"{sum(story['queries'].values()):,}",
        counted=counted,
        about={"rounds": settings["rounds"], **_named("augmentation", settings), **_named("training", settings)},
    )


def _by_queries(rounds: Sequence[Mapping[str, Any]]) -> Curves:
    lines = {
        name: ([int(one["queries"]) for one in rounds], [100 * float(one[what]["value"]) for one in rounds])
        for what, name in (("agreement", "labels as the oracle does"), ("accuracy", "is right"))
    }
    caption = "Of the test images, after each round; against the queries paid for labels until then."
    if tried := [one for one in rounds if one["transfer"] is not None]:
        lines["is fooled by what transfers"] = (
            [int(one["queries"]) for one in tried],
            [100 * float(one["transfer"]["value"]) for one in tried],
        )
        caption += f" What transfers is of the first {tried[-1]['transfer']['n']:,} that the oracle has right."
    return Curves("The substitute, round by round", caption, "queries for labels", "test images, %", lines)


def _swept(transfers: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Return what was tried at several radii, by norm and attack."""
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for one in transfers:
        if one["radius"] is not None:
            found.setdefault(one["norm"], {}).setdefault(one["attack"], []).append(one)
    return found


def _by_radius(norm: str, lines: Mapping[str, Sequence[Mapping[str, Any]]]) -> Curves:
    drawn: dict[str, tuple[list[float], list[float]]] = {}
    for attack, found in lines.items():
        radii = [float(one["radius"]) for one in found]
        drawn[f"{attack}, oracle"] = (radii, [100 * float(one["rate"]["value"]) for one in found])
        drawn[f"{attack}, substitute"] = (radii, [100 * float(one["fooled"]["value"]) for one in found])
    caption = (
        "What an attack on the substitute does to the oracle, of the images that it has right; and to the substitute "
        "itself, of all images."
    )
    return Curves(f"What transfers, {norm}", caption, f"radius, {norm}", "images, %", drawn)


def _estimate(record: Mapping[str, Any]) -> str:
    found = Estimate(**record)
    return f"{percent(found.value)} (95 % interval {interval(found)}, n = {found.n:,})"


def _rate(record: Mapping[str, Any]) -> str:
    found = Estimate(**record)
    return f"{percent(found.value)} ({interval(found)})"


def _named(part: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a part with its name before theirs, as both parts have a `flip`."""
    return {f"{part}, {name}": value for name, value in settings[part].items()}


def _round(one: Mapping[str, Any]) -> tuple[int, list[str]]:
    rates = [percent(float(one[what]["value"])) for what in ("agreement", "accuracy")]
    counts = [f"{int(one[what]):,}" for what in ("images", "queries")]
    rates.append("–" if one["transfer"] is None else percent(float(one["transfer"]["value"])))
    return int(one["number"]), [*counts, significant(float(one["loss"])), *rates, duration(float(one["seconds"]))]


def _transfer(one: Mapping[str, Any]) -> tuple[str, list[str]]:
    radius = "smallest" if one["radius"] is None else f"{one['norm']} {float(one['radius']):g}"
    return str(one["attack"]), [radius, *(_rate(one[what]) for what in MEANS), f"{int(one['queries']):,}"]
