"""What a universal perturbation does, in lines for a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from brittle.files import told
from brittle.metrics.formats import Units, estimate_text
from brittle.words import middle_of

if TYPE_CHECKING:
    from brittle.evaluation.universal_result import Universal

COUNTS = 8
"""How many of several perturbations get a line of their own."""
LABEL = 16
"""Letters of what a line is of."""


def lines_of(made: "Universal") -> list[str]:
    """Return what there is to say of a universal perturbation, a line each.

    Args:
        made: the perturbation with what it does.
    """
    threat, what = made.perturbation.threat, "pixels" if "task" in made.perturbation.made else "fooled"
    size = f"{threat.name} {Units(1.0).text(made.perturbation.size, threat.name)}"
    lines = [("perturbation", f"{told(made.path)}  ({size})"), ("rows", told(made.rows))]
    lines.append((f"{what}, training", estimate_text(made.training)))
    if made.held_out is not None:
        lines.append((f"{what}, held-out", estimate_text(made.held_out)))
    lines.append(("random noise", estimate_text(made.noise)))
    lines += [*_depths(made), *_aims(made), *_several(made)]
    lines += [("images", line) for line in made.said]
    if made.perturbation.made["noise"]:
        lines.append(("note", "the rates are of images of noise, and say little of photographs"))
    return [f"{label:<{LABEL}} {text}" for label, text in lines]


def _depths(made: "Universal") -> Iterator[tuple[str, str]]:
    """What became of depths."""
    if made.farther is None:
        return
    for label, error in (("depth error", made.depth_error), ("error by noise", made.depth_error_by_noise)):
        yield label, "not known, as no pixel has a depth" if error is None else estimate_text(error)
    yield "too far", estimate_text(made.farther)


def _aims(made: "Universal") -> Iterator[tuple[str, str]]:
    """What a search with a target or with classes came to."""
    if made.target is not None:
        reached = "no image that was looked at is of another class"
        yield f"taken for {made.target}", reached if made.reached is None else estimate_text(made.reached)
    if made.only:
        for name, rate in (("of them", made.fooled_of), ("of others", made.fooled_beside)):
            yield f"fooled {name}", "no such image was looked at" if rate is None else estimate_text(rate)


def _several(made: "Universal") -> Iterator[tuple[str, str]]:
    """What several perturbations, or several seeds, came to."""
    for count, rate in enumerate(made.by_count, 1):
        if count <= COUNTS or count == len(made.by_count):
            yield f"of {count} tried", estimate_text(rate)
    if made.by_choice is not None:
        yield "one chosen", estimate_text(made.by_choice)
    if made.seeds:
        rates = [one.rate for one in made.seeds]
        what = "" if not made.only else ", of these less of others"
        kept = f"{middle_of(len(rates))} {rates[0]:.1%} (seed {made.seeds[0].seed})"
        yield f"of {len(rates)} seeds", f"{kept}, {min(rates):.1%} to {max(rates):.1%}{what}"
