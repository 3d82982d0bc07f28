"""The cells of a study, each with the file in which it is kept."""

from brittle.errors import BrittleError, RunError
from brittle.runs.kinds import CELLS
from brittle.studies.bench.cell_part import CellPart, Told
from brittle.studies.bench.cells import cell_path, key_of
from brittle.studies.bench.own_study import check_rows
from brittle.studies.bench.study import Cell, Measured, Setting, Study


def parts_of(study: Study, setting: Setting, told: Told) -> list[CellPart]:
    """Return every cell of a study, computed or not; one that lacks a file is a remark already.

    Args:
        study: of which.
        setting: what the user chose.
        told: who wants to know what is done with them.

    Raises:
        InputError: cells of rows or columns that the study does not have.
    """
    cells = study.cells(setting)
    check_rows(study, cells)
    return [_part(study, setting, told, cell, turn) for turn, cell in enumerate(cells)]


def _part(study: Study, setting: Setting, told: Told, cell: Cell, turn: int) -> CellPart:
    folder = setting.folder / CELLS
    try:
        key = key_of(study.name, cell)
    except RunError:
        raise
    except BrittleError as error:  # such as a file that is not given
        return CellPart(told, cell, "", folder, turn, Measured(remark=str(error)), error)
    return CellPart(told, cell, key, cell_path(setting.folder, cell, key), turn)
