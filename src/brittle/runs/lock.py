"""One writer at a place: a lock that the system lets go of when the process ends, also by kill -9."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from brittle.errors import RunError
from brittle.files import UNFINISHED, cannot_write, unfinished_prefix

LOCK = ".lock"
"""Suffix of a lock file; it lies beside a file that is being made, hidden, and is removed with the lock."""
QUIET = 60.0
"""Seconds since the last write after which what a dead process of another place left in the folder is removed."""
PATIENCE = 60
"""How often, 20 times a second, a folder is asked for again that somebody prepares for a moment."""
TRIES = 3
"""A lock that is held for a moment only, by somebody who clears away, is asked for again."""


def hold_folder(folder: Path) -> int:
    """Lock a folder that exists.

    Args:
        folder: to be written to by this process alone.

    Returns:
        A handle; closing it lets go of the folder.

    Raises:
        RunError: another process, or another call in this one, holds it.
        OSError: the folder cannot be opened.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    if not _locked(handle):
        os.close(handle)
        raise taken(folder)
    return handle


def join_folder(folder: Path) -> tuple[int, bool]:
    """Begin to work in a folder that exists, beside others who work there too.

    Who comes first has it alone, can clear away what killed writers left, and lets others in by `share_folder`.

    Args:
        folder: to be written to, each file whole or not at all.

    Returns:
        A handle; closing it ends the work; and whether nobody else is there for now.

    Raises:
        RunError: somebody holds it alone.
        OSError: the folder cannot be opened.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(PATIENCE):
            for how in (fcntl.LOCK_EX, fcntl.LOCK_SH):
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(handle, how | fcntl.LOCK_NB)
                    return handle, how == fcntl.LOCK_EX
            time.sleep(0.05)
    except OSError:
        return handle, False  # a file system without locks
    os.close(handle)
    raise taken(folder)


def share_folder(handle: int) -> None:
    """Let others into a folder that `join_folder` gave alone."""
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH)


@contextlib.contextmanager
def folder_joined(folder: Path) -> Generator[None]:
    """Work in a folder, which is made where it is missing, beside others; the first clears what killed writers left.

    Args:
        folder: to be written to, each file whole or not at all.

    Raises:
        RunError: somebody holds it alone, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, alone = join_folder(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        if alone:
            clear_unfinished(folder)
        share_folder(handle)
        yield
    finally:
        os.close(handle)


def clear_unfinished(folder: Path) -> None:
    """Remove what a killed writer left half written in a folder that nobody else writes to, and its locks."""
    for left in [*folder.rglob(f".*{UNFINISHED}"), *folder.rglob(f".*{LOCK}")]:
        left.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_held(folder: Path) -> Generator[None]:
    """Hold a folder, which is made where it is missing, and clear away what a killed writer left half written in it.

    Args:
        folder: to be written to by this process alone.

    Raises:
        RunError: it is held by somebody else, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = hold_folder(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        clear_unfinished(folder)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def names_held(
    folder: Path, stem: str, names: Iterable[str], *, wait: Callable[[], None] | None = None
) -> Generator[None]:
    """Hold the files of one name in a folder, and clear away what killed writers left half written.

    The lock is a hidden file beside them, which goes when the lock does. One that a killed process left is taken over.

    Args:
        folder: of the files; made where it is missing.
        stem: what their names begin with.
        names: of all files that are about to be written.
        wait: is called, and should sleep a little, as long as somebody else holds them; by default that is an error.

    Raises:
        RunError: somebody else holds them and there is no `wait`, or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with names_held(folder, "v", ["v.safetensors"]):
        ...     [path.name for path in folder.iterdir()]
        ['.v.lock']
        >>> list(folder.iterdir())
        []
    """
    path = folder / f".{stem}{LOCK}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _hold_file(path)
        while handle is None and wait is not None:
            wait()
            handle = _hold_file(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    if handle is None:
        raise taken(folder / stem)
    try:
        for name in names:
            for left in folder.iterdir():
                if left.name.startswith(unfinished_prefix(name)) and left.name.endswith(UNFINISHED):
                    left.unlink(missing_ok=True)
        sweep(folder)
        yield
    finally:
        path.unlink(missing_ok=True)  # before the lock goes, so that nobody locks a file that is about to vanish
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove from a folder what processes left there that are dead: half-written files and locks.

    What was written to within the last minute stays: on a shared disk a process of another machine looks dead.

    Args:
        folder: only files directly in it are looked at.
    """
    for left in list(folder.iterdir()):
        with contextlib.suppress(OSError):
            if not left.name.startswith(".") or time.time() - left.lstat().st_mtime < QUIET:
                continue
            if left.name.endswith(UNFINISHED) and _dead(left.name.removesuffix(UNFINISHED).rpartition(".")[2]):
                left.unlink()
            elif left.name.endswith(LOCK) and (handle := _hold_file(left, make=False)) is not None:
                if os.fstat(handle).st_size == 0:  # ours are empty; a lock file of somebody else's may hold a word
                    left.unlink(missing_ok=True)
                os.close(handle)


def taken(path: Path) -> RunError:
    """Say that somebody else writes there."""
    return RunError(f"another process is writing to {path}; wait for it, or give another name or folder")


def _hold_file(path: Path, *, make: bool = True) -> int | None:
    """Return the handle of a locked file that still lies there, or None where another process holds it."""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(0.05)
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_CREAT if make else 0), 0o666)
        if _locked(handle):
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(handle)):
                    return handle
        os.close(handle)
    return None


def _locked(handle: int) -> bool:
    """Lock it if nobody else has; on a file system without locks, go on without one."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _dead(process: str) -> bool:
    """Whether no process of this number is alive on this machine."""
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
