"""A study's table as it came out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from brittle.metrics import Estimate
from brittle.studies.bench.drawing import Drawing
from brittle.studies.bench.published import Figure
from brittle.studies.bench.study import Column, Study


@dataclass(frozen=True)
class Entry:
    """One place of the table.

    Attributes:
        measured: an estimate; text where there is no number ("never reached"); None where nothing was measured.
        published: the paper's figure; None where there is none.
        note: what a reader of the figure must know, "" for nothing.
    """

    measured: Estimate | str | None
    published: Figure
    note: str = ""


@dataclass(frozen=True)
class ResultRow:
    """A row as it came out.

    Attributes:
        key: its name.
        notes: everything to be said of it.
        here: whether it can be measured here: a figure was measured, or failed otherwise than for want of data or
            weights. Tables show these rows alone.
        stands_for: the paper's row whose published figures stand beside it; "" for that of its own name.
    """

    key: str
    notes: tuple[str, ...]
    here: bool = True
    stands_for: str = ""

    @property
    def title(self) -> str:
        """Its name, and what it stands for where the name does not say it."""
        named = self.stands_for and not self.key.startswith(self.stands_for)
        return f"{self.key}, beside {self.stands_for}" if named else self.key


@dataclass(frozen=True)
class StudyResult:
    """A study's table, measured beside published.

    Attributes:
        study: what was asked.
        folder: where it lies; `table.md`, `table.parquet` and the folder `cells` are in it.
        scale: in words.
        rows: in order, with their notes.
        entries: by keys of row and column.
        figures: what the cells gave to be shown, in their order.
        computed: pieces of work done now; `reused` were there from an earlier run, `missing` could not be done.
        facts: seed, device, machine and versions, by name.
        seconds: that all pieces of work took, kept ones included; NaN where that is not known.
        left: pieces of work that a shard leaves to others; the table is not written before there are none.
    """

    study: Study
    folder: Path
    scale: str
    rows: tuple[ResultRow, ...]
    entries: Mapping[tuple[str, str], Entry]
    figures: tuple[Drawing, ...]
    computed: int
    reused: int
    missing: int
    facts: Mapping[str, str]
    seconds: float = math.nan
    left: int = 0

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """The study's columns."""
        return self.study.columns

    def entry(self, row: str, column: str) -> Entry:
        """Return one place of the table by keys of row and column."""
        return self.entries[row, column]
