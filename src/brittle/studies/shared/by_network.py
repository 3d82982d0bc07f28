"""Studies that do one piece of work with each network: their rows and cells."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from brittle.studies.bench.study import Cell, Measured, Row, Scale, Setting, sized
from brittle.studies.shared.photographs import Photographs
from brittle.studies.shared.views import View

Amounts = Mapping[Scale, Mapping[str, tuple[int, int]]]
"""Images of X and held-out ones by scale and network; others are not measured at that scale, at the paper's all are."""


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


def rows_of(views: Sequence[View], amounts: Amounts, beside: Mapping[str, tuple[str, str]] | None = None) -> list[Row]:
    """Return a row for each network, which says from which scale on it is measured.

    Args:
        views: the networks.
        amounts: how many images at which scale.
        beside: by network the paper's row whose figures stand beside it, and why.
    """
    found: list[Row] = []
    for view in views:
        stands_for, note = (beside or {}).get(view.row, ("", ""))
        first = next((scale for scale in ("small", "full") if view.row in sized(amounts, scale)), "paper")
        when = "" if first == "small" else f"Measured from the scale {first} on."
        found.append(Row(view.row, " ".join(filter(None, (note, when))), stands_for))
    return found


def cells_of(
    work: Callable[[Photographs], Work], views: Sequence[View], amounts: Amounts, setting: Setting
) -> list[Cell]:
    """Return one piece of work for each network that is measured at the scale asked for.

    Args:
        work: what is done with a network.
        views: the networks.
        amounts: how many images at which scale.
        setting: what the user chose.
    """
    most = {} if setting.scale == "paper" else sized(amounts, setting.scale)
    chosen = [view for view in views if setting.scale == "paper" or view.row in most]
    works = [work(Photographs(view, setting, most.get(view.row))) for view in chosen]
    return [Cell(one.photographs.view.row, one.name, one.measure, one.identity) for one in works]
