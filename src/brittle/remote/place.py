"""A run folder wherever it lies: a path as it is, an address by a working copy on this disk."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from brittle.addresses import is_address, last_name
from brittle.errors import BrittleError, InputError, RunError
from brittle.files import FOLLOWED
from brittle.limits import check_limit
from brittle.reading import RECORDS
from brittle.remote.store import Entry, Store, safe
from brittle.remote.writer import Writer

KNOWN_BY = {"manifest.json", "comparison.json", "leaderboard.json", "attack.json"}
"""What a folder of ours has directly in it; nothing is fetched of another."""
LISTED = {"index.json", "index.csv", "report.html"}
"""What lies in the folder of several attacks' images beside their folders: a list, by which it is known, alone."""
PAIR = {"naive", "adaptive"}
"""The folders in that of two audits of a defended network, which has no manifest of its own."""
PREFIX = "brittle-remote-"
"""How the names of folders of working copies begin."""
QUIET = 60.0
"""Seconds before a working copy that nobody holds is taken for that of a killed process."""
ROOM = 0.9
"""The part of the free disk that a working copy may fill."""


class Place(Protocol):
    """A folder that is worked in.

    Attributes:
        path: where it lies on this disk.
    """

    @property
    def path(self) -> Path:
        """See the class."""
        ...

    def keep_for(self, owner: object) -> None:
        """Keep what lies on this disk as long as a value is held."""
        ...


@dataclass(frozen=True)
class OnDisk:
    """A folder of this machine.

    Attributes:
        path: as the user gave it.
    """

    path: Path

    def keep_for(self, owner: object) -> None:
        """Do nothing: what the user named stays anyway."""


class WorkingCopy:
    """What lies in a remote folder, on this disk: each file that is written here is put there at once.

    Attributes:
        path: of the copy; its last names are those of the address.
        store: of the remote folder.
    """

    def __init__(self, address: str, *, write: bool):
        self.store = Store.of(address)
        sweep()
        self._base = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        self._handle = os.open(self._base, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._handle, fcntl.LOCK_SH)  # until the process ends, also by kill -9
        names = [name for name in self.store.title.partition("://")[2].split("/") if safe(name)]
        self.path = self._base.joinpath(*names[-2:]) if names else self._base / "run"
        self._writer = Writer(self.store) if write else None
        self._owners = 0

    def __enter__(self) -> "WorkingCopy":
        try:
            found = self._ours()
            if self._writer is not None:
                self._writer.begin()
                self.store.clear_unfinished()
            self._fetch(found)
        except BaseException:
            self._end()
            self._gone()
            raise
        FOLLOWED[self.path] = self
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._end()
        if isinstance(error, BrittleError):
            name_address(error, self.path, self.store.title)
        if not self._owners or error is not None:
            self._gone()

    def keep_for(self, owner: object) -> None:
        """Keep the copy, and what is written to it followed, as long as this value, or another, is held."""
        self._owners += 1
        weakref.finalize(owner, self._let_go)

    def written(self, path: Path) -> None:
        """Put a file where it belongs.

        Raises:
            RunError: it cannot be, after several tries, or somebody else writes there.
        """
        if self._writer is not None:
            self._writer.check()
        name = self._name(path)
        if all(map(safe, name.split("/"))):
            self.store.put(path, name)

    def removed(self, path: Path) -> None:
        """Remove a file there as well."""
        self.store.remove(self._name(path))

    def told(self, path: Path) -> str:
        """Return the address of what lies at a path."""
        return "/".join(one for one in (self.store.title, self._name(path)) if one not in ("", "."))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _ours(self) -> list[Entry]:
        """Return the files of a folder of ours; nothing of a new one.

        Raises:
            RunError: something else lies there, or nothing where something is to be read.
            OverLimit: a file is larger than any that is read.
        """
        files, folders = self.store.children()
        names = {one.name for one in files}
        listed = "index.json" in names and names <= LISTED
        if not names & KNOWN_BY and not {*folders} >= PAIR and not listed:
            held = ", ".join(sorted([*names, *folders])[:3])
            if self._writer is None:
                what = f"but other files ({held})" if held else "and nothing else"
                raise RunError(
                    f"{self.store.title} is no run folder: there is no manifest.json, {what}; give the address of what "
                    "brittle has written"
                )
            if names or not {*folders} <= PAIR | {"parts"}:
                raise RunError(
                    f"{self.store.title} is no folder of brittle but holds other files ({held}); they stay as they "
                    "are, give a new or an empty folder"
                )
        found = list(self.store.walk(RECORDS)) if names or folders else []
        for one in found:
            limit = "text" if one.name.endswith(".json") else "record"
            check_limit(limit, one.size, f"{self.store.title}/{one.name}")
        return found

    def _fetch(self, files: list[Entry]) -> None:
        check_room(sum(one.size for one in files), self._base, self.store.title)
        self.path.mkdir(parents=True)
        self.store.get_all(files, self.path)

    def _end(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _let_go(self) -> None:
        self._owners -= 1
        if not self._owners:
            self._gone()

    def _gone(self) -> None:
        FOLLOWED.pop(self.path, None)
        shutil.rmtree(self._base, ignore_errors=True)
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@contextlib.contextmanager
def at(place: Path | str, *, write: bool = True) -> Generator[Place]:
    """Work in a folder, wherever it lies.

    Of an address, what lies there is fetched first, and each file that is written is put there as soon as it is whole.
    The copy on this disk goes with the block, unless it is kept for a value. Errors name the address.

    Args:
        place: a path, or an address such as ``s3://bucket/run``.
        write: hold it as its only writer.

    Raises:
        InputError: an address that cannot be opened, or for which a package is missing.
        RunError: the remote folder cannot be read or written, holds something else, or somebody writes there.

    Example:
        >>> from brittle.files import write_atomically
        >>> with at("memory://example/run") as folder:
        ...     write_atomically(folder.path / "manifest.json", b"{}")
        >>> with at("memory://example/run", write=False) as folder:
        ...     [path.name for path in folder.path.iterdir()]
        ['manifest.json']
    """
    if not is_address(place):
        yield OnDisk(Path(place))
        return
    if not last_name(str(place)):
        raise InputError(f"{place} names no folder; give one, such as {str(place).partition('://')[0]}://bucket/run")
    with WorkingCopy(str(place), write=write) as copy:
        yield copy


def name_address(error: BrittleError, path: Path, title: str) -> None:
    """Let an error name an address where it names the path of what was fetched from there."""
    error.args = tuple(one.replace(str(path), title) if isinstance(one, str) else one for one in error.args)


def sweep() -> None:
    """Remove the working copies that killed processes left."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if left.is_symlink() or time.time() - left.stat().st_mtime < QUIET:
                continue
            handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(handle)


def check_room(size: int, folder: Path, what: str) -> None:
    """Refuse to fetch more than the disk takes.

    Raises:
        InputError: it would fill the disk.
    """
    free = shutil.disk_usage(folder).free
    if size > ROOM * free:
        raise InputError(
            f"{what} has {size / 1e9:,.1f} GB, and the disk of {folder} {free / 1e9:,.1f} GB left; make room, or give "
            "less"
        )
