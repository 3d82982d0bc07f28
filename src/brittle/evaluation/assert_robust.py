"""`assert_robust`: an audit as an assertion, for tests of a network."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from brittle.arguments import UnknownKeyword, Within, fitted
from brittle.arguments.numbers import levels_text
from brittle.core.attack import Attack
from brittle.errors import InputError
from brittle.evaluation.audit import audit
from brittle.evaluation.gate import ExitCode, Gate
from brittle.metrics import Estimate
from brittle.runs.summary import Summary, summarise
from brittle.specs import DataLike, DataSpec, ModelLike, ModelSpec
from brittle.words import plural

FAST_ATTACKS = ("fgsm:loss=scaled", "fast-ensemble")
"""One step, and the verdict at the radius by attacks of four kinds, the cheapest first: no search for the smallest
change, whose size no assertion asks for."""
FEW_IMAGES = 100
"""Images by default: when all of them stand, the lower end of the interval is at 96 %."""


class NotRobust(AssertionError):
    """A network is not as robust as asserted, or how robust it is cannot be told.

    Attributes:
        reasons: what was found and what was expected, in lines.
        summary: the figures of the audit.
    """

    def __init__(self, reasons: str, where: str, summary: Summary):
        super().__init__(f"{reasons}\n{where}")
        self.reasons = reasons
        self.summary = summary


def assert_robust(
    model: ModelLike | ModelSpec,
    data: DataLike | DataSpec,
    out: Path | str | None = None,
    *,
    at_least: float = 0.5,
    attacks: str | Attack | Sequence[str | Attack] = FAST_ATTACKS,
    max_images: int | None = FEW_IMAGES,
    ignore_health: bool = False,
    **options: Any,
) -> Summary:
    """Audit a network, and raise an assertion error that says why where it is not as robust as it should be.

    What counts is the lower end of the robust accuracy's interval, so that no test is passed by luck with few images.
    Nor is it passed by a number that cannot be relied on: where a check of the evaluation failed that may make the
    robust accuracy too high, such as hidden gradients, the assertion fails as well.

    Args:
        model: as `audit` takes it: a module, a `Classifier`, a spec such as "net.py:make", ...
        data: likewise: images and labels, a data set or loader of torch, a spec such as "val.parquet", ...; or a
            `DataSpec`, which says itself how many images are used.
        out: the run folder, to look at afterwards; by default there is none.
        at_least: what the lower end of the robust accuracy's interval must reach, from 0 to 1.
        attacks: as `audit` takes them; by default those of `FAST_ATTACKS`. Of networks that give no gradients, say
            ``attacks=()`` for those that suit them.
        max_images: use only the first so many images; None for all.
        ignore_health: pass whatever the checks of the evaluation say.
        **options: further arguments of `audit`: `norm` (linf by default), `eps` (by default the radius most often
            reported for the norm, 8/255 for linf), `seed`, `device`, `thorough`, ...

    Returns:
        The figures of the audit, where the assertion holds.

    Raises:
        NotRobust: an `AssertionError`; the network is not as robust, or the evaluation cannot be relied on.
        BrittleError: invalid input, as of `audit`.

    Example:
        >>> assert_robust("digits-lenet", "digits", attacks=["apgd"], eps=0.001, at_least=0.8, max_images=40).robust.n
        40
    """
    __tracebackhide__ = True  # pytest shows the line of the test, and not this one
    at_least = fitted("at_least", at_least, Annotated[float, Within(0, 1)])
    if not isinstance(data, DataSpec):
        options["max_images"] = max_images
    if options.get("shard") is not None:
        raise InputError(
            "shard is given, and a share of an audit shows nothing; assert what `merge` or `audit` returns"
        )
    try:
        folder = audit(model, data, out, attacks=attacks, **options)
    except UnknownKeyword as unknown:
        raise unknown.beside("assert_robust", ("at_least", "ignore_health")) from None
    summary = summarise(folder)
    gate = Gate.of(summary, at_least, ignore_health=ignore_health)
    if gate.code is ExitCode.DONE:
        return summary
    where = 'for the page, keep the run with out="FOLDER", and `brittle report FOLDER`'
    where = where if out is None else f"`brittle report {folder.path}` writes the page"
    raise NotRobust("\n".join(_reasons(summary, gate)), where, summary)


def _reasons(summary: Summary, gate: Gate) -> list[str]:
    """Say in a line each what was found and expected, who broke most, and what failed."""
    radius = summary.radius
    size = "" if radius is None else f" {levels_text(radius, most=254) or f'{radius:g}'}"
    robust = f"robust accuracy {_rate(summary.robust)} at {summary.norm}{size}"
    lines = [f"{robust}; expected a lower end of at least {gate.least:.1%}"]
    if gate.code is ExitCode.UNRELIABLE:
        lines = [f"unreliable: {gate.reason.replace('--ignore-health', 'ignore_health=True')}", robust]
    broke = [(line.success, line.spec) for line in summary.attacks if line.success is not None]
    if broke:
        most, spec = max(broke, key=lambda one: one[0].value)
        lines.append(f"broken most by {spec}: {most.value:.1%} of {plural(most.n, 'image')} that were right before")
    return [*lines, f"clean accuracy {_rate(summary.clean)}"]


def _rate(estimate: Estimate) -> str:
    ends = f"95 % interval {estimate.low:.1%} to {estimate.high:.1%}, " if math.isfinite(estimate.low) else ""
    return f"{estimate.value:.1%} ({ends}n = {estimate.n})"
