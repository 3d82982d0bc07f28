"""Comparison: what of a published table was found again, figure by figure and order by order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise, product
from typing import Literal

from brittle.metrics import Estimate
from brittle.studies.bench.published import Figure
from brittle.studies.bench.result import StudyResult
from brittle.studies.bench.study import Column, Order, Row, Study, Unit
from brittle.words import plural

Kept = Literal["kept", "not told apart", "reversed", "not measured"]
"""What became of a published order, by the values; where they stand otherwise, overlapping intervals do not tell."""
_STRONGEST: tuple[Kept, ...] = ("reversed", "kept", "not told apart")
"""What one of several pairs says of all, from what tells most to what tells least."""
_BOUND = re.compile(r"([<>≤≥])=? ?(\d+\.?\d*(?:e[+-]?\d+)?)(?: %)?")
"""Published bounds; those of times are of other machines, and none."""
Place = tuple[str, str]
"""Row and column."""
Within = Literal["within", "beyond", "at the bound"]
"""How a measured figure stands to a published bound; at it where its interval holds the bound."""


def published_beside(study: Study, row: Row, column: Column) -> Figure:
    """Return the published figure beside a row and column: their own, or that of those that they stand for."""
    places = product(filter(None, (row.key, row.stands_for)), filter(None, (column.key, column.stands_for)))
    return next((one for one in (study.published(*place) for place in places) if one is not None), None)


@dataclass(frozen=True)
class Neighbours:
    """A published figure with the measured one beside it.

    Attributes:
        measured: the estimate, in the unit of `published`.
        published: the paper's number.
        unit: of both; percentages are of 100.
    """

    measured: Estimate
    published: float
    unit: Unit

    @property
    def inside(self) -> bool:
        """Whether the published figure lies in the measured interval."""
        return self.measured.has_interval and self.measured.low <= self.published <= self.measured.high

    @property
    def off(self) -> str:
        """How far the measured figure is from the published one: in points where both are percentages."""
        if self.unit == "percent":
            return f"{self.measured.value - self.published:+.1f} points"
        if not self.published:
            return f"{self.measured.value:+.3g}"
        return f"{100 * (self.measured.value / self.published - 1):+.0f} %"


def order_of(first: Neighbours, second: Neighbours) -> Kept:
    """Say whether two figures stand in the published order."""
    published, measured = first.published - second.published, first.measured.value - second.measured.value
    if published * measured > 0:
        return "kept"
    low, high = sorted((first.measured, second.measured), key=lambda one: one.value)
    return "reversed" if low.high < high.low else "not told apart"


class Comparison:
    """All published figures of a study with what was measured beside them.

    Args:
        result: of `run_study`.
    """

    def __init__(self, result: StudyResult):
        self.result = result

    @cached_property
    def published(self) -> set[Place]:
        """The published figures, by the paper's row and the column; some are text, such as "> 4 s"."""
        entries = self.result.entries.items()
        return {self._paper(place) for place, entry in entries if entry.published is not None}

    @cached_property
    def neighbours(self) -> Mapping[Place, Neighbours]:
        """The published numbers that have a measured one beside them, by row and column of the table."""
        columns = {column.key: column for column in self.result.columns}
        found: dict[Place, Neighbours] = {}
        for (row, column), entry in self.result.entries.items():
            if isinstance(entry.published, int | float) and isinstance(entry.measured, Estimate):
                unit = columns[column].unit
                found[row, column] = Neighbours(_in_unit(entry.measured, unit), float(entry.published), unit)
        return found

    @property
    def beside(self) -> set[Place]:
        """The published figures that have a neighbour, by the paper's row and the column."""
        entries = self.result.entries.items()
        both = (place for place, one in entries if one.published is not None and one.measured is not None)
        return {self._paper(place) for place in both}

    @cached_property
    def bounds(self) -> Mapping[Place, Within]:
        """The published bounds with a measured figure, such as "< 3": whether all of its interval lies within."""
        columns = {column.key: column for column in self.result.columns}
        found: dict[Place, Within] = {}
        for place, entry in self.result.entries.items():
            bound = _BOUND.fullmatch(entry.published) if isinstance(entry.published, str) else None
            if bound and isinstance(entry.measured, Estimate):
                found[place] = _within(
                    bound[1] in "<≤", float(bound[2]), _in_unit(entry.measured, columns[place[1]].unit)
                )
        return found

    @property
    def inside(self) -> set[Place]:
        """Those that lie in a measured interval, and the bounds that the whole interval lies within."""
        inside = [place for place, one in self.neighbours.items() if one.inside]
        bounds = [place for place, within in self.bounds.items() if within == "within"]
        return {self._paper(place) for place in inside + bounds}

    def _paper(self, place: Place) -> Place:
        """Return the paper's row and column of a place."""
        return self._papers_rows[place[0]], self._papers_columns[place[1]]

    @cached_property
    def _papers_rows(self) -> Mapping[str, str]:
        return {row.key: row.stands_for or row.key for row in self.result.rows}

    @cached_property
    def _papers_columns(self) -> Mapping[str, str]:
        return {column.key: column.stands_for or column.key for column in self.result.columns}

    @cached_property
    def pairs(self) -> Mapping[tuple[Place, Place], Kept]:
        """What became of the order of every two figures of a column, and of a row's of one sheet and unit.

        Figures that are published as equal have no order.
        """
        columns = {column.key: column for column in self.result.columns}
        return {
            (first, second): order_of(one, other)
            for (first, one), (second, other) in combinations(self.neighbours.items(), 2)
            if one.published != other.published and _comparable(first, second, columns)
        }

    def kept(self, place: Place) -> Kept:
        """Say what became of a figure's order among those that it can be compared with."""
        all_of_it = {kept for places, kept in self.pairs.items() if place in places}
        for one in _STRONGEST:
            if one in all_of_it:
                return one
        return "not measured"

    @property
    def ordered(self) -> set[Place]:
        """The published figures that stand in the published order to some other one, and against it to none."""
        return {self._paper(place) for place in self.neighbours if self.kept(place) == "kept"}

    def verdict(self, place: Place) -> str:
        """Say in a few words how a measured figure compares with the published one; "" where one is missing."""
        one = self.neighbours.get(place)
        if one is None:
            return self.bounds.get(place, "")
        order = {"kept": "order kept", "reversed": "order reversed"}.get(self.kept(place), "")
        return ", ".join(part for part in ("inside" if one.inside else f"off by {one.off}", order) if part)

    def order(self, order: Order) -> Kept:
        """Say what became of an order that the study declares."""
        measured = [self.result.entries[place].measured for place in order.places if place in self.result.entries]
        known = [one for one in measured if isinstance(one, Estimate)]
        if len(known) < len(order.places):
            return "not measured"
        if all(one.value < other.value for one, other in pairwise(known)):
            return "kept"
        apart = any(other.high < one.low for one, other in combinations(known, 2))
        return "reversed" if apart else "not told apart"

    def lines(self) -> list[str]:
        """Sum the comparison up: how many figures were found again, and what became of each order."""
        found = [f"{order.text}: {_outcome(self.order(order), order)}" for order in self.result.study.orders]
        if not self.published:
            return found
        outcomes = list(self.pairs.values())
        counts = ", ".join(f"{outcomes.count(one)} {one}" for one in ("kept", "not told apart", "reversed"))
        pairs = f"; the order of {plural(len(outcomes), 'pair')} of them: {counts}" if outcomes else ""
        return [
            f"Of {plural(len(self.published), 'published figure')} {len(self.beside)} have a measured one beside them, "
            f"{len(self.inside)} lie inside its interval, {len(self.ordered)} keep the published order{pairs}.",
            *found,
        ]


def _in_unit(estimate: Estimate, unit: Unit) -> Estimate:
    """Return an estimate as papers print it, percentages of 100."""
    if unit != "percent":
        return estimate
    return Estimate(100 * estimate.value, 100 * estimate.low, 100 * estimate.high, estimate.n)


def _within(below: bool, bound: float, estimate: Estimate) -> Within:
    """Say how an estimate stands to a bound; those without an interval by their value."""
    low, high = (estimate.low, estimate.high) if estimate.has_interval else (estimate.value, estimate.value)
    if low < bound < high:
        return "at the bound"
    return "within" if (high <= bound if below else low >= bound) else "beyond"


def _comparable(first: Place, second: Place, columns: Mapping[str, Column]) -> bool:
    (row, one), (other_row, other) = first, second
    if one == other:
        return True
    head, tail = columns[one], columns[other]
    return row == other_row and (head.sheet, head.unit) == (tail.sheet, tail.unit)


def _outcome(kept: Kept, order: Order) -> str:
    return f"{kept} ({order.why})" if order.why and kept != "kept" else kept
