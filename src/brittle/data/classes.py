"""Names of the classes: from a `classes.json`, and their order where nothing but the names gives it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args

from brittle.errors import DataError, InputError, quoted
from brittle.near import meant
from brittle.reading import read_json

FILE = "classes.json"
"""A list of names in the order of the labels, or of objects with `name` (and `label`, `wnid`, `short`, as known)."""
Order = Literal["auto", "numeric", "text"]
"""How classes that have names alone get their numbers.

`auto`: by the names that the network knows; where it knows none, names that are all whole numbers are sorted as
numbers. `numeric`: sorted as numbers whatever the network knows. `text`: sorted as text, as torchvision's ImageFolder
and Keras do. Under the latter two the labels are taken as they are.
"""
SHOWN = 12  # names of an order that are told


def check_order(order: str) -> Order:
    """Return the order if it is one; raises InputError."""
    for known in get_args(Order):
        if order == known:
            return known
    raise InputError(
        f"class_order={order!r} is unknown{meant(order, get_args(Order))}; give {', '.join(get_args(Order))}"
    )


def sort_names(names: Iterable[str], order: Order) -> tuple[tuple[str, ...], list[str]]:
    """Return names in their order, and what is to be said of it where it is not the only one in use.

    >>> sort_names(["10", "2", "1"], "auto")[0], sort_names(["10", "2", "1"], "text")[0]
    (('1', '2', '10'), ('1', '10', '2'))
    """
    text = tuple(sorted(names))
    if not all(name.isascii() and name.isdecimal() for name in text):
        return text, []
    numeric = tuple(sorted(text, key=int))
    if numeric == text:
        return text, []
    as_numbers, as_text = (", ".join(each[:SHOWN]) + (", ..." if len(text) > SHOWN else "") for each in (numeric, text))
    if order == "text":
        return text, [f"classes sorted as text ({as_text}), not as numbers ({as_numbers}), as class order text says"]
    return numeric, [
        f"classes sorted as numbers ({as_numbers}); torchvision's ImageFolder and Keras sort them as text ({as_text}): "
        "if the network was trained so, give --class-order text"
    ]


def read_entries(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of the folder's `classes.json` in the order of the labels; none if there is no such file.

    Raises:
        DataError: if the file is not such a list.
    """
    path = folder / FILE
    if not path.exists():
        return []
    expected = 'expected a list of names, or of objects such as {"label": 0, "name": "tench"}, labels counted from 0'
    try:
        listed: list[Any] = read_json(path)
        entries = [{"name": entry} if isinstance(entry, str) else dict(entry) for entry in listed]
        entries = sorted(({"label": i} | entry for i, entry in enumerate(entries)), key=lambda entry: entry["label"])
        whole = all(isinstance(e["name"], str) and e["label"] == i for i, e in enumerate(entries))
        whole = whole and all(isinstance(e.get(key, ""), str) for e in entries for key in ("short", "wnid"))
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise DataError(f"{path} cannot be used ({type(error).__name__}: {quoted(error)}); {expected}") from error
    if not whole:
        raise DataError(f"{path} cannot be used; {expected}")
    return entries


def read_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes in the folder's `classes.json`, none if there is no such file.

    Raises:
        DataError: if the file is not a list of names or of objects with a name.
    """
    return tuple(entry["name"] for entry in read_entries(folder))


def checked_names(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Return names of classes; refuse those that no file or screen can show.

    Raises:
        DataError: one holds half a letter (a lone surrogate), which UTF-8 cannot write.
    """
    kept = tuple(names)
    try:
        "".join(kept).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where} holds a name that UTF-8 cannot write ({error.reason}); write it again") from error
    return kept
