"""`run_study`: compute what is not there yet, keep every cell, and write the table."""

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch

from brittle.arguments import Device, Seed, checked
from brittle.errors import BrittleError, InputError, RunError
from brittle.files import path_of
from brittle.metrics import Estimate
from brittle.registry import STUDIES
from brittle.runs.kinds import CELLS, STUDY
from brittle.runs.lock import folder_held
from brittle.runs.place import check_folder, files_named
from brittle.studies.bench.cells import apart, cell_path, key_of, load_cell, save_cell, seconds_of, why_anew
from brittle.studies.bench.kept import keep_study
from brittle.studies.bench.study import (
    SCALES,
    Cell,
    Entry,
    Measured,
    NotGiven,
    OnProgress,
    ResultRow,
    Setting,
    Study,
    StudyResult,
    tell_nobody,
    threads,
)
from brittle.studies.bench.tables import write_tables
from brittle.version import __version__

NETWORKS = "networks"
"""Beside the studies' folders, the folder of the networks that they train; several studies ask for the same ones."""
ASKED_SECONDS = 2.0
"""A kept cell that took no longer is computed once more before kept ones are used."""


@checked
def run_study(  # noqa: PLR0913  # one parameter for each option of the command `study`
    name: str | Study,
    out: Path | str,
    *,
    data: Path | str | None = None,
    models: Path | str | None = None,
    scale: str = "small",
    device: Device = "cpu",
    seed: Seed = 0,
    watch: OnProgress | None = None,
) -> StudyResult:
    """Reproduce a published table beside the published figures.

    Every finished piece of work is kept in OUT/NAME/cells; killed at any moment and called again, the study goes on,
    and what has not changed is not computed again. The table is written to OUT/NAME/table.md and
    table.parquet, and with its figures to study.json, of which the page is made. Networks that are trained are kept in
    OUT/networks, where every study finds them. Rows that need data or weights that are not given are counted below the
    table; table.parquet and study.json have them all.

    Args:
        name: of a study, see `STUDIES`, or `FILE.py:NAME`; or a study.
        out: folder for all studies.
        data: folder with images (`mnist/test.parquet`, ...); cells that miss a file say so, and the others go on.
        models: folder with networks.
        scale: "small" or "paper", see `SCALES`.
        device: where to run, such as "cpu" or "cuda:0".
        seed: of first weights and random draws.
        watch: who is told of the progress.

    Returns:
        The table.

    Raises:
        InputError: no such study or scale.
        RunError: the folder cannot be written, holds something else, or another process writes to it.
    """
    study = STUDIES.find(name) if isinstance(name, str) else name
    if scale not in SCALES:
        raise InputError(f"the scale is {scale!r}; expected {' or '.join(SCALES)}")
    work = _Work(study, Path(out) / study.name, watch or tell_nobody)
    check_folder(work.folder, STUDY, files_named(data, models))
    setting = Setting(
        None if data is None else path_of(data),
        None if models is None else path_of(models),
        "paper" if scale == "paper" else "small",
        device,
        seed,
        work.folder,
        work.tell,
        Path(out) / NETWORKS,
    )
    with folder_held(work.folder):
        (work.folder / CELLS).mkdir(exist_ok=True)
        work.go(study.cells(setting), {"device": device, "seed": seed, "scale": scale})
        result = work.result(SCALES[scale], {"seed": str(seed), "device": device, **_surroundings()})
        write_tables(result)
        keep_study(result)
    asked = f", none computed once more (each took over {ASKED_SECONDS:g} s)" if work.reused else ""
    asked = ", one of them computed once more and the same" if work.asked else asked
    kept = f"{work.reused} kept from before{asked}"
    work.tell(f"{study.name}: {work.computed} computed, {kept}, {work.missing} not possible")
    return result


@dataclass
class _Work:
    """A study under way."""

    study: Study
    folder: Path
    watch: OnProgress
    found: list[tuple[Cell, Measured]] = field(default_factory=list[tuple[Cell, Measured]])
    computed: int = 0
    reused: int = 0
    missing: int = 0
    failed: set[str] = field(default_factory=set[str])
    fraction: float = 0.0
    asked: bool = False

    def tell(self, line: str, fraction: float | None = None) -> None:
        """Pass a line on, with the fraction of the cells that are done."""
        self.watch(line, self.fraction)

    def go(self, cells: Sequence[Cell], about: Mapping[str, object]) -> None:
        """Do every cell that is not kept."""
        for number, cell in enumerate(cells):
            self.fraction = number / len(cells)
            try:
                measured = self._cell(cell, about)
            except RunError:
                raise
            except BrittleError as error:
                self.missing += 1
                self.failed |= set() if isinstance(error, NotGiven) else {cell.row}
                measured = Measured(remark=str(error))
                if (cell.row, measured.remark) not in [(one.row, known.remark) for one, known in self.found]:
                    self.tell(f"{cell.row}: {error}")
            self.found.append((cell, measured))
        self.fraction = 1.0

    def _cell(self, cell: Cell, about: Mapping[str, object]) -> Measured:
        key = key_of(self.study.name, cell)
        path = cell_path(self.folder, cell, key)
        kept = load_cell(path, key)
        if kept is not None:
            self._ask_again(cell, path, kept)
            self.reused += 1
            return kept
        reason = why_anew(path, cell)
        self.tell(f"{cell.row}: {cell.column}" + (f", computed anew: {reason}" if reason else ""))
        began = time.perf_counter()
        measured = cell.compute()
        when = datetime.now(UTC).isoformat(timespec="seconds")
        seconds = round(time.perf_counter() - began, 3)
        save_cell(path, key, cell, measured, {**about, "finished": when, "seconds": seconds, **_surroundings()})
        self.computed += 1
        return measured

    def _ask_again(self, cell: Cell, path: Path, kept: Measured) -> None:
        """Compute one short cell anew before the first kept one is used, and compare."""
        if self.asked or seconds_of(path) > ASKED_SECONDS:
            return
        self.asked = True
        timed = {column.key for column in self.study.columns if column.unit == "seconds"}
        before = Measured({name: one for name, one in kept.values.items() if name not in timed})
        off = apart(before, cell.compute())
        if off:
            raise RunError(
                f"{path} holds what this study does not give now: {off}; something changed that no digest sees; remove "
                f"{path.parent} or name another folder to begin anew"
            )

    def result(self, scale: str, facts: Mapping[str, str]) -> StudyResult:
        """Lay the cells out as the study's table."""
        values: dict[tuple[str, str], Estimate | str] = {}
        notes: dict[tuple[str, str], str] = {}
        remarks: dict[str, list[str]] = {row.key: [row.note] for row in self.study.rows}
        for cell, measured in self.found:
            values |= {(cell.row, column): value for column, value in measured.values.items()}
            notes |= {(cell.row, column): note for column, note in measured.notes.items()}
            remarks[cell.row].append(measured.remark)
        entries = {
            (row.key, column.key): Entry(
                values.get((row.key, column.key)),
                self.study.published(row.key, column.key),
                notes.get((row.key, column.key), ""),
            )
            for row in self.study.rows
            for column in self.study.columns
        }
        here = self.failed | {row for row, _ in values}
        rows = tuple(
            ResultRow(row.key, tuple(dict.fromkeys(note for note in remarks[row.key] if note)), row.key in here)
            for row in self.study.rows
        )
        figures = tuple(figure for _, measured in self.found for figure in measured.figures)
        return StudyResult(
            self.study, self.folder, scale, rows, entries, figures, self.computed, self.reused, self.missing, facts
        )


def _surroundings() -> dict[str, str]:
    """The machine and the versions, in words."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {threads()}",
        "brittle": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
