"""Overview: what all studies of a folder found again of the published figures, a line for each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from brittle.metrics import Estimate
from brittle.runs.kinds import CELLS, RUN
from brittle.studies.bench.comparison import Comparison, Kept
from brittle.studies.bench.kept import STUDY, read_study
from brittle.studies.bench.result import StudyResult
from brittle.studies.bench.tables import number_text, published_text

OUTCOMES: tuple[Kept, ...] = ("kept", "not told apart", "reversed", "not measured")


@dataclass(frozen=True)
class Line:
    """A study in the overview.

    Attributes:
        name, title, source: of the study.
        scale: its name; "" where nothing was computed.
        seconds: that all its pieces of work took; NaN where that is not known.
        published: published figures in its table.
        beside: those that have a measured one beside them.
        inside: those of them that lie in its interval.
        ordered: those of them that keep the published order, see `Comparison.ordered`.
        pairs: pairs of figures by what became of their order.
        orders: declared orders, each with what became of it.
        figure: one of its figures in words, measured beside published.
        rows, measured: its rows, and those of them that were measured here.
        failed: why there is no table; "" where there is one.
    """

    name: str
    title: str
    source: str
    scale: str = ""
    seconds: float = math.nan
    published: int = 0
    beside: int = 0
    inside: int = 0
    ordered: int = 0
    pairs: Mapping[Kept, int] | None = None
    orders: tuple[tuple[str, Kept], ...] = ()
    figure: str = ""
    rows: int = 0
    measured: int = 0
    failed: str = ""


@dataclass(frozen=True)
class Overview:
    """All studies of a folder.

    Attributes:
        folder: where they lie.
        lines: one for each.
    """

    folder: Path
    lines: tuple[Line, ...]

    @property
    def seconds(self) -> float:
        """That all pieces of work took, as far as known; NaN where nothing is."""
        known = [line.seconds for line in self.lines if math.isfinite(line.seconds)]
        return sum(known) if known else math.nan

    def total(self, name: str) -> int:
        """Sum a count over the studies: "published", "beside", "inside", "ordered", "rows" or "measured"."""
        return sum(int(getattr(line, name)) for line in self.lines)

    def pairs(self, kept: Kept) -> int:
        """How many pairs of figures had their order kept, and so on."""
        return sum((line.pairs or {}).get(kept, 0) for line in self.lines)

    def orders(self, kept: Kept) -> int:
        """How many declared orders were kept, and so on."""
        return sum(outcome == kept for line in self.lines for _, outcome in line.orders)

    def sentence(self) -> str:
        """Sum it up in a sentence or two."""
        outcomes = ", ".join(f"{self.pairs(one):,} {one}" for one in OUTCOMES[:3])
        declared = ", ".join(f"{self.orders(one)} {one}" for one in OUTCOMES if self.orders(one))
        return (
            f"Of {self.total('published')} published figures {self.total('beside')} have a measured one beside them, "
            f"{self.total('inside')} lie inside its interval, {self.total('ordered')} keep the published order; "
            f"the order of pairs of them: {outcomes}."
            + (f" Of the papers' statements about order: {declared}." if declared else "")
        )


def line_of_study(result: StudyResult) -> Line:
    """Sum up one study."""
    comparison = Comparison(result)
    outcomes = list(comparison.pairs.values())
    return Line(
        result.name,
        result.study.title,
        result.study.source,
        result.scale.partition(":")[0],
        result.seconds,
        len(comparison.published),
        len(comparison.beside),
        len(comparison.inside),
        len(comparison.ordered),
        {one: outcomes.count(one) for one in OUTCOMES},
        tuple((order.text, comparison.order(order)) for order in result.study.orders),
        _figure(comparison),
        len(result.rows),
        len({row for (row, _), entry in result.entries.items() if entry.measured is not None}),
    )


def _figure(comparison: Comparison) -> str:
    """Write the first figure that has a published one beside it, or else the first one measured."""
    result = comparison.result
    measured = {place: one.measured for place, one in result.entries.items() if isinstance(one.measured, Estimate)}
    place = next(iter([*comparison.neighbours, *measured]), None)
    if place is None:
        return ""
    row, entry = place[0], result.entries[place]
    column = next(column for column in result.columns if column.key == place[1])
    published = f", published {published_text(entry.published, column.unit)}" if entry.published is not None else ""
    return f"{row}, {column.title}: {number_text(measured[place].value, column.unit)}{published}"


def studies_in(folder: Path) -> list[Path]:
    """Return the folders of studies in a folder, by name; none where runs of another kind lie there too."""
    runs = {path.parent for path in folder.glob(f"*/{RUN}")}
    if any(not (run / STUDY).is_file() and not (run / CELLS).is_dir() for run in runs):
        return []
    return sorted(path.parent for path in folder.glob(f"*/{STUDY}"))


def read_overview(folder: Path) -> Overview:
    """Read all studies of a folder from disk, those that are not finished as a line that says so.

    Files need not be trusted; errors are those of `read_study`.

    Args:
        folder: the one given as `--out`.
    """
    lines = {path.name: line_of_study(read_study(path)) for path in studies_in(folder)}
    begun = [path.parent for path in folder.glob(f"*/{RUN}") if (path.parent / CELLS).is_dir()]
    for path in begun:
        lines.setdefault(path.name, Line(path.name, "", "", failed="begun, and not finished: there is no table yet"))
    return Overview(folder, tuple(lines[name] for name in sorted(lines)))
