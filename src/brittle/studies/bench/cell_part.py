"""A cell of a study as a part of its work: computed here or by a worker, and kept in a file of its own."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from brittle.engine.portable import Recipe
from brittle.errors import BrittleError, RunError
from brittle.files import write_atomically
from brittle.runs.surroundings import machine, now, versions_of
from brittle.studies.bench.cells import load_cell, save_cell, why_anew
from brittle.studies.bench.own_study import checked_measured
from brittle.studies.bench.study import Cell, Measured, threads


class Told(Protocol):
    """Who wants to know what is computed, and what stands in every cell of a study."""

    @property
    def about(self) -> Mapping[str, object]:
        """What is kept with each cell for its reader, such as the scale."""
        ...

    @property
    def recipe(self) -> Recipe:
        """From what a worker makes the same cells."""
        ...

    def tell(self, line: str) -> None:
        """Learn in one line what is being done."""
        ...

    def advance(self, part: "CellPart") -> None:
        """Learn that a cell is done, or cannot be computed here."""
        ...


@dataclass(frozen=True)
class SentCell:
    """What a worker returns of a `CellPart`.

    Attributes:
        content: of the cell's file; None where the worker wrote it itself, or has none.
        error: why the cell cannot be computed there.
    """

    content: bytes | None
    error: BrittleError | None


@dataclass(eq=False)
class CellPart:
    """A cell of a study, kept in a file of its own; one that cannot be computed here is a remark in its place.

    Attributes:
        told: whoever wants to know.
        cell: what it computes.
        key: of everything that determines it.
        path: of its file.
        turn: see `Part`: its place among the cells.
        measured: what it gave, once that is known.
        error: why it cannot be computed here.
    """

    told: Told
    cell: Cell
    key: str
    path: Path
    turn: int
    measured: Measured | None = None
    error: BrittleError | None = None

    @property
    def name(self) -> str:
        """That of its file."""
        return self.path.stem

    @property
    def recipe(self) -> Recipe:
        """From what a worker makes the same cells."""
        return self.told.recipe

    def done(self) -> bool:
        """Whether its figures lie there, or cannot be had here."""
        self.measured = self.measured or load_cell(self.path, self.key)
        return self.measured is not None

    def do(self) -> None:
        """Compute the cell, and keep what it gave."""
        reason = why_anew(self.path, self.cell)
        self.told.tell(f"{self.cell.row}: {self.cell.column}" + (f", computed anew: {reason}" if reason else ""))
        try:
            self.measured = self._computed()
        except RunError:
            raise
        except BrittleError as error:
            self._lacks(error)
        self.told.advance(self)

    def take(self, result: SentCell) -> None:
        """Keep what a worker computed."""
        if result.error is not None:
            self._lacks(result.error)
        elif result.content is not None:
            write_atomically(self.path, result.content)
        if not self.done():
            raise RunError(f"a worker computed {self.name}, and {self.path} does not hold it; run the same again")
        self.told.advance(self)
        self.told.tell(f"{self.cell.row}: {self.cell.column}, done by a worker")

    def passed(self, points: int) -> None:
        """Do nothing: nobody counts the points of a cell."""

    def _lacks(self, error: BrittleError) -> None:
        self.measured, self.error = Measured(remark=str(error)), error

    def _computed(self) -> Measured:
        began = time.perf_counter()
        measured = checked_measured(self.cell, self.cell.compute())
        when = now()
        seconds = round(time.perf_counter() - began, 3)
        about = {**self.told.about, "finished": when, "seconds": seconds, **surroundings()}
        save_cell(self.path, self.key, self.cell, measured, about)
        return measured


def surroundings() -> dict[str, str]:
    """Return the machine and the versions, in words."""
    return {"machine": f"{machine()}, {threads()}", **versions_of(("brittle", "torch", "python"))}
