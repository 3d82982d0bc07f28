"""The published tables that studies put their own figures beside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import yaml

from brittle.errors import InputError
from brittle.near import meant

Figure = float | str | None
"""A published figure: a number, text such as "> 4 s", or None where the paper gives none."""


@dataclass(frozen=True)
class Published:
    """One published table.

    Attributes:
        name: its key in `published.yaml`.
        source: the paper, as it is cited.
        caption: what the figures are.
        columns: their names; empty for a list of single figures.
        rows: figures by row; where the paper's rows have no names, they are numbered.
        values: single figures by what they are.
        claims: what the paper says of them in words.
    """

    name: str
    source: str
    caption: str
    columns: tuple[str, ...] = ()
    rows: Mapping[str, tuple[Figure, ...]] = field(default_factory=dict[str, tuple[Figure, ...]])
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    claims: tuple[str, ...] = ()

    def figure(self, row: str, column: str) -> Figure:
        """Return a figure, or None where the table has no such row.

        Raises:
            InputError: the table has no such column.
        """
        if column not in self.columns:
            raise InputError(
                f"the table {self.name} has no column {column!r}{meant(column, self.columns)}; it has "
                f"{', '.join(self.columns)}"
            )
        return self.rows[row][self.columns.index(column)] if row in self.rows else None


@cache
def published() -> Mapping[str, Published]:
    """Return every published table by name.

    Example:
        >>> published()["deepfool_robustness"].figure("LeNet (MNIST)", "rho DeepFool")
        0.2
    """
    content = yaml.safe_load(
        resources.files("brittle.studies.bench").joinpath("published.yaml").read_text(encoding="utf-8")
    )
    return {name: _table(name, content["sources"], about) for name, about in content["tables"].items()}


def _table(name: str, sources: Mapping[str, str], about: Mapping[str, Any]) -> Published:
    rows = about.get("rows", {})
    named = dict(rows) if isinstance(rows, dict) else {str(number): row for number, row in enumerate(rows, 1)}
    return Published(
        name,
        sources[about["source"]],
        about["caption"],
        tuple(about.get("columns", ())),
        {row: tuple(figures) for row, figures in named.items()},
        dict(about.get("values", {})),
        tuple(about.get("claims", ())),
    )
