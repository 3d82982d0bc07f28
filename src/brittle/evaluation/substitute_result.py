"""What the teaching of a substitute gave, kept in a folder, and read from it again."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from brittle.evaluation.substitute_transfer import Transferred
from brittle.files import write_atomically
from brittle.metrics import Estimate
from brittle.names import stored_within
from brittle.reading import read_json
from brittle.runs.kinds import SUBSTITUTE_FILE, WEIGHTS_FILE
from brittle.runs.results import SubstituteFolder


@dataclass(frozen=True)
class Round:
    """What one round gave.

    Attributes:
        number: 1 for the first, rho + 1.
        images: labelled so far, all of which it was trained on.
        queries: paid for labels so far, those of test images aside.
        loss: mean cross-entropy of the last epoch, nats.
        agreement: fraction of the test images that the substitute labels as the oracle does.
        accuracy: fraction of them that it has right.
        transfer: of the first test images, those that the oracle has right, the fraction that it has wrong once the
            first attack has changed them on the substitute; None where that is not looked at after each round.
        seconds: time taken since the work went on or the last round ended; not part of equality.
    """

    number: int
    images: int
    queries: int
    loss: float
    agreement: Estimate
    accuracy: Estimate
    transfer: Estimate | None
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class Substitute:
    """A substitute and what it was taught.

    Attributes:
        folder: that holds all of it.
        path: the weights, a safetensors file in it.
        course: the file of all rounds and attacks, JSON, in it.
        oracle: what was asked, as it was written.
        rounds: one record each.
        transfers: one record for each attack and radius.
        oracle_accuracy: fraction of the test images that the oracle has right.
        queries: distinct images that the oracle was asked about, by what for: training, agreement, rounds, transfer.
        budget: most of them; None for no end.
        said: what was done to the images, in sentences.
    """

    folder: Path
    path: Path
    course: Path
    oracle: str
    rounds: tuple[Round, ...]
    transfers: tuple[Transferred, ...]
    oracle_accuracy: Estimate
    queries: Mapping[str, int]
    budget: int | None
    said: tuple[str, ...] = ()

    @property
    def spent(self) -> int:
        """All queries."""
        return sum(self.queries.values())

    def lines(self, percent: Callable[[Estimate], str]) -> list[tuple[str, str]]:
        """Return what is to be told, each with what it is about; rates written as the caller writes them."""
        most = "without a budget" if self.budget is None else f"of a budget of {self.budget:,}"
        costs = ", ".join(f"{count:,} {purpose}" for purpose, count in self.queries.items())
        return [
            ("weights", str(self.path)),
            ("oracle right", percent(self.oracle_accuracy)),
            ("agreement", f"{percent(self.rounds[-1].agreement)}, substitute and oracle"),
            *(("transfers", f"{percent(one.rate)}  {one.named}") for one in self.transfers),
            ("queries", f"{self.spent:,} {most}: {costs}"),
            *(("images", line) for line in self.said),
        ]

    def plain(self) -> dict[str, Any]:
        """Return all figures and the names of the files, as JSON can hold them."""
        found = {"folder": str(self.folder), "weights": str(self.path), "spent": self.spent, **asdict(self)}
        return {name: one for name, one in found.items() if name not in ("path", "course")} | {
            "course": str(self.course)
        }


def write_course(folder: SubstituteFolder, story: Mapping[str, Any]) -> None:
    """Write what every round and attack gave.

    Raises:
        RunError: it cannot be written.
    """
    write_atomically(folder.path / SUBSTITUTE_FILE, json.dumps(stored_within(story), indent=1).encode())


def read_substitute(folder: SubstituteFolder) -> Substitute:
    """Read what a folder holds.

    Raises:
        RunError: it is not finished, or not whole any more.
    """
    path, course = (folder.file(name) for name in (WEIGHTS_FILE, SUBSTITUTE_FILE))
    story: Any = read_json(course)
    return Substitute(
        *(folder.path, path, course, story["oracle"]),
        rounds=tuple(round_of(one) for one in story["rounds"]),
        transfers=tuple(transfer_of(one) for one in story["transfers"]),
        oracle_accuracy=Estimate(**story["oracle_accuracy"]),
        queries=story["queries"],
        budget=story["budget"],
        said=tuple(story["data"].get("said", ())),
    )


def round_of(record: Mapping[str, Any]) -> Round:
    """Return a round from its record in JSON."""
    rates: dict[str, Any] = {name: Estimate(**record[name]) for name in ("agreement", "accuracy")}
    rates["transfer"] = None if record["transfer"] is None else Estimate(**record["transfer"])
    return Round(**{**record, **rates})


def transfer_of(record: Mapping[str, Any]) -> Transferred:
    """Return what an attack did from its record in JSON."""
    rates: dict[str, Any] = {name: Estimate(**record[name]) for name in ("fooled", "rate", "wrong")}
    return Transferred(**{**record, **rates})
