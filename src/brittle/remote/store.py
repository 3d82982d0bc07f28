"""A place at an address of fsspec: what lies there, and files that come and go; every error in one sentence."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from brittle.addresses import in_small_letters, last_name, plain_address, protocol_of
from brittle.errors import InputError, MissingExtra, RunError, quoted
from brittle.files import UNFINISHED
from brittle.remote.asking import asked, reason

T = TypeVar("T")
PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "adlfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
}
"""Packages that fsspec needs for a protocol."""
AT_ONCE = {*("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory")}
"""Protocols at which a file is there whole or not at all once it is put; at others it is moved when it is written."""
THREADS = 16
"""Files that are fetched at the same time."""
LONGEST = 200
"""Letters of a name that is fetched."""
DEEPEST = 6
"""Folders within folders that are looked into."""
VERSION = ("ETag", "etag", "generation", "LastModified", "last_modified", "mtime", "modified", "updated", "created")
"""Keys under which file systems say which version of a file lies there."""


@dataclass(frozen=True)
class Entry:
    """A file at an address.

    Attributes:
        name: within the folder, its parts joined by strokes; no part leads out of it or is hidden.
        place: as the file system calls it.
        size: in bytes.
        version: whatever says that it has changed; "" where nothing does.
    """

    name: str
    place: str
    size: int
    version: str


@dataclass(frozen=True)
class Store:
    """The file system behind an address.

    Attributes:
        address: as the user wrote it.
        system: fsspec's.
        root: the address as the file system calls it.
    """

    address: str
    system: Any
    root: str

    @classmethod
    def of(cls, address: str) -> "Store":
        """Open the file system of an address.

        Raises:
            InputError: no file system is known by its protocol, or the address is not understood.
            MissingExtra: a package is missing.
            RunError: the server does not answer.
        """
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError as missing:
            raise MissingExtra("fsspec", "remote", plain_address(address)) from missing
        protocol = protocol_of(address)
        _check_whole_path(protocol, address)
        try:
            system, root = url_to_fs(in_small_letters(address))
        except ImportError as missing:
            package = PACKAGES.get(protocol)
            how = f"pip install {package}" if package else f"install what fsspec says: {quoted(missing)}"
            raise InputError(f"{protocol}:// needs {package or 'another package'}: {how}") from missing
        except OSError as error:
            raise RunError(
                f"{plain_address(address)} cannot be opened: its server does not answer ({reason(error, address)}); "
                "look at host and port, and give the same command again"
            ) from error
        except Exception as error:
            raise InputError(
                f"{plain_address(address)} is not an address that fsspec can open ({reason(error, address)}); "
                "expected such as s3://BUCKET/FOLDER or gs://BUCKET/FOLDER"
            ) from error
        root = "" if system.protocol == "dir" else str(root)  # which counts from its own folder
        return cls(address, system, root.rstrip("/"))

    @property
    def title(self) -> str:
        """The address as it is told."""
        return plain_address(self.address).rstrip("/")

    @property
    def puts_whole(self) -> bool:
        """Whether nobody ever sees half of a file that is put."""
        protocols = self.system.protocol
        return bool(AT_ONCE.intersection([protocols] if isinstance(protocols, str) else protocols))

    def children(self, name: str = "") -> tuple[list[Entry], list[str]]:
        """Return the files and the names of the folders directly within a folder; nothing where there is no folder.

        What is hidden, or has a name that none of ours has, is passed over.
        """
        files, folders = list[Entry](), list[str]()
        for found in self._listed(name):
            last = str(found["name"]).rstrip("/").rpartition("/")[2]
            whole = f"{name}/{last}" if name else last
            if not safe(last) or str(found["name"]).rstrip("/") == self.place(name):
                continue
            if found["type"] == "directory":
                folders.append(whole)
            elif found["type"] == "file":
                files.append(self._entry(whole, found))
        return files, folders

    def walk(self, most: int) -> Iterator[Entry]:
        """Yield every file within the folder, those of one folder after the other.

        Raises:
            InputError: there are more than so many, or folders lie too deep.
        """
        count, folders = 0, [""]
        while folders:
            files, more = self.children(folders.pop())
            count += len(files) + len(more)
            if count > most or any(name.count("/") > DEEPEST for name in more):
                raise InputError(f"{self.title} holds more than {most:,} files, or folders too deep within each other")
            folders += more
            yield from files

    def entry(self) -> Entry | None:
        """Return the one file that lies at the address; None where a folder or nothing does."""
        found: Mapping[str, Any] | None = self.ask("looked at", lambda: self.system.info(self.root), None)
        if found is None or found["type"] != "file":
            return None
        return self._entry(last_name(self.address), found)

    def place(self, name: str) -> str:
        """Return how the file system calls a file in the folder."""
        return "/".join(filter(None, (self.root, name)))

    def get_all(
        self, entries: Sequence[Entry], folder: Path, advance: Callable[[int], None] = lambda done: None
    ) -> None:
        """Fetch files, several at a time: most of what a small one takes is waiting.

        Args:
            entries: the files.
            folder: where they shall lie under their names.
            advance: is told how many bytes are there; by one thread at a time.

        Raises:
            RunError: one cannot be fetched; no others are begun then.
        """
        from fsspec.callbacks import Callback

        lock, total = threading.Lock(), 0

        def get(entry: Entry) -> None:
            seen = 0

            def shown(size: int | None, value: int, **_: object) -> None:
                nonlocal seen, total
                with lock:
                    total, seen = total + value - seen, value
                    if advance is not None:
                        advance(total)

            self.get(entry, folder / entry.name, Callback(hooks={"shown": shown}))
            shown(None, entry.size)

        with ThreadPoolExecutor(min(THREADS, max(len(entries), 1))) as pool:
            try:
                for future in as_completed([pool.submit(get, entry) for entry in entries]):
                    future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def get(self, entry: Entry, path: Path, callback: Any) -> None:
        """Fetch a file; a part of it is never left.

        Args:
            entry: the file.
            path: where it shall lie.
            callback: fsspec's, which is told of the bytes.

        Raises:
            RunError: it cannot be fetched, or has another size than was said.
        """
        path.parent.mkdir(parents=True, exist_ok=True)

        def fetch() -> bool:
            self.system.get_file(entry.place, str(path), callback=callback)
            return True

        try:
            found = self.ask("fetched", fetch, None)
            if found is None or path.stat().st_size != entry.size:
                raise RunError(f"{self.title} changed while {entry.name} was fetched; give the same command again")
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def read(self, name: str, most: int) -> bytes | None:
        """Return the first bytes of a small file; None where there is none."""
        return self.ask("read", lambda: self.system.cat_file(self.place(name), start=0, end=most), None)

    def write(self, name: str, content: bytes) -> None:
        """Put a small file."""
        self.ask("written to", lambda: self._at(name, lambda place: self.system.pipe_file(place, content)))

    def put(self, path: Path, name: str) -> None:
        """Put a file, whole or not at all, in place of one that is there."""
        self.ask("written to", lambda: self._at(name, lambda place: self.system.put_file(str(path), place)))

    def remove(self, name: str) -> None:
        """Remove a file that may be missing."""
        self.ask("written to", lambda: self.system.rm_file(self.place(name)), None)

    def clear_unfinished(self, name: str = "") -> None:
        """Remove what killed writers left half written in a folder."""
        for found in self._listed(name):
            if str(found["name"]).endswith(UNFINISHED):
                self.remove("/".join(filter(None, (name, str(found["name"]).rpartition("/")[2]))))

    def ask(self, what: str, call: Callable[[], T], missing: Any = RunError) -> T | Any:
        """Ask the file system; see `brittle.remote.asking.asked`."""
        return asked(what, self.address, call, missing)

    def _listed(self, name: str) -> list[Mapping[str, Any]]:
        def call() -> list[Mapping[str, Any]]:
            self.system.invalidate_cache()
            return self.system.ls(self.place(name), detail=True)

        found: list[Mapping[str, Any]] = self.ask("listed", call, [])
        return found

    def _entry(self, name: str, found: Mapping[str, Any]) -> Entry:
        version = "|".join(f"{key} {found[key]}" for key in VERSION if found.get(key) is not None)
        return Entry(name, str(found["name"]), int(found.get("size") or 0), version)

    def _at(self, name: str, write: Callable[[str], object]) -> None:
        """Write a file at its place, or beside it first where half of it could be seen."""
        place = self.place(name)
        if self.puts_whole:
            write(place)
            return
        folder, _, last = place.rpartition("/")
        self.system.makedirs(folder, exist_ok=True)
        beside = f"{folder}/" if folder else ""
        beside += f".{hashlib.sha256(last.encode(errors='surrogateescape')).hexdigest()[:16]}{UNFINISHED}"
        try:
            write(beside)
            self.system.mv(beside, place)
        except BaseException:
            with suppress(Exception):
                self.system.rm_file(beside)
            raise


def _check_whole_path(protocol: str, address: str) -> None:
    """Refuse two strokes before a path of this machine, where the first folder stands at the place of a machine.

    Raises:
        InputError: with the address that was meant.
    """
    path = address.partition("://")[2]
    if protocol in ("file", "local") and not path.startswith("/"):
        path = path.removeprefix("localhost/")
        raise InputError(
            f"{plain_address(address)} has a name after two strokes, where a machine would stand; expected "
            f"{protocol}:///{path}, with three, or a path as it is"
        )


def safe(name: str) -> bool:
    """Whether the name of a file in a remote folder is one that stays within a folder and is not hidden.

    Example:
        >>> [safe(name) for name in ("000000.parquet", "..", "a/b", ".lock", "")]
        [True, False, False, False, False]
    """
    return 0 < len(name.encode(errors="surrogateescape")) <= LONGEST and name[0] != "." and not {*name} & {*"/\\\0"}
