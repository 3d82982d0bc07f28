"""How a worker in another process makes the cells of a study, and computes some of them by their names."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from brittle.engine.portable import begin_at, own_device
from brittle.errors import RunError
from brittle.limits import Limits, use_limits
from brittle.registry import STUDIES
from brittle.runs.kinds import CELLS
from brittle.studies.bench.cell_part import CellPart, SentCell
from brittle.studies.bench.parts import parts_of
from brittle.studies.bench.study import Setting, Study


@dataclass(frozen=True)
class StudyRecipe:
    """What a study was called with, for workers that make the same cells by themselves.

    Attributes:
        study: by its name, or as a value.
        setting: without whom to tell.
        about: what is kept with each cell for its reader.
        start: the folder from which relative names of files count.
        limits: what files may take.
    """

    study: str | Study
    setting: Setting
    about: Mapping[str, object]
    start: Path
    limits: Limits

    @property
    def device(self) -> str:
        """Where the cells are computed."""
        return self.setting.device

    def carried(self) -> Mapping[str, object]:
        """Return the study, where it is no name."""
        return {} if isinstance(self.study, str) else {"the study": self.study}

    def open(self, mark: Path) -> "StudyBench":
        """Make the cells.

        Raises:
            BrittleError: the study, or the folders of images or networks, cannot be opened.
        """
        seen = mark.exists()
        begin_at(self.start)
        away = None if seen else tempfile.TemporaryDirectory(prefix="brittle-")
        setting = replace(self.setting, device=own_device(self.setting.device))
        if away is not None:
            setting = replace(setting, folder=Path(away.name), trained=None)
            (setting.folder / CELLS).mkdir()
        study = STUDIES.find(self.study) if isinstance(self.study, str) else self.study
        with use_limits(self.limits):
            parts = parts_of(study, setting, ForNobody(self.about, self))
        return StudyBench({part.name: part for part in parts if part.error is None}, self.limits, away)


@dataclass(frozen=True)
class ForNobody:
    """Whom the cells of a worker tell: nobody, as who gave them out tells what comes back.

    Attributes:
        about: see `Told`.
        recipe: see `Told`.
    """

    about: Mapping[str, object]
    recipe: StudyRecipe

    def tell(self, line: str) -> None:
        """Do nothing."""

    def advance(self, part: CellPart) -> None:
        """Do nothing."""


@dataclass(eq=False)
class StudyBench:
    """The cells of a study, made by a worker.

    Attributes:
        parts: by their names.
        limits: what files may take.
        away: the worker's own folder, where it does not see that of the study.
    """

    parts: Mapping[str, CellPart]
    limits: Limits
    away: "tempfile.TemporaryDirectory[str] | None" = field(default=None)

    def do(self, name: str) -> SentCell:
        """Compute a cell; return its file where that is not in the folder of the study now.

        Raises:
            RunError: there is no such cell here, as something that determines it is not the same.
        """
        part = self.parts.get(name)
        if part is None:
            raise RunError(
                f"a worker makes no cell {name} of this study: its images, networks or code are others, or lie "
                "elsewhere; every machine needs the same brittle, and the same files under the same names"
            )
        with use_limits(self.limits):
            part.do()
        sent = part.path.read_bytes() if self.away is not None and part.error is None else None
        return SentCell(sent, part.error)

    def points(self) -> int:
        """Return 0: nobody counts the points of a cell."""
        return 0

    def close(self) -> None:
        """Remove the worker's own folder."""
        if self.away is not None:
            self.away.cleanup()
