"""Names of the classes from a `classes.json`."""

import json
from pathlib import Path
from typing import Any

from brittle.errors import DataError

FILE = "classes.json"
"""A list of names in the order of the labels, or of objects with `name` (and `label`, `wnid`, `short`, as known)."""


def read_entries(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of the folder's `classes.json` in the order of the labels; none if there is no such file.

    Raises:
        DataError: if the file is not such a list.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    expected = 'expected a list of names, or of objects such as {"label": 0, "name": "tench"}, labels counted from 0'
    try:
        listed: list[Any] = json.loads(path.read_text(encoding="utf-8"))
        entries = [{"name": entry} if isinstance(entry, str) else dict(entry) for entry in listed]
        entries = sorted(({"label": i} | entry for i, entry in enumerate(entries)), key=lambda entry: entry["label"])
        whole = all(isinstance(e["name"], str) and e["label"] == i for i, e in enumerate(entries))
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise DataError(f"{path} cannot be used ({type(error).__name__}: {error}); {expected}") from error
    if not whole:
        raise DataError(f"{path} cannot be used; {expected}")
    return entries


def read_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes in the folder's `classes.json`, none if there is no such file.

    Raises:
        DataError: if the file is not a list of names or of objects with a name.
    """
    return tuple(entry["name"] for entry in read_entries(folder))
