"""Where files of networks keep the names of their classes: in their metadata, or in a file beside them."""

import ast
import os
import re
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

from brittle.errors import ModelError, quoted
from brittle.limits import check_limit
from brittle.reading import open_tensors, open_zip, parse_json, read_json, read_member

KEYS = ("classes", "class_names", "names", "labels")
"""What the names are called in the metadata of ONNX and safetensors files (`names` by Ultralytics)."""
LITERAL = re.compile(r"""(?:[\[\](){},:\d\s]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")*""", re.DOTALL)
"""Brackets, numbers and text: what Python writes for a list of names, and nothing that it would have to compute."""
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
    if os.path.exists(beside):  # noqa: PTH110 (no file can have a name that is too long)
        try:
            found = names_from(read_json(beside))
        except (OSError, ValueError) as error:
            raise ModelError(f"{beside} cannot be read ({quoted(error)}); expected a list of names") from error
        if not found:
            raise ModelError(f"{beside} holds no list of names in the order of the network's outputs")
        return found
    if path.suffix == ".safetensors":
        with suppress(OSError, ValueError), open_tensors(path) as file:
            return names_in(cast("dict[str, str]", file.metadata() or {}))
    if path.suffix == ".pt2":
        return _in_archive(path)
    return ()


def names_in(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names in the metadata of a file, whose values are text: JSON, or Python's way of writing a list.

    >>> names_in({"names": "{0: 'cat', 1: 'dog'}"})
    ('cat', 'dog')
    """
    with suppress(ValueError, TypeError, KeyError):  # what a training by brittle has told
        return names_from(parse_json(metadata["brittle"])["data"]["classes"])
    for key in KEYS:
        for read in (parse_json, _literal):
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
    names = [name for name in cast("list[object]", value) if isinstance(name, str)]
    with suppress(UnicodeEncodeError):  # half a letter, which no file or screen can show
        "".join(names).encode()
        return tuple(names) if len(names) == len(cast("list[object]", value)) else ()
    return ()


def _literal(text: str) -> object:
    """What Python reads in a text of brackets, numbers and strings; raises ValueError for any other."""
    check_limit("text", len(text), "the names in a file's metadata")
    if not LITERAL.fullmatch(text):
        raise ValueError("it is no list of names")
    return ast.literal_eval(text)


def _in_archive(path: Path) -> tuple[str, ...]:
    """The names in an archive's extra file; () where it has none, or none that can be read."""
    with suppress(zipfile.BadZipFile, ValueError, OSError, RuntimeError), open_zip(path, str(path)) as archive:
        for record in archive.namelist():
            if record.partition("/")[2] == f"extra/{EXTRA}" or record == f"extra/{EXTRA}":
                return names_from(parse_json(read_member(archive, record, "text", str(path)), record))
    return ()
