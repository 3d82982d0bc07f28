"""Folders of a few files that are written once: of a universal perturbation, a training and a substitute."""

import hashlib
from abc import ABC
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from brittle.errors import RunError
from brittle.files import remove_file
from brittle.reading import open_ordinary
from brittle.runs.folder import ManifestFolder
from brittle.runs.kinds import ANSWERS_FILE, CHECKPOINT_FILE, SUBSTITUTE, TEACHER_FILE, TRAINING, UNIVERSAL
from brittle.runs.result_manifests import ResultManifest, SubstituteManifest, TrainingManifest, UniversalManifest
from brittle.runs.surroundings import now

R = TypeVar("R", bound=ResultManifest)
AT_ONCE = 1 << 20
"""Bytes of a file that are read at a time."""


class ResultFolder(ManifestFolder[R], ABC):
    """A folder whose manifest, once the work is finished, holds the sha256 of every file.

    Attributes:
        path: the folder.
        manifest: what it holds.
    """

    @property
    def checkpoint(self) -> Path:
        """What killed work goes on from."""
        return self.path / CHECKPOINT_FILE

    @property
    def whole(self) -> bool:
        """Whether the work is finished, and every file is still the one that was written."""
        try:
            for name in self.kind.files:
                self.file(name)
        except RunError:
            return False
        return True

    def file(self, name: str) -> Path:
        """Return where a file of the finished work lies, once it is seen to be the one that was written.

        Raises:
            RunError: the work is not finished, or the file is missing or another one.
        """
        path = self.path / name
        again = f"give the command that made {self.title} again: it goes on, and makes anew what is not whole"
        if self.manifest.status != "finished":
            raise RunError(f"{self.path} holds {self.title} that is not finished; {again}")
        found = _digest(path)
        if found is None:
            raise RunError(f"{path} is missing or cannot be read; {again}")
        if found != self.manifest.contents.get(name):
            raise RunError(f"{path} is not the file that was written, but damaged or another one; {again}")
        return path

    def check_whole(self) -> Mapping[str, Any]:
        """Return the digests of all files, for the manifest.

        Raises:
            RunError: a file is missing.
        """
        digests = {name: _digest(self.path / name) for name in self.kind.files}
        for name, digest in digests.items():
            if digest is None:
                raise RunError(f"{self.path / name} is missing, so that the work is not finished")
        return {"contents": digests}

    def finish(self) -> None:
        """Record that everything is done where it is not recorded, remove the checkpoint, and let go of the folder.

        Raises:
            RunError: a file is missing, or the manifest cannot be written.
        """
        if not self.whole:
            self.replace_manifest(**self.check_whole(), status="finished", finished=now())
        remove_file(self.checkpoint)
        self.close()

    def files_of_work(self) -> Iterable[Path]:
        """The files, and the checkpoint."""
        return (*(self.path / name for name in self.kind.files), self.checkpoint)


class UniversalFolder(ResultFolder[UniversalManifest]):
    """The folder of a universal perturbation: the perturbation, and a row for every image."""

    of = UniversalManifest
    kind = UNIVERSAL

    def checkpoint_of(self, search: int) -> Path:
        """Return where the checkpoint of one of several searches lies, counted from 0."""
        return self.checkpoint if not search else self.path / f"{CHECKPOINT_FILE}.{search}"

    def finish(self) -> None:
        """Finish as any other, and remove the checkpoints of further searches too."""
        for search in range(1, self.manifest.seeds):
            remove_file(self.checkpoint_of(search))
        super().finish()

    def files_of_work(self) -> Iterable[Path]:
        """The files, and the checkpoints."""
        return (*super().files_of_work(), *(self.checkpoint_of(search) for search in range(self.manifest.seeds)))


class TrainingFolder(ResultFolder[TrainingManifest]):
    """The folder of a training: the weights, and what every epoch gave."""

    of = TrainingManifest
    kind = TRAINING

    def finish(self) -> None:
        """Finish as any other, and remove the checkpoint of a teacher too."""
        remove_file(self.path / TEACHER_FILE)
        super().finish()

    def files_of_work(self) -> Iterable[Path]:
        """The files, and the checkpoints."""
        return (*super().files_of_work(), self.path / TEACHER_FILE)


class SubstituteFolder(ResultFolder[SubstituteManifest]):
    """The folder of a substitute: its weights, and what every round and attack gave.

    The oracle's answers lie in it too. They were paid for, and stay, whatever else is replaced.
    """

    of = SubstituteManifest
    kind = SUBSTITUTE

    @property
    def answers(self) -> Path:
        """Where the oracle's answers lie."""
        return self.path / ANSWERS_FILE


def _digest(path: Path) -> str | None:
    """Return the sha256 of an ordinary file, in hexadecimal; None where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open_ordinary(path) as file:
            while some := file.read(AT_ONCE):
                digest.update(some)
    except OSError:
        return None
    return digest.hexdigest()
