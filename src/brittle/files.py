"""Writing a file so that a reader sees the old one or the new one whole, never a part; even when the power fails."""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import Protocol

from brittle.addresses import looks_collapsed
from brittle.errors import InputError, RunError, quoted

UNFINISHED = ".unfinished"
"""Suffix of a file that is being written; one that is found later was left by a killed process."""
SHOWN = 60
"""Letters of a name that is refused that are told."""


class Follower(Protocol):
    """Who is told of each file that is written or removed within a folder, such as one that has a remote place."""

    def written(self, path: Path) -> None:
        """Learn that a file lies there whole."""
        ...

    def removed(self, path: Path) -> None:
        """Learn that a file is gone."""
        ...

    def told(self, path: Path) -> str:
        """Return how messages name a file or folder within it."""
        ...


FOLLOWED: dict[Path, Follower] = {}
"""Folders, resolved, of which somebody is told; `brittle.remote` alone puts them there."""


def follower_of(path: Path) -> Follower | None:
    """Return who is told of what is written at a path; None for most."""
    if not FOLLOWED:
        return None
    whole = path.resolve()
    return next((FOLLOWED[folder] for folder in (whole, *whole.parents) if folder in FOLLOWED), None)


def told(path: Path) -> str:
    """Return how messages and pages name a path: by its address where it is the working copy of a remote folder.

    Example:
        >>> told(Path("runs/first"))
        'runs/first'
    """
    follower = follower_of(path)
    return str(path) if follower is None else follower.told(path.resolve())


def as_out(path: Path) -> str:
    """Return how a command that makes something again names where it lies: by its last name, or by its whole address.

    Example:
        >>> as_out(Path("/home/me/runs/first"))
        'first'
    """
    return path.name if follower_of(path) is None else told(path)


def remove_file(path: Path) -> None:
    """Remove a file that may be missing, in its remote place too where it has one."""
    path.unlink(missing_ok=True)
    if (follower := follower_of(path)) is not None:
        follower.removed(path.resolve())


def write_atomically(path: Path, content: "bytes | memoryview") -> None:
    """Write a file whole or not at all: a file beside it, flushed to disk, then renamed.

    Args:
        path: where the file shall lie; its folder is made where it is missing.
        content: all of its bytes.

    Raises:
        RunError: the folder cannot be written, the disk is full, or something lies there that is no regular file;
            what is there stays as it was.

    Example:
        >>> import tempfile
        >>> note = Path(tempfile.mkdtemp()) / "note"
        >>> write_atomically(note, b"whole")
        >>> note.read_bytes()
        b'whole'
    """
    regular_or_nothing(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        raise cannot_write(path, error) from error
    if (follower := follower_of(path)) is not None:
        follower.written(path.resolve())


def _replace(path: Path, content: "bytes | memoryview") -> None:
    unfinished = unfinished_beside(path)
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def regular_or_nothing(path: Path) -> bool:
    """Whether a regular file lies at a path; what is neither that nor nothing is refused.

    A link is not followed: renaming onto it would put a file in its place, and writing through it would change a file
    that nobody named.

    Raises:
        RunError: a link, a folder, a device or a pipe is there, or the path cannot be looked at.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise cannot_write(path, error) from error
    if stat.S_ISREG(mode):
        return True
    if stat.S_ISLNK(mode):
        raise RunError(f"{path} is a link to {path.readlink()}; name the file itself, or another one")
    what = "a folder" if stat.S_ISDIR(mode) else "no regular file but a device, a pipe or a socket"
    raise RunError(f"{path} is {what}; give the name of a file")


def unfinished_beside(path: Path) -> Path:
    """Return where a file is written before it is renamed: of a short name, as a file's own may fill its 255 bytes."""
    return path.with_name(f"{unfinished_prefix(path.name)}{os.getpid()}{UNFINISHED}")


def unfinished_prefix(name: str) -> str:
    """Return what the name of such a file begins with, whichever process writes it."""
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}."


def path_of(spec: str | Path) -> Path:
    """Return the path that a user wrote, `~` standing for a home folder unless something is called so.

    Raises:
        InputError: the file system takes no such name, so that neither can anything lie there nor be written.

    Example:
        >>> path_of("photographs/cats")
        PosixPath('photographs/cats')
    """
    path = Path(spec)
    if not os.path.lexists(path):
        with contextlib.suppress(RuntimeError):  # no such user: a name that begins so
            path = path.expanduser()
    _refuse(path, path)
    return path


def check_names(*paths: Path) -> None:
    """Refuse paths that a file system does not take, before any work is done for what would be written there.

    Raises:
        InputError: a name is too long or holds what the file system does not take in one, or it is an address, such as
            ``s3://bucket/run``, that came here as a path.

    Example:
        >>> check_names(Path("run/report.html"))
    """
    for path in paths:
        if looks_collapsed(path) and not os.path.lexists(path.parts[0]):
            meant = str(path).replace(":/", ":///" if path.parts[0] in ("file:", "local:") else "://", 1)
            raise InputError(
                f"{str(path)!r} is read as a path, and looks like an address, which would be {meant}; addresses are "
                "taken for the folders of audit, merge, compare, leaderboard, report, attack, universal, apply and "
                "train, for data, and for networks; elsewhere give a path on this machine"
            )
        folder, missing = path, list[str]()
        while not os.path.lexists(folder) and folder != folder.parent:
            missing.append(folder.name)
            folder = folder.parent
        for name in (*(folder / one for one in missing), path):
            _refuse(name, path)
        if path.name:
            _refuse(unfinished_beside(path), path)


def _refuse(asked: Path, path: Path) -> None:
    """Let the file system say whether it takes a name; nothing need lie there."""
    try:
        asked.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        what = path.name if asked.name == path.name or asked.parent == path.parent else asked.name
        said = repr(what if len(what) <= SHOWN else what[:SHOWN] + "...")
        if len(what) <= SHOWN and isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            said = f"a path of {len(str(path)):,} letters that ends in {said}"
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"{said} cannot be the name of a file: {why}; give another") from error


def cannot_write(path: Path, error: OSError) -> RunError:
    """Say why a file or folder cannot be written, and for a full disk how much is left."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        try:
            existing = next(folder for folder in (path, *path.parents) if folder.exists())
            left = f"{shutil.disk_usage(existing).free / 1e6:,.1f} MB left"
        except (OSError, StopIteration):
            left = "space left unknown"
        return RunError(f"the disk is full: {path} could not be written ({left}); make room and run the same again")
    return RunError(f"{path} cannot be written: {quoted(error.strerror or error)}; give a folder you may write to")
