"""Whether work that is about to begin is the one that lies in a folder, so that it may go on there."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from brittle.errors import RunError
from brittle.identity.sources import digest_of_file
from brittle.names import restored
from brittle.runs.base import BaseManifest
from brittle.runs.kinds import RUN as MANIFEST
from brittle.runs.read import read_manifest

M = TypeVar("M", bound=BaseManifest)


class AnotherRun(RunError):
    """A folder holds other work than what is about to begin there.

    Args:
        path: the folder.
        lines: what differs.
    """

    def __init__(self, path: Path, lines: Sequence[str]):
        self.path, self.lines = path, tuple(lines)
        listed = "".join(f"\n  {line}" for line in lines)
        super().__init__(
            f"{path} holds another run, which stays as it is; give another folder to begin anew, ask for the same "
            f"again, or give --force to replace it:{listed}"
        )

    def __reduce__(self) -> "tuple[type[AnotherRun], tuple[Path, tuple[str, ...]]]":
        """Say how it is made again in another process."""
        return AnotherRun, (self.path, self.lines)


def same_run(path: Path, manifest: M) -> M:
    """Return the manifest that lies in a folder, if it is of the run that is about to go on there.

    Raises:
        AnotherRun: it is of another run; the message says what differs.
        RunError: it is of an older version.
    """
    found = read_manifest(path / MANIFEST, type(manifest))
    if found.format != manifest.format:
        raise RunError(
            f"{path} holds a run of an older version of brittle (format {found.format}, now {manifest.format}), which "
            "can be opened and reported and stays as it is; give another folder to begin anew, or --force to replace it"
        )
    lines = found.differences(manifest.without_late(found)) if found.identity != manifest.identity else []
    both = (
        set[str]()
        if found.code is None or manifest.code is None
        else {*found.code.yours.values()} & {*manifest.code.yours.values()}
    )
    for file, digest in found.files.items():
        if not lines and digest not in both and digest_of_file(Path(restored(file))) != digest:
            lines = [f"your code: {file}, which was loaded only while the work went on, changed since"]
    if lines:
        raise AnotherRun(path, lines)
    return found
