"""Where files of networks keep the names of their classes: in their metadata, or in a file beside them."""

import ast
import io
import json
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

from safetensors import SafetensorError, safe_open

from brittle.errors import ModelError, quoted
from brittle.files import named_in_text

KEYS = ("classes", "class_names", "names", "labels")
"""What the names are called in the metadata of ONNX and safetensors files (`names` by Ultralytics)."""
EXTRA = "classes.json"
"""The extra file of a torch.export archive: `torch.export.save(..., extra_files={"classes.json": ...})`."""


def names_of(path: Path) -> tuple[str, ...]:
    """Return the names of the classes that a file of a network or of weights carries, in the order of the outputs.

    They are looked for in `NAME.classes.json` beside it, a list of names; in the extra file `classes.json` of a `.pt2`;
    and in the metadata of a `.safetensors` (also in what `brittle train` writes there). () where there are none.

    Raises:
        ModelError: the file beside it is no list of names.
    """
    beside = path.with_suffix(".classes.json")
    if os.path.isfile(beside):  # noqa: PTH113 (no file can have a name that is too long)
        try:
            found = names_from(json.loads(beside.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ModelError(f"{beside} cannot be read ({quoted(error)}); expected a list of names") from error
        if not found:
            raise ModelError(f"{beside} holds no list of names in the order of the network's outputs")
        return found
    if path.suffix == ".safetensors":
        with suppress(OSError, SafetensorError), named_in_text(path) as name, safe_open(name, "pt") as file:
            return names_in(cast("dict[str, str]", file.metadata() or {}))
    if path.suffix == ".pt2":
        return _in_archive(path.read_bytes())
    return ()


def names_in(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names in the metadata of a file, whose values are text: JSON, or Python's way of writing a list.

    >>> names_in({"names": "{0: 'cat', 1: 'dog'}"})
    ('cat', 'dog')
    """
    with suppress(ValueError, TypeError, KeyError):  # what a training by brittle has told
        return names_from(json.loads(metadata["brittle"])["data"]["classes"])
    for key in KEYS:
        for read in (json.loads, ast.literal_eval):
            with suppress(KeyError, ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                if found := names_from(read(metadata[key])):
                    return found
    return ()


def names_from(value: object) -> tuple[str, ...]:
    """Return the names in a list of them, or in a mapping from whole numbers counted from 0; () in anything else."""
    if isinstance(value, dict):
        numbered = {str(key): name for key, name in cast("dict[object, object]", value).items()}
        value = [numbered.get(str(number)) for number in range(len(numbered))]
    if not isinstance(value, list | tuple):
        return ()
    names = cast("tuple[object, ...]", tuple(value))
    return tuple(name for name in names if isinstance(name, str)) if all(isinstance(n, str) for n in names) else ()


def _in_archive(content: bytes) -> tuple[str, ...]:
    """The names in an archive's extra file; () where it has none, or none that can be read."""
    with suppress(zipfile.BadZipFile, ValueError, OSError), zipfile.ZipFile(io.BytesIO(content)) as archive:
        for record in archive.namelist():
            if record.partition("/")[2] == f"extra/{EXTRA}" or record == f"extra/{EXTRA}":
                return names_from(json.loads(archive.read(record)))
    return ()
