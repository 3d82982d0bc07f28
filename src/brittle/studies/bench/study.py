"""Study: a published table or figure, computed cell by cell and shown beside the published figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import torch

from brittle.errors import DataError, InputError, ModelError
from brittle.metrics import Estimate
from brittle.near import meant
from brittle.studies.bench.drawing import Drawing
from brittle.studies.bench.published import Figure

Unit = Literal["percent", "ratio", "number", "seconds"]
"""How a column's estimates are written; those of "percent" are fractions."""
Scale = Literal["small", "full", "paper"]
SCALES: dict[Scale, str] = {
    "small": "small: enough to see the order of every table, in about ten minutes on two cores",
    "full": "full: the largest that two cores do in about an hour; what the documentation prints",
    "paper": "paper: every image there is, published settings, networks trained in full; for a GPU",
}
"""What can be asked for, and what it means."""
T = TypeVar("T")
INTERVALS = (
    "Intervals cover the truth in 95 of 100 such samples of images: exactly for rates, medians and means of fractions, "
    "for other means and ratios as far as simulations tell. These have none for fewer than 8 images, or equal ones."
)
"""A note of every study with intervals."""


def scale_of(text: str) -> Scale:
    """Return a scale by its name.

    Raises:
        InputError: there is no such scale.
    """
    for scale in SCALES:
        if scale == text:
            return scale
    raise InputError(f"the scale is {text!r}{meant(text, SCALES)}; expected {', '.join(SCALES)}")


def sized(sizes: Mapping[Any, T], scale: str) -> T:
    """Return what a study has for a scale; one that names no "full" is at it as at "small".

    Example:
        >>> sized({"small": 2, "paper": 100}, "full")
        2
    """
    return sizes[scale] if scale in sizes else sizes["small"]


class NotGiven(DataError, ModelError):
    """A cell needs data or weights that the user has not given, or more than the scale asked for."""


class OnProgress(Protocol):
    """Somebody who wants to know how far a study is."""

    def __call__(self, line: str, fraction: float | None = None) -> None:
        """Learn in one line what is being done, and which fraction (0 to 1) of the whole study is finished."""
        ...


def tell_nobody(line: str, fraction: float | None = None) -> None:
    """Do nothing."""


def threads() -> str:
    """How many processor threads torch uses, in words; times depend on it."""
    count = torch.get_num_threads()
    return f"{count} thread{'s' if count != 1 else ''}"


@dataclass(frozen=True)
class Setting:
    """What the user chose for a study.

    Attributes:
        data: folder with the images; None where none was given.
        models: folder with networks; None likewise.
        scale: "small", "full" or "paper".
        device: where to run.
        seed: of first weights and random draws.
        folder: where the study keeps what it makes.
        tell: who is told what is being done.
        trained: where networks are kept that studies train; None for the folder `networks` in the study's own.
    """

    data: Path | None
    models: Path | None
    scale: Scale
    device: str
    seed: int
    folder: Path
    tell: OnProgress = tell_nobody
    trained: Path | None = None

    def data_file(self, name: str) -> Path:
        """Return a file of images.

        Raises:
            NotGiven: there is none; the message names the file and the option.
        """
        if self.data is None:
            raise NotGiven(f"needs {name}: give the folder that holds it with --data (or BRITTLE_DATA)")
        path = self.data / name
        if not path.exists():
            raise NotGiven(f"needs {name}, which is not in the folder given with --data, {self.data}")
        return path

    @property
    def networks(self) -> Path:
        """The folder of networks that studies train, each once for all studies that ask for it."""
        return self.trained or self.folder / "networks"

    def model_file(self, name: str) -> Path | None:
        """Return a file of the folder of networks, None where there is no such file."""
        path = None if self.models is None else self.models / name
        return path if path is not None and path.is_file() else None


@dataclass(frozen=True)
class Column:
    """One quantity of the table.

    Attributes:
        key: unique in the study, such as "deepfool.rho".
        title: what its head says.
        unit: how its numbers are written.
        sheet: which of the study's sheets it stands on.
        measured: whether this version measures it; otherwise only published figures are shown.
        stands_for: in a table of networks, the paper's column whose figures stand in this one, as for a row.
    """

    key: str
    title: str
    unit: Unit
    sheet: str
    measured: bool = True
    stands_for: str = ""


@dataclass(frozen=True)
class Row:
    """One network of the table.

    Attributes:
        key: its name.
        note: what is to be said of it in any case.
        stands_for: the paper's row whose published figures stand beside it, where the paper's network is not at hand
            and this one is the nearest; "" for the row of its own name. The note says in what it is near.
    """

    key: str
    note: str = ""
    stands_for: str = ""


@dataclass(frozen=True)
class Measured:
    """What the computation of a cell gave.

    Attributes:
        values: by key of column: an estimate, or text where there is no number.
        notes: by key of column, what a reader of the figure must know.
        remark: the same of the row as a whole.
        figures: what is shown beside the table; a cell may give figures alone.
    """

    values: Mapping[str, Estimate | str] = field(default_factory=dict[str, Estimate | str])
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    remark: str = ""
    figures: Sequence[Drawing] = ()


@dataclass(frozen=True)
class Cell:
    """One piece of work: what a method gives for a network; it fills one or more columns of a row.

    Attributes:
        row: key of the row.
        column: name of the piece of work, such as "deepfool".
        compute: does it.
        identity: tells everything that determines the outcome, as JSON can hold it: fields of the attack, digests of
            network and data, threat, seed, number of images. Asked before `compute`.

    Both may raise a BrittleError, whose message then stands in the table while the study goes on.
    """

    row: str
    column: str
    compute: Callable[[], Measured]
    identity: Callable[[], Mapping[str, object]]


@dataclass(frozen=True)
class Order:
    """An order that the paper states or shows, to be found again.

    Attributes:
        text: what it says, in a sentence.
        places: rows and columns by their keys, from the smallest figure to the largest.
        why: where it is not found again, the reason as far as it is known; "" for none.
    """

    text: str
    places: tuple[tuple[str, str], ...]
    why: str = ""


@dataclass(frozen=True)
class Study:
    """A published table or figure.

    Attributes:
        name: what the user writes.
        title: in one line.
        source: the paper.
        cells: the pieces of work, in order, for what the user chose.
        rows, columns: of the table.
        published: the paper's figure for a row and a column, by their keys.
        notes: what is to be said of the table as a whole.
        plot: keys of the columns that the page draws, on a logarithmic axis.
        plot_caption: how to read that plot.
        of: what the rows are.
        orders: what the paper orders, and this should too.
        minutes: how long it takes by scale, on two cores, as measured; told before it starts.
    """

    name: str
    title: str
    source: str
    cells: Callable[[Setting], Sequence[Cell]]
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    published: Callable[[str, str], Figure]
    notes: tuple[str, ...] = ()
    plot: tuple[str, ...] = ()
    plot_caption: str = "Logarithmic axis: farther left is more brittle."
    of: str = "Network"
    orders: tuple[Order, ...] = ()
    minutes: Mapping[Scale, float] = field(default_factory=dict[Scale, float])

    def __post_init__(self):
        for what, keys in (("rows", [row.key for row in self.rows]), ("columns", [one.key for one in self.columns])):
            if len(set(keys)) < len(keys):
                raise InputError(f"the {what} of the study {self.name} are not all different: {keys}")
