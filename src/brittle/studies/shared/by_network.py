"""Studies that do one piece of work with each network: their rows and cells."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from brittle.studies.bench.study import Cell, Measured, Row, Setting
from brittle.studies.shared.photographs import Photographs
from brittle.studies.shared.views import View


class Work(Protocol):
    """What a study does with one network."""

    name: str

    @property
    def photographs(self) -> Photographs:
        """The network with its images."""
        ...

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        ...

    def measure(self) -> Measured:
        """Do it."""
        ...


def rows_of(views: Sequence[View], small: Mapping[str, tuple[int, int]]) -> list[Row]:
    """Return a row for each network; those without sizes at the small scale say when they are measured."""
    return [Row(view.row, "" if view.row in small else "Measured at the scale of the paper.") for view in views]


def cells_of(
    work: Callable[[Photographs], Work], views: Sequence[View], small: Mapping[str, tuple[int, int]], setting: Setting
) -> list[Cell]:
    """Return one piece of work for each network that is measured at the scale asked for.

    Args:
        work: what is done with a network.
        views: the networks.
        small: images of X and held-out ones at the small scale, by network; others are not measured at it.
        setting: what the user chose.
    """
    chosen = [view for view in views if setting.scale == "paper" or view.row in small]
    works = [work(Photographs(view, setting, small.get(view.row))) for view in chosen]
    return [Cell(one.photographs.view.row, one.name, one.measure, one.identity) for one in works]
