"""What is refused of a study, and of what it is given, in a sentence, before or right after the work it would spoil."""

import math
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from brittle.errors import InputError, quoted
from brittle.files import path_of
from brittle.metrics import Estimate
from brittle.near import closest
from brittle.studies.bench.comparison import published_beside
from brittle.studies.bench.study import Cell, Measured, Study
from brittle.words import plural, with_article

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A study's name is that of its folder."""


def check_study(study: Study) -> None:
    """Refuse a study that cannot lie in a folder of its own, or whose table cannot be kept.

    Raises:
        InputError: its name is no name of a folder, a published figure is no finite number, or an order names
            fewer than two places, or one that the table does not have.
    """
    if not _NAME.fullmatch(study.name):
        raise InputError(f"the study's name is {quoted(study.name)!r}; expected letters, digits, '.', '_' and '-'")
    for row in study.rows:
        for column in study.columns:
            figure = published_beside(study, row, column)
            if isinstance(figure, float) and not math.isfinite(figure):
                where = f"row {quoted(row.key)!r}, column {quoted(column.key)!r}"
                raise InputError(f"the published figure of {where} is {figure}; expected a number, text or None")
    places = list(product((row.key for row in study.rows), (column.key for column in study.columns)))
    for order in study.orders:
        if len(order.places) < 2:
            seen = plural(len(order.places), "place")
            raise InputError(f"the order {quoted(order.text)!r} names {seen}; expected two or more, (row, column)")
        for place in order.places:
            if place not in places:
                near = closest(str(place), map(str, places))
                hint = f"; the closest is {quoted(near[0])}" if near else ""
                where = f"which is no (row, column) of the table{hint}"
                raise InputError(f"the order {quoted(order.text)!r} names {quoted(place)}, {where}")


def folder_given(path: Path | str | None, option: str) -> Path | None:
    """Return a folder that the user has given; None for none.

    Raises:
        InputError: there is no such folder.
    """
    if path is None:
        return None
    folder = path_of(path)
    if not folder.is_dir():
        raise InputError(f"there is no folder {quoted(folder)!r}; expected one with files for the studies ({option})")
    return folder


def check_rows(study: Study, cells: Sequence[Cell]) -> None:
    """Refuse cells of rows that the study does not have.

    Raises:
        InputError: with the row.
    """
    rows = [row.key for row in study.rows]
    for cell in cells:
        if cell.row not in rows:
            raise InputError(
                f"a cell is of row {quoted(cell.row)!r}, which the study {study.name} does not have: {rows}"
            )


def checked_measured(cell: Cell, measured: object) -> Measured:
    """Return what a cell gave.

    Raises:
        InputError: it is not `Measured`, or a value is neither an `Estimate` nor text.
    """
    where = f"cell {quoted(cell.column)!r} of row {quoted(cell.row)!r}"
    if not isinstance(measured, Measured):
        raise InputError(f"the {where} gave {with_article(type(measured).__name__)}; expected Measured(values)")
    for key, value in measured.values.items():
        if not isinstance(value, Estimate | str):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's
            wanted = "an Estimate, such as brittle.metrics.proportion(3, 8), or text"
            raise InputError(
                f"the {where} gave {with_article(type(value).__name__)} for {quoted(key)!r}; expected {wanted}"
            )
    return measured
