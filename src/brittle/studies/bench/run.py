"""`run_study`: compute what is not there yet, keep every cell, and write the table."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from brittle.arguments import Device, Seed, checked
from brittle.engine.done import get_done
from brittle.engine.engine import Engine, Part
from brittle.engine.lease import LEASES
from brittle.engine.shard import ShardEngine, engine_of
from brittle.errors import RunError
from brittle.limits import current
from brittle.metrics import Estimate
from brittle.plugins.own_code import telling_of_own_code
from brittle.registry import STUDIES
from brittle.runs.kinds import CELLS, STUDY
from brittle.runs.lock import folder_joined
from brittle.runs.place import check_folder, files_named
from brittle.studies.bench.cell_part import CellPart, surroundings
from brittle.studies.bench.cells import apart, seconds_of
from brittle.studies.bench.comparison import published_beside
from brittle.studies.bench.kept import keep_study
from brittle.studies.bench.own_study import check_study, folder_given
from brittle.studies.bench.parts import parts_of
from brittle.studies.bench.recipe import StudyRecipe
from brittle.studies.bench.result import Entry, ResultRow, StudyResult
from brittle.studies.bench.stated import begun, ended
from brittle.studies.bench.study import (
    SCALES,
    Measured,
    NotGiven,
    OnProgress,
    Setting,
    Study,
    scale_of,
    tell_nobody,
)
from brittle.studies.bench.tables import write_tables
from brittle.words import plural, time_in_words

NETWORKS = "networks"
"""Beside the studies' folders, the folder of the networks that they train; several studies ask for the same ones."""
ASKED_SECONDS = 2.0
"""A kept cell that took no longer is computed once more before kept ones are used."""


@checked
@telling_of_own_code()
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
    engine: Engine | None = None,
    shard: str | tuple[int, int] | None = None,
) -> StudyResult:
    """Reproduce a published table beside the published figures.

    Every finished piece of work is kept in OUT/NAME/cells; killed at any moment and called again, the study goes on,
    and what has not changed is not computed again; several processes that are called at once share the cells. The
    table is written to OUT/NAME/table.md and table.parquet, and with its figures to study.json, of which the page is
    made. Networks that are trained are kept in OUT/networks, where every study finds them. Rows that need data or
    weights that are not given are counted below the table; table.parquet and study.json have them all.

    Args:
        name: of a study, see `STUDIES`, or `FILE.py:NAME`; or a study.
        out: folder for all studies.
        data: folder with images (`mnist/test.parquet`, ...); cells that miss a file say so, and the others go on.
        models: folder with networks.
        scale: "small", "full" or "paper", see `SCALES`.
        device: where to run, such as "cpu" or "cuda:0".
        seed: of first weights and random draws.
        watch: who is told of the progress.
        engine: what gets the cells done, such as `ProcessEngine()`; by default this process, one after the other.
        shard: compute a share of the cells alone, such as ``"2/4"`` or ``(2, 4)``, the second of four. Nothing but
            cells is written then, unless all are there.

    Returns:
        The table; where a shard leaves cells to others, `StudyResult.left` says how many.

    Raises:
        InputError: no such study, scale, or folder of images or networks; or a study of one's own is refused.
        RunError: the folder cannot be written, holds something else, or another command writes to it.
    """
    study = STUDIES.find(name) if isinstance(name, str) else name
    size = scale_of(scale)
    check_study(study)
    about = {"device": device, "seed": seed, "scale": scale}
    folder = Path(out) / study.name
    check_folder(folder, STUDY, files_named(data, models))
    given = folder_given(data, "--data"), folder_given(models, "--models")
    setting = Setting(*given, size, device, seed, folder, trained=Path(out) / NETWORKS)
    recipe = StudyRecipe(name, setting, about, Path.cwd(), current())
    work = _Work(study, folder, watch or tell_nobody, engine_of(engine, shard), about, recipe)
    with folder_joined(work.folder):
        (work.folder / CELLS).mkdir(exist_ok=True)
        manifest = begun(study.name, name if isinstance(name, str) else study.name, setting)
        work.go(replace(setting, tell=work.tell))
        result = work.result(SCALES[size], {"seed": str(seed), "device": device, **surroundings()})
        if not result.left:
            write_tables(result)
            keep_study(result)
            ended(work.folder, manifest)
    asked = f", none computed once more (each took over {ASKED_SECONDS:g} s)" if work.reused else ""
    asked = ", one of them computed once more and the same" if work.asked else asked
    kept = f"{work.reused} kept from before{asked}"
    took = f"; all of them took {time_in_words(result.seconds)}"
    work.tell(f"{study.name}: {work.computed} computed, {kept}, {work.missing} not possible{took}")
    return result


@dataclass
class _Work:
    """A study under way."""

    study: Study
    folder: Path
    watch: OnProgress
    engine: Engine
    about: Mapping[str, object]
    recipe: StudyRecipe
    found: list[CellPart] = field(default_factory=list[CellPart])
    reused: int = 0
    asked: bool = False
    done: int = 0
    left: int = 0

    @property
    def computed(self) -> int:
        """Number of cells that this call computed."""
        return len(self.found) - self.reused - self.missing - self.left

    @property
    def missing(self) -> int:
        """Number of cells that cannot be computed here."""
        return sum(part.error is not None for part in self.found)

    def tell(self, line: str, fraction: float | None = None) -> None:
        """Pass a line on, with the fraction of the cells that are done."""
        self.watch(line, self.done / max(len(self.found), 1))

    def advance(self, part: CellPart) -> None:
        """Count a cell as done, and say why it cannot be computed, once for each row."""
        remark = (part.cell.row, str(part.error))
        if part.error is not None and remark not in self._remarks:
            self._remarks.add(remark)
            self.tell(f"{part.cell.row}: {part.error}")
        self.done += 1

    def go(self, setting: Setting) -> None:
        """Say how much there is to do, and get every cell done that is not kept."""
        self.found, scale = parts_of(self.study, setting, self), setting.scale
        minutes = self.study.minutes.get(scale)
        whole = f", about {time_in_words(60 * minutes)} on two cores where none is kept" if minutes else ""
        self.tell(f"{self.study.name}: {plural(len(self.found), 'piece')} of work, scale {scale}{whole}")
        for part in self.found:
            if part.error is not None:
                self.advance(part)
            elif part.done():
                self._ask_again(part)
                self._reuse(part)
        missing = [part for part in self.found if not part.done()]
        left = get_done(self.engine, missing, self.folder / LEASES, self._reuse)
        if left and isinstance(self.engine, ShardEngine):
            self.left, possible = len(left), [part for part in self.found if part.error is None]
            self.tell(f"{self.study.name}: {self.engine.said(possible, left)}")

    def _reuse(self, part: Part) -> None:
        self.reused, self.done = self.reused + 1, self.done + 1

    @cached_property
    def _remarks(self) -> set[tuple[str, str]]:
        return set()

    def _ask_again(self, part: CellPart) -> None:
        """Compute one short cell anew before the first kept one is used, and compare."""
        if self.asked or part.measured is None or seconds_of(part.path) > ASKED_SECONDS:
            return
        self.asked = True
        timed = {column.key for column in self.study.columns if column.unit == "seconds"}
        before = Measured({name: one for name, one in part.measured.values.items() if name not in timed})
        off = apart(before, part.cell.compute())
        if off:
            raise RunError(
                f"{part.path} holds what this study does not give now: {off}; something changed that no digest sees; "
                f"remove {part.path.parent} or name another folder to begin anew"
            )

    def result(self, scale: str, facts: Mapping[str, str]) -> StudyResult:
        """Lay the cells out as the study's table."""
        values: dict[tuple[str, str], Estimate | str] = {}
        notes: dict[tuple[str, str], str] = {}
        remarks: dict[str, list[str]] = {row.key: [row.note] for row in self.study.rows}
        for part in self.found:
            cell, measured = part.cell, part.measured or Measured()
            values |= {(cell.row, column): value for column, value in measured.values.items()}
            notes |= {(cell.row, column): note for column, note in measured.notes.items()}
            remarks[cell.row].append(measured.remark)
        entries = {
            (row.key, column.key): Entry(
                values.get((row.key, column.key)),
                published_beside(self.study, row, column),
                notes.get((row.key, column.key), ""),
            )
            for row in self.study.rows
            for column in self.study.columns
        }
        failed = {part.cell.row for part in self.found if part.error and not isinstance(part.error, NotGiven)}
        here = failed | {row for row, _ in values}
        rows = tuple(
            ResultRow(row.key, tuple(dict.fromkeys(filter(None, remarks[row.key]))), row.key in here, row.stands_for)
            for row in self.study.rows
        )
        figures = tuple(figure for part in self.found if part.measured for figure in part.measured.figures)
        seconds = sum(seconds_of(part.path) for part in self.found if part.path.is_file())
        counts = (self.computed, self.reused, self.missing)
        return StudyResult(self.study, self.folder, scale, rows, entries, figures, *counts, facts, seconds, self.left)
