"""A folder that holds one piece of work: a manifest that says what it is, its writers, and files that are checked."""

import os
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

from brittle.errors import RunError
from brittle.files import cannot_write, remove_file, write_atomically
from brittle.names import stored
from brittle.remote import at
from brittle.runs.base import BaseManifest, kind_of
from brittle.runs.kinds import RUN as MANIFEST
from brittle.runs.kinds import TITLES, Kind
from brittle.runs.lock import clear_unfinished, hold_folder, join_folder, names_held, share_folder, taken
from brittle.runs.place import check_folder
from brittle.runs.read import read_manifest
from brittle.runs.same import same_run
from brittle.runs.surroundings import now

M = TypeVar("M", bound=BaseManifest)
REPORT = "report.html"
"""The page, which `write_report` puts into the folder."""
PAUSE = 0.02
"""Seconds between two looks at a manifest that another process is writing."""
NOTES = 5
"""The last notes are kept."""


class ManifestFolder(ABC, Generic[M]):
    """A folder with a manifest.

    A folder made by `create` is held by this process until `finish`, `close`, the end of a ``with`` block or the end
    of the process, however that ends; a second writer is refused, or works beside it where the work is `shared`. A
    folder from `open` is only read.

    Attributes:
        path: the folder.
        manifest: what it holds; `note` and `finish` replace it.
    """

    of: ClassVar[type[BaseManifest]]
    """The manifests of this kind."""
    kind: ClassVar[Kind]
    """How such a folder is known."""
    shared: ClassVar[bool] = False
    """Whether several processes may work in it at the same time."""

    def __init__(self, path: Path, manifest: M):
        self.path, self.manifest = path, manifest
        self._release: weakref.finalize[[int], Self] | None = None
        self._handle = -1

    @classmethod
    def create(cls, path: Path, manifest: M, *, force: bool = False) -> Self:
        """Start work in a new or empty folder, or go on with the same work in its folder.

        What a killed process left half written is removed; the files it finished stay. When the work goes on, or
        another process is at work on it, the manifest in the folder is kept. Other work of which nothing was finished,
        so that there is a manifest alone, gives way.

        Args:
            path: the folder; made with its parents where it does not exist.
            manifest: what is about to be done.
            force: remove what belongs to other work of the same kind that the folder holds, and begin there.

        Returns:
            The folder, held by this process.

        Raises:
            RunError: the folder cannot be written, is in use by another process, holds something else, or holds
                other work (the message says what differs).
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error
        folder = cls(path, manifest)
        try:
            alone = folder._hold()
            check_folder(path, cls.kind)
            if (path / MANIFEST).exists() and (force or (alone and folder._nothing_done())):
                folder._clear_another(alone=alone)
            if (path / MANIFEST).exists():
                folder.manifest = folder._same(manifest)
            else:  # who is not alone finds it there, but on a file system without locks
                write_atomically(path / MANIFEST, manifest.to_json().encode())
            folder._let_others_in()
        except OSError as error:
            folder.close()
            raise cannot_write(path, error) from error
        except BaseException:
            folder.close()
            raise
        return folder

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a folder to read it, finished or not.

        Args:
            path: the folder, or its address, such as ``s3://bucket/run``; its files are fetched then, and lie on this
                disk as long as what this returns is held.

        Returns:
            The folder; nothing in it is changed.

        Raises:
            RunError: there is no work of this kind in it, or its manifest cannot be read.
        """
        with at(path, write=False) as place:
            folder = cls(place.path, cast("M", read_manifest(place.path / MANIFEST, cls.of)))
            place.keep_for(folder)
        return folder

    @property
    def title(self) -> str:
        """What the folder is of, with its article."""
        return TITLES[kind_of(self.of)]

    @abstractmethod
    def files_of_work(self) -> Iterable[Path]:
        """The files that `force` removes where they belong to other work, besides page and manifest."""

    @abstractmethod
    def check_whole(self) -> Mapping[str, Any]:
        """Make sure that everything is there.

        Returns:
            Fields of the manifest that a finished one has in addition.

        Raises:
            RunError: something is missing or damaged.
        """

    def note(self, text: str) -> None:
        """Record in one line what was found when results of an earlier call were used again."""
        self.change_manifest(lambda manifest: {"notes": [*manifest.notes, stored(text)][-NOTES:]})

    def note_files(self, files: Mapping[str, str]) -> None:
        """Record files of the user's that the result depends on, by path with their digests."""
        self.change_manifest(lambda manifest: {"files": {**manifest.files, **files}})

    def finish(self) -> None:
        """Record that everything is done, and let go of the folder.

        Raises:
            RunError: something is missing or damaged, or the manifest cannot be written.
        """
        self.replace_manifest(**self.check_whole(), status="finished", finished=now())
        self.close()

    def close(self) -> None:
        """Let go of the folder, so that another process may go on with the work; harmless when done twice."""
        if self._release is not None:
            self._release()
            self._release = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def replace_manifest(self, **changes: Any) -> None:
        """Write the manifest anew with other fields, which must not be those of its identity."""
        self.change_manifest(lambda _: changes)

    def change_manifest(self, change: Callable[[M], Mapping[str, Any]]) -> None:
        """Write the manifest as it lies there with other fields; one process after the other.

        Args:
            change: gives the fields for the manifest that lies there; they must not be those of its identity.
        """
        with names_held(self.path, MANIFEST, [MANIFEST], wait=lambda: time.sleep(PAUSE)):
            found = cast("M", read_manifest(self.path / MANIFEST, self.of))
            manifest = found.model_copy(update=change(found))
            write_atomically(self.path / MANIFEST, manifest.to_json().encode())
        self.manifest = manifest

    def _same(self, manifest: M) -> M:
        """Return the manifest that lies in the folder, if it is of the same work."""
        return same_run(self.path, manifest)

    def _hold(self) -> bool:
        """Lock the folder itself; the system lets go of it when the process ends, also by kill -9.

        Returns:
            Whether nobody else works here; what a killed process left half written is gone then.
        """
        handle, alone = join_folder(self.path) if self.shared else (hold_folder(self.path), True)
        self._handle, self._release = handle, weakref.finalize(self, os.close, handle)
        if alone:
            clear_unfinished(self.path)
        return alone

    def _let_others_in(self) -> None:
        """Let others in, where they may work here."""
        if self.shared and self._release is not None:
            share_folder(self._handle)

    def _nothing_done(self) -> bool:
        """Whether the work that lies in the folder has finished nothing, so that nothing is lost with its manifest."""
        found = read_manifest(self.path / MANIFEST, self.of)
        files = (*self.files_of_work(), self.path / REPORT)
        return found.format == self.manifest.format and not any(file.exists() for file in files)

    def _clear_another(self, *, alone: bool) -> None:
        """Remove what belongs to other work, its manifest last: killed meanwhile, it is still known for what it is."""
        try:
            self._same(self.manifest)
        except RunError:
            if not alone:
                raise taken(self.path) from None
            for file in (*self.files_of_work(), self.path / REPORT, self.path / MANIFEST):
                remove_file(file)
