"""What a universal perturbation does, measured, kept in files that belong together, and read from them again."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from brittle.base.bounds import Bounds
from brittle.base.seeds import Streams
from brittle.errors import RunError
from brittle.evaluation.subject import OpenedSubject
from brittle.evaluation.universal_rows import outcome, write_outcomes
from brittle.evaluation.universal_split import Split
from brittle.metrics import Estimate
from brittle.runs.kinds import rows_of
from brittle.runs.place import beside
from brittle.universal.perturbation import Perturbation

ROWS = ".rows.parquet"
"""Ending of the file of rows beside a perturbation."""


@dataclass(frozen=True)
class Universal:
    """A universal perturbation with what it does.

    Attributes:
        path: the safetensors file.
        rows: a Parquet file with a row for every image: its class with and without the perturbation.
        perturbation: what the file holds.
        seen, unseen: fooling rates on the images that it was made from and on those kept aside; None without such.
        noise: the fooling rate of uniform noise of the same norm on the unseen images (on X where there are none).
    """

    path: Path
    rows: Path
    perturbation: Perturbation
    seen: Estimate
    unseen: Estimate | None
    noise: Estimate

    @property
    def said(self) -> list[str]:
        """What was done to the images on their way to the network, in sentences."""
        return [*cast("Sequence[str]", self.perturbation.made.get("said", ()))]

    def plain(self) -> dict[str, object]:
        """Return all figures as JSON can hold them."""
        unseen = None if self.unseen is None else asdict(self.unseen)
        return {
            "perturbation": str(self.path),
            "rows": str(self.rows),
            "size": self.perturbation.size,
            "fooling": {"seen": asdict(self.seen), "unseen": unseen, "noise": asdict(self.noise)},
            "made": dict(self.perturbation.made),
        }


def finished(path: Path, identity: str) -> Universal | None:
    """Read what the same call has made before.

    Args:
        path: of the perturbation.
        identity: of the call, as in `made`.

    Returns:
        The result, or None where it is not there, not whole, or of another call.
    """
    rows = beside(path, ROWS)
    try:
        found = Perturbation.load(path)
        rates = {kind: Estimate(**rate) for kind, rate in cast("dict[str, Any]", found.made["fooling"]).items()}
        if found.made["identity"] != identity or rows_of(rows) != found.id:
            return None
        return Universal(path, rows, found, rates["seen"], rates.get("unseen"), rates["noise"])
    except (RunError, KeyError, TypeError, AttributeError):
        return None


def random_like(perturbation: Perturbation, seed: int) -> Tensor:
    """Return random noise of the same norm: uniform in the box for linf, of that very length for l2; (c, h, w)."""
    threat, first = perturbation.threat, torch.zeros(1, dtype=torch.int64)
    nothing = torch.zeros((1, *perturbation.tensor.shape))
    drawn = threat.draw(nothing, Streams(seed, first), first, Bounds())[0]
    return drawn if threat.name == "linf" else drawn * (float(threat.radius) / drawn.norm())


def judged(
    path: Path, found: Perturbation, split: Split, seed: int, subject: OpenedSubject, looking: Callable[[float], None]
) -> Universal:
    """Show the perturbation to all images once more, and write both files."""
    noise = random_like(found, seed)
    groups = split.groups
    done, total = 0, sum(len(images) for _, images, _, _ in groups)

    def looked(count: int) -> None:
        nonlocal done
        done += count
        looking(done / total)

    outcomes = [outcome(*group, found.tensor, noise, looked) for group in groups]
    rates = {table.kind: table.fooled("class_perturbed") for table in outcomes}
    random = outcomes[-1].fooled("class_noise")
    shown = {"seen": asdict(rates["seen"]), "noise": asdict(random)}
    if "unseen" in rates:
        shown["unseen"] = asdict(rates["unseen"])
    result = replace(found, made={**found.made, "fooling": shown})
    rows = beside(path, ROWS)
    write_outcomes(rows, outcomes, tuple(subject.network.classes or subject.source.classes), result.id)
    result.save(path)
    return Universal(path, rows, result, rates["seen"], rates.get("unseen"), random)
