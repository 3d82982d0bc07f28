"""What a run comes to, line by line: a neutral list that JUnit, SARIF and other files for machines are made from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath
from typing import Literal

from brittle.metrics import Estimate

Verdict = Literal["passed", "warned", "failed", "skipped", "error"]
"""How a line ends: a question that could not be asked is skipped, one that ended by an accident is an error."""
Figure = str | int | float | Estimate | None
GATE = "gate"
"""The group of lines that decide how the command ends."""
NOWHERE = Path("/dev/null")
"""No path lies below it, so that the same folder has the same page from wherever it is written."""


@dataclass(frozen=True)
class Line:
    """One question and its answer.

    Attributes:
        group: of questions of one kind, such as "gate", "health" or "attack".
        name: short, and the only one of its group.
        title: what is asked, in a few words.
        verdict: how it ends.
        text: what was seen, with numbers.
        rule: what must hold.
        remedy: what to do where it does not hold.
        source: where the rule is published.
        figures: numbers by name.
    """

    group: str
    name: str
    title: str
    verdict: Verdict
    text: str = ""
    rule: str = ""
    remedy: str = ""
    source: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict[str, Figure])


@dataclass(frozen=True)
class Verdicts:
    """All lines of one run.

    Attributes:
        name: of the command, such as "audit".
        target: the network, as the user wrote it.
        network: the same with its weights and what stands around it, which tells it from others; by default `target`.
        lines: in the order in which they are shown.
        figures: of the whole run, by name.
        identity: of the run.
        command: word by word.
        exit_code: with which the command ends.
        created, finished: ISO 8601 in UTC; None where it is not known.
        folder: by what files know the run folder; "" where they need not.
    """

    name: str
    target: str
    lines: Sequence[Line]
    figures: Mapping[str, Figure]
    identity: str = ""
    command: Sequence[str] = ()
    exit_code: int = 0
    created: str | None = None
    finished: str | None = None
    network: str = ""
    folder: str = ""

    @property
    def called(self) -> str:
        """The network, so that it is told from others."""
        return self.network or self.target

    @property
    def seconds(self) -> float:
        """From start to end, pauses included; 0 where that is not known."""
        if self.created is None or self.finished is None:
            return 0.0
        took = datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.created)
        return took.total_seconds()


def flat(figures: Mapping[str, Figure]) -> dict[str, str | int | float]:
    """Return figures each with a name of its own: an estimate as four of them, and what is absent left out.

    Example:
        >>> flat({"robust_accuracy": Estimate(0.5, 0.2, 0.8, 6), "eps": 0.1, "budget": None})
        {'robust_accuracy': 0.5, 'robust_accuracy_low': 0.2, 'robust_accuracy_high': 0.8, 'robust_accuracy_n': 6, 'eps': 0.1}
    """  # noqa: E501  # what an example prints is one line
    found: dict[str, str | int | float] = {}
    for name, figure in figures.items():
        if isinstance(figure, Estimate):
            found[name] = figure.value
            found |= {f"{name}_low": figure.low, f"{name}_high": figure.high} if figure.has_interval else {}
            found[f"{name}_n"] = figure.n
        elif figure is not None:
            found[name] = figure
    return found


def portable(word: str, base: Path | None = None) -> str:
    """Return a word of a command line, or a specification, without absolute paths, which mean nothing elsewhere.

    Args:
        word: such as ``/home/me/net.py:make`` or ``--out=/tmp/run``.
        base: what paths are told from, by default the working directory; of one outside, the name is left.

    Example:
        >>> portable("/home/me/project/nets/net.py:make", Path("/home/me/project")), portable("--out=/tmp/run")
        ('nets/net.py:make', '--out=run')
    """
    base = Path.cwd() if base is None else base
    return "".join(_portable(piece, base) for piece in re.split("([=,;])", word))


def placeless(text: str) -> str:
    """What a user wrote, without the folders of absolute paths: a page is shown to others.

    Example:
        >>> placeless("/home/me/net.py:make"), placeless("nets/net.py:make"), placeless("timm:resnet18")
        ('net.py:make', 'nets/net.py:make', 'timm:resnet18')
    """
    return portable(text, NOWHERE)


def _portable(piece: str, base: Path) -> str:
    path = PurePath(piece)
    if not path.is_absolute():
        return piece
    return str(path.relative_to(base)) if path.is_relative_to(base) and path != PurePath(base) else path.name
