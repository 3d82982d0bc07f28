"""Published tables and figures, each reproduced cell by cell beside the published figures.

`bench` knows how cells are computed, kept and laid out, `shared` what several studies use, and every other package
holds the studies of one paper. Names are imported when they are asked for, so that listing the studies imports none
of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brittle.studies.bench.all import run_studies
    from brittle.studies.bench.catalogue import STUDIES
    from brittle.studies.bench.published import Published, published
    from brittle.studies.bench.result import Entry, StudyResult
    from brittle.studies.bench.run import run_study
    from brittle.studies.bench.study import SCALES, Cell, Column, Measured, Order, Row, Setting, Study
    from brittle.studies.bench.tables import Sheet, Written, sheets

__all__ = [
    "SCALES",
    "STUDIES",
    "Cell",
    "Column",
    "Entry",
    "Measured",
    "Order",
    "Published",
    "Row",
    "Setting",
    "Sheet",
    "Study",
    "StudyResult",
    "Written",
    "published",
    "run_studies",
    "run_study",
    "sheets",
]
_HOME = {
    "all": ("run_studies",),
    "catalogue": ("STUDIES",),
    "published": ("Published", "published"),
    "run": ("run_study",),
    "result": ("Entry", "StudyResult"),
    "study": ("SCALES", "Cell", "Column", "Measured", "Order", "Row", "Setting", "Study"),
    "tables": ("Sheet", "Written", "sheets"),
}
"""Where in `bench` each name lives."""


def __getattr__(name: str) -> object:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"brittle.studies.bench.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
