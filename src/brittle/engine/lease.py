"""A lease on one part of a piece of work: a file that only one process can make, renewed, and taken over when stale."""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Generator
from pathlib import Path

from brittle.files import cannot_write
from brittle.processes.alive import is_alive
from brittle.reading import read_json

STALE = 60.0
"""Seconds without renewal after which a lease of another machine is taken over; the clocks may differ by less."""
RENEW = STALE / 6
"""Seconds between two renewals."""
TRIES = 10
"""How often a folder that somebody removes at the very moment is made again."""
LEASES = "leases"
"""The folder of the leases in that of the work, there while parts are under way."""
LEASE = ".lease"
"""Suffix of the file of a lease."""


@contextlib.contextmanager
def lease(path: Path) -> Generator[bool]:
    """Claim a part for as long as the block lasts, or find that another process, or another call in this one, has it.

    The lease of a process of this machine that has died is taken over at once, that of another machine once it has
    not been renewed for `STALE` seconds. A part is a pure function whose result is written whole or not at all, so
    that the one case a lease cannot rule out, a machine that stood still for so long, costs time and harms nothing.

    Args:
        path: of the file, which exists while the part is claimed; its folder is made where it is missing.

    Yields:
        Whether the part is this call's.

    Raises:
        RunError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> part = Path(tempfile.mkdtemp()) / "a.lease"
        >>> with lease(part) as mine, lease(part) as again:
        ...     (mine, again)
        (True, False)
        >>> part.exists()
        False
    """
    token = f"{socket.gethostname()} {os.getpid()} {time.time_ns()} {threading.get_ident()}"
    if not _claimed(path, token):
        yield False
        return
    stop = threading.Event()
    renewal = threading.Thread(target=_renew, args=(path, token, stop), daemon=True)
    renewal.start()
    try:
        yield True
    finally:
        stop.set()
        renewal.join()
        with contextlib.suppress(OSError):
            if _token(path) == token:  # it may have been taken over meanwhile
                path.unlink()


def new_lease(folder: Path, name: str) -> Path:
    """Return where a lease lies that nobody else has: one that says that somebody is at work, and on no part alone.

    Args:
        folder: of the leases.
        name: who it is, as part of the name of a file.
    """
    return folder / f"{name}-{uuid.uuid4().hex}{LEASE}"


def remove_stale(folder: Path) -> None:
    """Remove the leases that killed processes left, such as those of parts that they had just finished."""
    for path in folder.glob(f"*{LEASE}"):
        with contextlib.suppress(OSError):
            if _stale(path):
                path.unlink()


def others_at_work(folder: Path, own: Path) -> bool:
    """Whether somebody else who is still there holds a lease in a folder.

    Args:
        folder: of the leases.
        own: the one lease in it that is held here.
    """
    return any(path != own and is_claimed(path) for path in folder.glob(f"*{LEASE}"))


def is_claimed(path: Path) -> bool:
    """Whether a part is claimed by somebody who is still there.

    Args:
        path: of its file; it may be missing.
    """
    return path.exists() and not _stale(path)


def _claimed(path: Path, token: str) -> bool:
    """Claim in a folder that may be missing, or be removed by somebody who has just finished there."""
    try:
        for _ in range(TRIES):
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                return _claim(path, token)
        path.parent.mkdir(parents=True, exist_ok=True)
        return _claim(path, token)
    except OSError as error:
        raise cannot_write(path, error) from error


def _claim(path: Path, token: str) -> bool:
    """Make the file, or put ours in the place of a stale one; takers of one folder do so one after the other."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        if path.exists() and _stale(path):
            path.unlink(missing_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        host, process, since, thread = token.split()
        words = {"host": host, "pid": int(process), "since": int(since), "thread": int(thread)}
        with os.fdopen(handle, "w") as file:
            json.dump(words, file)
        return True
    finally:
        os.close(folder)


def _stale(path: Path) -> bool:
    """Whether nobody works on a part any more, as far as can be seen from here."""
    try:
        old = time.time() - path.stat().st_mtime > STALE
    except FileNotFoundError:
        return True
    token = _token(path)
    if token is None:
        return old  # killed before a word was written
    host, process, _, _ = token.split()
    return not is_alive(int(process)) if host == socket.gethostname() else old


def _token(path: Path) -> str | None:
    try:
        words = read_json(path)
        return f"{words['host']} {int(words['pid'])} {int(words['since'])} {int(words['thread'])}"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _renew(path: Path, token: str, stop: threading.Event) -> None:
    while not stop.wait(RENEW):
        with contextlib.suppress(OSError):
            if _token(path) == token:
                os.utime(path)
