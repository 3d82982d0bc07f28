"""The page of adversarial images behind a channel: which survive, the figures, and what they look like."""

from dataclasses import dataclass
from pathlib import Path

from brittle.metrics import Estimate
from brittle.metrics.formats import interval, percent
from brittle.pictures import data_uri
from brittle.report.content import picture_in, shown
from brittle.report.formats import command_text, placeless, subject
from brittle.report.gallery import reduced
from brittle.report.template import fill
from brittle.report.verdict import FEW
from brittle.runs.photographs import CASES, ON_PAPER, STAGES, TOPS, Figures, Photographed, PhotographedRow
from brittle.words import plural

CAPTIONS = {
    STAGES[0]: "original",
    STAGES[1]: "adversarial",
    STAGES[2]: "original, photographed",
    STAGES[3]: "adversarial, photographed",
}
SURVIVORS = 40
"""Most names of surviving images that the page lists for an attack."""
_FIELDS = {STAGES[0]: "clean_", STAGES[1]: "", STAGES[2]: "clean_channel_", STAGES[3]: "channel_"}


@dataclass(frozen=True)
class Shot:
    """A picture with what the network says of it."""

    caption: str
    said: str
    picture: str
    width: int
    right: bool


def photograph_page(run: Path) -> str:
    """Return the page of a folder of `brittle photograph`.

    Raises:
        RunError: the folder is damaged.
    """
    made = Photographed.open(run)
    with shown(run, "a folder of `brittle photograph`"):
        return render(made)


def render(made: Photographed) -> str:
    """The whole page as text."""
    figures = made.figures()
    command = {"command": command_text(made.command)} if made.command else {}
    return fill(
        "photograph.html",
        {},
        network=subject(made.about["network"]),
        channel=placeless(made.about["channel"]),
        simulated=made.about["channel"] != ON_PAPER,
        few=_few(made, figures),
        images=len(made.clean),
        tops=TOPS,
        lines=_lines(figures),
        lead=[_lead(attack, figures) for attack in made.attacks],
        survivors=[(attack, _names(made, attack)) for attack in made.attacks],
        missing=made.missing,
        said=made.said,
        walls=[(row, _shots(made, row, files)) for row, files in made.pictures()],
        created=made.created,
        version=made.about["brittle"],
        about={**command, **{name: placeless(value) for name, value in made.about.items()}},
    )


def _few(made: Photographed, figures: Figures) -> str:
    """Warn where the destruction rates rest on few images."""
    rates = [figures.attacks[attack].destruction[CASES[0], TOPS[0]] for attack in made.attacks]
    least = min((0 if rate is None else rate.n for rate in rates), default=0)
    if least >= FEW:
        return ""
    return f"Only {plural(least, 'adversarial image')} for a destruction rate: its interval is wide."


def _lines(figures: Figures) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """Rows of the table: group, what it is, and for each number of classes value, interval and n."""
    lines = [
        ("Clean images", "accuracy", [_cell(figures.clean[top]) for top in TOPS]),
        ("", "accuracy, photographed", [_cell(figures.photographed[top]) for top in TOPS]),
    ]
    for attack, one in figures.attacks.items():
        lines.append((attack, "accuracy", [_cell(one.accuracy[top]) for top in TOPS]))
        lines.append(("", "accuracy, photographed", [_cell(one.photographed[top]) for top in TOPS]))
        lines += [
            ("", f"destruction rate, {case} case", [_cell(one.destruction[case, top]) for top in TOPS])
            for case in CASES
        ]
    return lines


def _cell(estimate: Estimate | None) -> tuple[str, str, str]:
    if estimate is None:
        return "–", "", "no image counts"
    return percent(estimate.value), interval(estimate), f"n = {estimate.n:,}"


def _lead(attack: str, figures: Figures) -> tuple[str, str, str]:
    rate = figures.attacks[attack].destruction[CASES[0], TOPS[0]]
    if rate is None:
        return attack, "–", "no image was right at first and wrong once attacked"
    left = rate.n - round(rate.value * rate.n)
    return attack, percent(rate.value), f"{left:,} of {rate.n:,} adversarial images survive; {interval(rate)}"


def _names(made: Photographed, attack: str) -> str:
    names = [row.name for row in made.survivors(attack)]
    more = f", and {len(names) - SURVIVORS:,} more" if len(names) > SURVIVORS else ""
    return ", ".join(names[:SURVIVORS]) + more


def _shots(made: Photographed, row: PhotographedRow, files: dict[str, Path]) -> list[Shot]:
    shots: list[Shot] = []
    for stage, file in files.items():
        picture = reduced(picture_in(file.read_bytes()))
        guess, sure = (getattr(row, f"{_FIELDS[stage]}{name}") for name in ("prediction", "confidence"))
        said = "" if guess is None else f"{_class(made, guess)} ({percent(sure)})"
        right = getattr(row, f"{_FIELDS[stage]}rank") == 0
        shots.append(Shot(CAPTIONS[stage], said, data_uri(picture), picture.width, right))
    return shots


def _class(made: Photographed, label: int) -> str:
    return made.classes[label] if 0 <= label < len(made.classes) else f"class {label}"
