"""Published tables and figures, each reproduced cell by cell beside the published figures."""

from brittle.studies.bench.catalogue import STUDIES
from brittle.studies.bench.published import Published, published
from brittle.studies.bench.run import run_study
from brittle.studies.bench.study import SCALES, Cell, Column, Entry, Measured, Row, Setting, Study, StudyResult
from brittle.studies.bench.tables import Sheet, Written, sheets

__all__ = [
    "SCALES",
    "STUDIES",
    "Cell",
    "Column",
    "Entry",
    "Measured",
    "Published",
    "Row",
    "Setting",
    "Sheet",
    "Study",
    "StudyResult",
    "Written",
    "published",
    "run_study",
    "sheets",
]
