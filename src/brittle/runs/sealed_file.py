"""One JSON file with a checksum of all that it says, read into a model that takes nothing else."""

import json
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from brittle.errors import OverLimit, RunError, quoted
from brittle.files import write_atomically
from brittle.reading import read_json
from brittle.runs.checkpoint import broken_seal, sealed
from brittle.runs.manifest_info import Strict

S = TypeVar("S", bound=Strict)


def write_sealed(path: Path, content: Strict) -> None:
    """Write a file whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    text = json.dumps(sealed(content.model_dump(mode="json")), indent=1, ensure_ascii=False) + "\n"
    write_atomically(path, text.encode())


def read_sealed(path: Path, kind: type[S], title: str) -> S:
    """Read a file that nobody need trust.

    Args:
        path: the file.
        kind: what it holds.
        title: of that, with its article.

    Raises:
        RunError: it is not there, is damaged, or holds something else.
    """
    try:
        found: object = read_json(path)
        plain = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
        if broken_seal(plain):
            raise ValueError("its checksum is not that of its content")
        return kind.model_validate_json(json.dumps({name: one for name, one in plain.items() if name != "checksum"}))
    except (OSError, OverLimit, ValueError, ValidationError) as error:
        raise RunError(
            f"{path} is not {title} as brittle writes it, or is damaged ({quoted(error)}); make it again"
        ) from error
