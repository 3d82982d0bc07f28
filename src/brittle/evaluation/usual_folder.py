"""Where an audit lies whose user names no folder: one of its own for each question."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from brittle.addresses import is_address, last_name, plain_address
from brittle.arguments.numbers import levels_text
from brittle.names import plain_name, told_apart
from brittle.specs import DataSpec, Effort, ModelSpec, Question
from brittle.specs.asked import Asked

RUNS = Path("runs")
"""The folder of all runs."""
LONGEST = 100
"""Letters of a name; of a longer one the end gives way to a few that tell it from others."""
MARK = 8
"""Letters that tell names apart whose ends were cut."""
SILENT = {"device", "norm", "batch"}
"""Options that the name does not say: where an audit is run, and what stands in it anyway."""


def usual_folder(
    model: ModelSpec,
    data: DataSpec,
    question: Question,
    effort: Effort,
    attacks: Sequence[str] = (),
    task: str = "",
) -> Path:
    """Return ``runs/MODEL-DATA-NORM``, and after it what was asked otherwise than by default.

    Args:
        model: the network.
        data: the images.
        question: what is asked.
        effort: what is spent.
        attacks: as they were written.
        task: of a dense network; "" for one class per image.

    Example:
        >>> model, data = ModelSpec("nets/net.pt2"), DataSpec("digits", max_images=200)
        >>> usual_folder(model, data, Question(radius=8 / 255), Effort(), ["pgd:steps=40"]).name
        'net.pt2-digits-linf-pgd-steps-40-max-images-200-eps-8-255'
        >>> usual_folder(model, DataSpec("digits"), Question(), Effort()).name
        'net.pt2-digits-linf'
    """
    norm = question.threat or "linf"
    words = [
        *(Path(plain_address(str(one))).name for one in (model.spec, data.spec)),
        str(norm),
        *([task] if task else []),
        *attacks,
    ]
    for name, value in Asked(model, data, question, effort).stated().items():
        if name not in SILENT:
            words += [name.replace("_", "-")] if value is True else [name.replace("_", "-"), _text(value)]
    return RUNS / _name("-".join(map(plain_name, words)), words)


def usual_comparison(runs: Sequence[Path]) -> Path:
    """Return ``runs/A-then-B``, where a comparison of run folders lies whose user names no folder.

    Example:
        >>> usual_comparison([Path("runs/old"), Path("new")]).name
        'old-then-new'
    """
    paths = [run.resolve() for run in runs]
    return RUNS / _name("-then-".join(plain_name(one, LONGEST) for one in told_apart(paths)), [*map(str, paths)])


def _name(name: str, words: Sequence[str]) -> str:
    """Cut a long name, and tell it from others that begin alike."""
    if len(name) <= LONGEST:
        return name
    mark = hashlib.sha256("\0".join(words).encode(errors="surrogateescape")).hexdigest()[:MARK]
    return f"{plain_name(name, LONGEST - MARK - 1)}-{mark}"


def _text(value: object) -> str:
    if isinstance(value, float):
        return levels_text(value) or f"{value:g}"
    return value.name if isinstance(value, Path) else last_name(value) if is_address(value) else str(value)
