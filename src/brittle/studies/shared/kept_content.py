"""Figures that several pieces of a study need, measured once and kept in its folder."""

from collections.abc import Callable, Mapping
from typing import Any

from brittle.errors import OverLimit
from brittle.files import write_atomically
from brittle.identity.compare import fingerprint, stated
from brittle.identity.sources import own_digest
from brittle.reading import read_json
from brittle.runs.checkpoint import broken_seal, sealed
from brittle.studies.bench.study import Setting


def kept_content(setting: Setting, place: str, identity: Mapping[str, object], make: Callable[[], Any]) -> Any:
    """Return what lies in the study's folder, made now where there is nothing whole of just this identity.

    Args:
        setting: what the user chose.
        place: a folder of the study's own and the beginning of a file's name, such as "courses/lenet".
        identity: everything that determines the content, brittle's own code apart.
        make: returns what JSON can hold.

    Raises:
        RunError: the folder cannot be written.
    """
    key = fingerprint(stated({**identity, "brittle's code": own_digest()}))
    path = setting.folder / f"{place}-{key[:16]}.json"
    try:
        content = read_json(path)
        if content["key"] == key and not broken_seal(content):
            return content["content"]
    except (OSError, OverLimit, ValueError, KeyError, TypeError, AttributeError):
        pass  # not there, damaged, or of another one
    content = make()
    write_atomically(path, (stated(sealed({"key": key, "content": content})) + "\n").encode())
    return content
