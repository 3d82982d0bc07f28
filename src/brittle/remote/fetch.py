"""Data and networks at addresses: fetched once, whole, into a cache on this disk."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Generator
from contextvars import ContextVar
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path

from brittle.addresses import is_address, last_name, plain_address
from brittle.errors import BrittleError, DataError, RunError
from brittle.files import UNFINISHED, check_names, path_of
from brittle.remote.place import at, check_room, name_address
from brittle.remote.store import Entry, Store

MOST = 2_000_000
"""Files of a folder of images that are fetched."""
MARK = 24
"""Letters of the digests that name what lies in the cache."""
Tell = Callable[[str, int], contextlib.AbstractContextManager[Callable[[int], None]]]
"""Shows that so many bytes of an address are fetched, and how far that is."""


@contextlib.contextmanager
def _silently(address: str, size: int) -> Generator[Callable[[int], None]]:
    yield lambda done: None


TELL: ContextVar[Tell] = ContextVar("tell", default=_silently)
"""Who shows how far what is fetched has come."""


def cache_folder() -> Path:
    """Return where files are kept that were fetched; all of it may be removed at any time."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "brittle" / "remote"


def fetched(address: str) -> Path:
    """Return where a file or folder of an address lies on this disk, fetched unless it lies there unchanged.

    Of a folder with Parquet files these are fetched, and files of names beside them; of another all files. What is
    hidden is passed over. Of a pattern, such as ``s3://bucket/data/test-*.parquet``, the files that fit it.

    Raises:
        DataError: nothing is there.
        InputError: an address that cannot be opened, or for which a package is missing; or the disk is too full.
        RunError: it cannot be fetched.

    Example:
        >>> import fsspec
        >>> fsspec.filesystem("memory").pipe("/example/words.txt", b"some")
        >>> fetched("memory://example/words.txt").name
        'words.txt'
    """
    name = last_name(address)
    pattern = name if has_magic(name) else ""
    store = Store.of(address[: address.rindex("/")] if pattern else address)
    one = None if pattern else store.entry()
    if one is None:
        files = [file for file in store.walk(MOST) if not pattern or fnmatchcase(file.name, pattern)]
        files = _of_parquet(files) if not pattern else files
        if not files:
            raise DataError(f"{plain_address(address)} does not exist: no file is there that could be read")
        folder = _kept(store, files)
        return folder / pattern if pattern else folder
    return _kept(store, [one]) / one.name


@contextlib.contextmanager
def made_at(place: Path | str) -> Generator[Path]:
    """Give a file, or a folder that brittle made, on this disk, wherever it lies.

    Errors within the block name the address.

    Args:
        place: a path, or an address.

    Raises:
        RunError: nothing is there, a folder of something else, or it cannot be fetched.
        InputError: an address that cannot be opened, or for which a package is missing.

    Example:
        >>> import fsspec
        >>> fsspec.filesystem("memory").pipe("/example/v.npy", b"some")
        >>> with made_at("memory://example/v.npy") as path:
        ...     path.name, path.read_bytes()
        ('v.npy', b'some')
    """
    if not is_address(place):
        path = path_of(place)
        check_names(path)
        yield path
    elif (store := Store.of(place)).entry() is None:
        if not any(store.children()):
            raise RunError(f"{store.title} does not exist; expected a folder that brittle made, or a file")
        with at(place, write=False) as folder:
            yield folder.path
    else:
        path = fetched(place)
        try:
            yield path
        except BrittleError as error:
            name_address(error, path, plain_address(place))
            raise


def _of_parquet(files: list[Entry]) -> list[Entry]:
    """Leave out what nobody reads beside Parquet files: other files, but those that are small."""
    direct = [one for one in files if "/" not in one.name]
    parquet = [one for one in direct if one.name.endswith(".parquet")]
    return [*parquet, *(one for one in direct if one.name.endswith(".txt"))] if parquet else files


def _kept(store: Store, files: list[Entry]) -> Path:
    """Return the folder in the cache of these versions of the files."""
    said = "\0".join(f"{one.name} {one.size} {one.version}" for one in sorted(files, key=lambda one: one.name))
    base = cache_folder() / _digest(store.title)
    name = last_name(store.address) if len(files) > 1 or files[0].name != last_name(store.address) else "file"
    folder = base / _digest(said) / name
    unversioned = any(not one.version for one in files)
    if folder.is_dir() and not unversioned:
        return folder
    beside = base / f"{_digest(said)}.{os.getpid()}{UNFINISHED}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        _fetch(store, files, beside / name)
        if unversioned:
            shutil.rmtree(folder.parent, ignore_errors=True)
        with contextlib.suppress(OSError):  # another process was first, with the same
            beside.rename(folder.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _fetch(store: Store, files: list[Entry], folder: Path) -> None:
    total = sum(one.size for one in files)
    check_room(total, folder.parent, store.title)
    with TELL.get()(store.title, total) as advance:
        store.get_all(files, folder, advance)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:MARK]
