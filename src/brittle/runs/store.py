"""The run folder: a manifest and one Parquet file per attack and block of images, each written all or not at all."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
import os
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from brittle.errors import InputError, RunError, quoted
from brittle.files import cannot_write, write_atomically
from brittle.names import stored
from brittle.runs.finding import HEALTH, Health, read_health, write_health
from brittle.runs.kinds import RUN as MANIFEST
from brittle.runs.kinds import RUN_FOLDER
from brittle.runs.lock import clear_unfinished, join_folder, names_held, share_folder, taken
from brittle.runs.manifest import BadImageInfo, Manifest, read_manifest
from brittle.runs.place import check_folder
from brittle.runs.same import same_run
from brittle.runs.schema import NUMBERS, SCHEMA, read_rows

__all__ = ["MANIFEST", "NUMBERS", "PARTS", "SCHEMA", "RunFolder"]

PARTS = "parts"
DIGITS = 12
"""Most digits of the number of a block."""
ANEW = "run the audit again into this folder: it does this part anew and keeps the others"
"""What mends a part that is damaged or foreign."""
REPORT = "report.html"
"""The page of a run, which `write_report` puts into its folder."""
PAUSE = 0.02
"""Seconds between two looks at a manifest that another process is writing."""
NOTES = 5
"""The last notes are kept."""


class RunFolder:
    """A folder that holds one run: its manifest and the parts done so far.

    A folder made by `create` is worked in until `finish`, `close`, the end of a ``with`` block or the end of the
    process, however that ends; several processes may work in it at the same time, each on parts that it has claimed
    (`brittle.engine`). A folder from `open` is only read.

    Attributes:
        path: the folder.
        manifest: what the run is; `note_bad` and `finish` replace it.
    """

    def __init__(self, path: Path, manifest: Manifest):
        self.path, self.manifest = path, manifest
        self._release: weakref.finalize[[int], RunFolder] | None = None

    @classmethod
    def create(cls, path: Path, manifest: Manifest, *, force: bool = False) -> Self:
        """Start a run in a new or empty folder, or go on with the same run in its folder.

        What a killed process left half written is removed; the parts it finished stay. When the run goes on, or another
        process is at work on it, the manifest in the folder is kept.

        Args:
            path: the folder; made with its parents where it does not exist.
            manifest: what is about to be run.
            force: remove the parts of another run that the folder holds, and begin there.

        Returns:
            The folder, in which this process works.

        Raises:
            RunError: the folder cannot be written, holds something else or another run (the message says what differs),
                or shall be cleared while another process works in it.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error
        folder = cls(path, manifest)
        try:
            handle, alone = folder._join()
            check_folder(path, RUN_FOLDER)
            if force and (path / MANIFEST).exists():
                _clear_another(path, manifest, alone=alone)
            if (path / MANIFEST).exists():
                folder.manifest = same_run(path, manifest)
            elif alone:
                write_atomically(path / MANIFEST, manifest.to_json().encode())
            else:
                raise taken(path)
            share_folder(handle)
        except OSError as error:
            folder.close()
            raise cannot_write(path, error) from error
        except BaseException:
            folder.close()
            raise
        return folder

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a run folder to read it, finished or not.

        Args:
            path: the folder of an audit.

        Returns:
            The folder; nothing in it is changed.

        Raises:
            RunError: there is no run in this folder, or its manifest cannot be read.
        """
        return cls(path, read_manifest(path / MANIFEST))

    def part_path(self, key: str, block: int) -> Path:
        """Where the part of an attack (by key) and a block of images (from 0) lies once it is done."""
        if key not in [attack.key for attack in self.manifest.attacks]:
            raise RunError(f"the run in {self.path} has no attack {key!r}")
        return self.path / PARTS / key / f"{block:06d}.parquet"

    def has_part(self, key: str, block: int) -> bool:
        """Whether the part is there, whole, and of this run; one that is damaged or foreign counts as not there."""
        path = self.part_path(key, block)
        if not path.is_file():
            return False
        try:
            self._read(path, key, block, None)
        except RunError:
            return False
        return True

    def write_part(self, key: str, block: int, rows: pa.Table) -> None:
        """Write a part all or not at all, in place of one that is there.

        Args:
            key: the attack.
            block: number of the block of images, from 0.
            rows: one row per image, with the columns of `SCHEMA` in any order.

        Raises:
            RunError: the rows do not fit the schema, the disk is full (the message says where and how much is left),
                or the folder cannot be written. Nothing half written is left behind.
        """
        path = self.part_path(key, block)
        try:
            rows = rows.select(SCHEMA.names).cast(SCHEMA)
        except (KeyError, pa.ArrowException, ValueError) as error:
            raise RunError(f"rows for {path} do not have the columns of a part: {quoted(error)}") from error
        sink = pa.BufferOutputStream()
        stamp = {f"brittle.{name}": value for name, value in self._stamp(key, block).items()}
        pq.write_table(rows.replace_schema_metadata(stamp), sink, compression="zstd", write_page_checksum=True)
        write_atomically(path, memoryview(sink.getvalue()))

    def blocks(self, key: str) -> list[int]:
        """Numbers of the blocks that have a part of this attack, in order; the parts themselves are not checked.

        Files of other names, and of blocks beyond the run, are none of its parts.
        """
        folder = self.part_path(key, 0).parent
        names = [part.stem for part in folder.glob("*.parquet") if part.stem.isdecimal() and len(part.stem) <= DIGITS]
        numbers = [int(name) for name in names if name == f"{int(name):06d}"]
        return sorted(number for number in numbers if number < self.manifest.blocks)

    def part(self, key: str, block: int, columns: Sequence[str] | None = NUMBERS) -> pa.Table:
        """The rows of one part; arguments and errors as in `table`."""
        return self._read(self.part_path(key, block), key, block, columns)

    def table(self, key: str, columns: Sequence[str] | None = NUMBERS) -> pa.Table:
        """All rows of an attack so far, in order of the images.

        Args:
            key: the attack.
            columns: which columns; all but the pictures by default, None for all.

        Returns:
            The rows, of `SCHEMA`'s types; no rows when no part is done.

        Raises:
            RunError: a part is damaged or belongs to another run.
        """
        tables = [self.part(key, block, columns) for block in self.blocks(key)]
        if not tables:
            return SCHEMA.empty_table().select(list(columns) if columns is not None else SCHEMA.names)
        return pa.concat_tables(tables)

    def tables(self, columns: Sequence[str] | None = NUMBERS) -> dict[str, pa.Table]:
        """`table` for every attack of the plan, by key, in the order of the plan."""
        return {attack.key: self.table(attack.key, columns) for attack in self.manifest.attacks}

    def note_bad(self, bad: Sequence[BadImageInfo]) -> None:
        """Record in the manifest images that could not be decoded, beside those recorded before."""

        def noted(manifest: Manifest) -> Manifest:
            known = {one.index: one for one in (*manifest.data.bad, *bad)}
            data = manifest.data.model_copy(update={"bad": [known[index] for index in sorted(known)]})
            return manifest.model_copy(update={"data": data})

        self._change_manifest(noted)

    def note_files(self, files: Mapping[str, str]) -> None:
        """Record files of the user's that the network is made of, by path with their digests."""
        self._change_manifest(lambda manifest: manifest.model_copy(update={"files": {**manifest.files, **files}}))

    def note(self, text: str) -> None:
        """Record in one line what was found when rows of an earlier call were used again."""
        self._change_manifest(
            lambda manifest: manifest.model_copy(update={"notes": [*manifest.notes, stored(text)][-NOTES:]})
        )

    def health(self) -> Health | None:
        """What the checks of the run found; None where they have not been made."""
        return read_health(self.path, self.manifest.identity)

    def write_health(self, health: Health) -> None:
        """Keep what the checks found, in place of what they found before."""
        write_health(self.path, health)

    def drop_health(self) -> None:
        """Forget what the checks found of rows that are about to change."""
        (self.path / HEALTH).unlink(missing_ok=True)

    def finish(self) -> None:
        """Record that every part is done, and let go of the folder; the time is that of the last part.

        Raises:
            RunError: a part is missing or damaged, or the manifest cannot be written.
        """
        for attack in self.manifest.attacks:
            for block in range(self.manifest.blocks):
                if not self.has_part(attack.key, block):
                    path = self.part_path(attack.key, block)
                    raise RunError(f"the run is not finished: {path} is missing or damaged; {ANEW}")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._change_manifest(lambda manifest: manifest.model_copy(update={"status": "finished", "finished": now}))
        self.close()

    def close(self) -> None:
        """Let go of the folder, so that another process may go on with the run; harmless when done twice."""
        if self._release is not None:
            self._release()
            self._release = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stamp(self, key: str, block: int) -> dict[str, str]:
        return {"identity": self.manifest.identity, "attack": key, "block": str(block)}

    def _read(self, path: Path, key: str, block: int, columns: Sequence[str] | None) -> pa.Table:
        if unknown := sorted({*(columns or ())} - {*SCHEMA.names}):
            raise InputError(f"a part has no column {unknown[0]!r}; it has {', '.join(SCHEMA.names)}")
        try:
            table = read_rows(path, SCHEMA, columns)
        except KeyError:
            raise RunError(f"{path} does not have the columns of a part; {ANEW}") from None
        except (pa.ArrowException, OSError, ValueError) as error:
            raise RunError(f"{path} is damaged ({quoted(error)}); {ANEW}") from error
        metadata = table.schema.metadata or {}
        for name, value in self._stamp(key, block).items():
            found = metadata.get(f"brittle.{name}".encode(), b"nothing").decode(errors="replace")
            if found != value:
                raise RunError(f"{path} is a part of another run ({name} {found[:12]}, not {value[:12]}); {ANEW}")
        return table.replace_schema_metadata(None)

    def _change_manifest(self, change: Callable[[Manifest], Manifest]) -> None:
        """Write the manifest as it lies there with a change; one process after the other."""
        with names_held(self.path, MANIFEST, [MANIFEST], wait=lambda: time.sleep(PAUSE)):
            manifest = change(read_manifest(self.path / MANIFEST))
            write_atomically(self.path / MANIFEST, manifest.to_json().encode())
        self.manifest = manifest

    def _join(self) -> tuple[int, bool]:
        """Work here beside others; the system lets go of the folder when the process ends, also by kill -9."""
        handle, alone = join_folder(self.path)
        self._release = weakref.finalize(self, os.close, handle)
        if alone:
            clear_unfinished(self.path)
        return handle, alone


def _clear_another(path: Path, manifest: Manifest, *, alone: bool) -> None:
    """Remove what belongs to another run, its manifest last: killed meanwhile, it is still known to be a run."""
    try:
        same_run(path, manifest)
    except RunError:
        if not alone:
            raise taken(path) from None
        for file in (*(path / PARTS).glob("*/*.parquet"), *(path / name for name in (HEALTH, REPORT, MANIFEST))):
            file.unlink(missing_ok=True)
