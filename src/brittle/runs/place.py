"""The one rule of outputs: `--out` never destroys, and files with dots in their names share nothing."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from brittle.arguments import several
from brittle.errors import RunError, quoted
from brittle.files import check_names, path_of, regular_or_nothing
from brittle.runs.kinds import TITLES, Kind, kind_in
from brittle.runs.lock import sweep

LONGEST = "n" * 99
"""As long as any name that is given within a folder of ours."""
ENDINGS = (".safetensors", ".training.json", ".png", ".html")
"""Endings that give way to that of a file beside; any other part of a name, such as the .1 of v-0.1, stays."""
OLD_ENDING = ".safetensors"
"""Of the files that `universal` and `train` wrote before they wrote folders."""


def beside(path: Path, ending: str) -> Path:
    """Return the file of another ending that belongs to a file.

    Args:
        path: of the file.
        ending: with its dot.

    Example:
        >>> [beside(Path(name), ".html").name for name in ("v.safetensors", "v-0.1", "a.b.safetensors")]
        ['v.html', 'v-0.1.html', 'a.b.html']
    """
    stem = path.name
    for known in ENDINGS:
        if stem.endswith(known) and stem != known:
            stem = stem.removesuffix(known)
            break
    return path.with_name(stem + ending)


def files_named(*specs: object) -> list[Path]:
    """Return the files and folders among what a user named as model, data or weights; other words are passed over.

    Args:
        specs: a path, `FILE.py:FACTORY`, a word such as `digits`, an object in place of a word, several, or None.
    """
    found: list[Path] = []
    for spec in (one for given in specs for one in several(given)):
        if isinstance(spec, str | os.PathLike):
            text = str(spec)
            for name in dict.fromkeys((text, text.rpartition(":")[0])):
                try:
                    path = path_of(name)
                    found += [path] if name and path.exists() else []
                except (OSError, ValueError, RuntimeError):
                    continue
    return found


def folder_of(out: Path | str) -> tuple[Path, str]:
    """Return the folder that a command writes into, and what is to be told where a file was named as in version 0.1.

    Args:
        out: what the user named; of a name that ends in `.safetensors` the folder is the part before.

    Raises:
        RunError: the file of an earlier version lies there, which stays.

    Example:
        >>> folder_of("v-0.1")
        (PosixPath('v-0.1'), '')
        >>> folder_of("v.safetensors")[0]
        PosixPath('v')
    """
    path = Path(out)
    name = path.name.removesuffix(OLD_ENDING)
    if name in ("", path.name) or path.is_dir():
        return path, ""
    folder = path.with_name(name)
    if os.path.lexists(path):
        raise RunError(
            f"{path} is a file, such as earlier versions wrote, and stays as it is; what is made now is a folder: give "
            f"{folder}, or another name"
        )
    note = f"what is made is a folder now: it lies in {folder}, not in the file {path}; give --out {folder}, as the "
    return folder, note + f"ending {OLD_ENDING} will be refused in the next version"


def not_an_input(path: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write over a file that is being read.

    Raises:
        RunError: the path is one of the inputs, under whatever name.
    """
    for given in inputs:
        if path.exists() and given.exists() and path.samefile(given):
            raise RunError(f"{path} is being read by this very command and would be written over; give another name")


def check_folder(folder: Path, kind: Kind, inputs: Iterable[Path] = ()) -> None:
    """Refuse a folder that holds something else than an earlier command of the same kind left.

    Args:
        folder: new, empty or ours.
        kind: of the folder.
        inputs: what is being read.

    Raises:
        RunError: it is no folder, is being read, or holds something else.
    """
    check_names(folder, folder / LONGEST)
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        if folder.is_symlink():
            raise RunError(f"{folder} is a link to {folder.readlink()}, which is not there; give a folder") from None
        return
    except OSError as error:
        raise RunError(f"{folder} cannot be looked at: {error.strerror or error}; give another folder") from error
    if not stat.S_ISDIR(mode):
        raise RunError(f"{folder} is no folder but a file, which stays as it is; give a new or an empty folder")
    for written in (folder, *(folder / name for name in kind.files)):
        not_an_input(written, inputs)
    others = sorted(entry.name for entry in folder.iterdir() if not entry.name.endswith(".unfinished"))
    if others and not kind.ours(folder):
        if other := kind_in(folder):
            raise RunError(
                f"{folder} is the folder of {TITLES.get(other, quoted(other, 20))}, not {kind.name}; it stays as it "
                "is, give a new or an empty folder"
            )
        raise RunError(
            f"{folder} is not {kind.name} of brittle but holds other files ({', '.join(others[:3])}); they stay as "
            "they are, give a new or an empty folder"
        )


def check_page(path: Path, kind: Kind, *, asked: bool, force: bool) -> None:
    """Refuse to write a page over a file that is no page of ours, or over another page that the user named.

    Args:
        path: where the page shall lie.
        kind: `PAGE`, or that of another file of ours.
        asked: the user named this file; where brittle chose it, beside what the page shows, its own page gives way.
        force: replace a page of ours.

    Raises:
        RunError: something is there that stays.
    """
    check_names(path)
    if regular_or_nothing(path):
        if not kind.ours(path):
            raise RunError(f"{path} exists and is not {kind.name} of brittle; it stays as it is, give another name")
        if asked and not force:
            raise RunError(
                f"{path} holds another {kind.name.partition(' ')[2]}, which stays as it is; give another name, or "
                "--force to replace it"
            )
    if path.parent.is_dir():
        sweep(path.parent)
