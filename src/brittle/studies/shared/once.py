"""A network is trained once, by the study that first asks for it, and read by all that ask later or meanwhile."""

import time
from collections.abc import Callable
from pathlib import Path

from brittle.runs.kinds import RUN, json_of
from brittle.runs.lock import names_held
from brittle.studies.bench.study import Setting

PAUSE = 1.0
"""Seconds between two looks at a network that another study is training."""


def trained_once(setting: Setting, name: str, make: Callable[[Path], None]) -> Path:
    """Return where a network lies in the folder of trained networks; made now unless it is there.

    Args:
        setting: what the user chose.
        name: of a file of weights, or of the folder of a training; it holds the digest of everything that determines
            the weights.
        make: trains, and writes the file or the folder that it is given.

    Raises:
        RunError: the folder cannot be written.
    """
    path = setting.networks / name
    told = False

    def wait() -> None:
        nonlocal told
        if not told:
            setting.tell(f"another study is training {name}; waiting for it")
        told = True
        time.sleep(PAUSE)

    if not _there(path):
        with names_held(path.parent, f"{path.name}.study", (), wait=wait):
            if not _there(path):
                make(path)
    return path


def _there(path: Path) -> bool:
    """Whether a network is trained: its file lies there, or a folder whose manifest says that it is finished."""
    return path.is_file() or json_of(path / RUN).get("status") == "finished"
