"""The page of all studies of a folder: what was found again of the published figures, a row for each study."""

import math
from pathlib import Path

from brittle.report.content import placed
from brittle.report.study_page import PAGE
from brittle.report.template import fill
from brittle.studies.bench.overview import Overview
from brittle.studies.bench.tables import NOTHING
from brittle.words import time_in_words

OVERVIEW = "studies.html"


def write_overview(
    overview: Overview, out: Path | None = None, *, force: bool = False, title: str | None = None
) -> Path:
    """Write the page of all studies.

    Args:
        overview: of `run_studies` or `read_overview`.
        out: the file to write, or a folder for it; `studies.html` in the studies' folder by default.
        force: replace another page at `out`.
        title: of the user's, see `write_report`.

    Returns:
        The file written.

    Raises:
        RunError: the file cannot be written.
    """
    return placed(render_overview(overview), overview.folder / OVERVIEW, out, force=force, title=title)


def render_overview(overview: Overview) -> str:
    """The whole page as text; links lead to the pages beside it, where there are any."""
    return fill(
        "studies.html",
        {},
        overview=overview,
        took=lambda seconds: time_in_words(seconds) if math.isfinite(seconds) else NOTHING,
        told=[line for line in overview.lines if line.measured or line.failed],
        empty=[line for line in overview.lines if not line.measured and not line.failed],
        ordered=any(outcome != "not measured" for line in overview.lines for _, outcome in line.orders),
        untold=overview.orders("not measured"),
        links={line.name: (overview.folder / line.name / PAGE).is_file() for line in overview.lines},
        page=PAGE,
    )
