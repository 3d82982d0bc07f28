"""The run folder: a manifest and one Parquet file per attack and block of images, each written all or not at all."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from brittle.errors import BrittleError, InputError, RunError, quoted
from brittle.files import remove_file, write_atomically
from brittle.notebook import Example, Summarised
from brittle.parquet_pages import check_table
from brittle.runs.finding import HEALTH, Health, read_health, write_health
from brittle.runs.folder import REPORT, ManifestFolder
from brittle.runs.kept_gate import GATE_FILE
from brittle.runs.kinds import RUN as MANIFEST
from brittle.runs.kinds import RUN_FOLDER
from brittle.runs.manifest import BadImageInfo, Manifest
from brittle.runs.schema import NUMBERS, PICTURES, SCHEMA, read_rows

if TYPE_CHECKING:
    from brittle.runs.summary import Summary

__all__ = ["MANIFEST", "NUMBERS", "PARTS", "REPORT", "SCHEMA", "RunFolder"]

PARTS = "parts"
TOGETHER = 64
"""Parts that are read before they are joined: each column of each takes far more than its few rows."""
WRITTEN: dict[str, Any] = {
    "compression": "zstd",
    "write_page_checksum": True,
    "use_dictionary": False,
    "write_statistics": list(PICTURES),
}
"""How a part is written: so few rows need no dictionaries, and only of pictures is it asked whether there are any."""
DIGITS = 12
"""Most digits of the number of a block."""
ANEW = "run the audit again into this folder: it does this part anew and keeps the others"
"""What mends a part that is damaged or foreign."""


class RunFolder(ManifestFolder[Manifest], Summarised):
    """The folder of an audit: its manifest and the parts done so far.

    A folder made by `create` is worked in until `finish`, `close`, the end of a ``with`` block or the end of the
    process, however that ends; several processes may work in it at the same time, each on parts that it has claimed
    (`brittle.engine`). A folder from `open` is only read.

    Attributes:
        path: the folder.
        manifest: what the run is; `note_bad` and `finish` replace it.
    """

    of = Manifest
    kind = RUN_FOLDER
    shared = True

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
        pq.write_table(rows.replace_schema_metadata(stamp), sink, **WRITTEN)
        write_atomically(path, memoryview(sink.getvalue()))

    def put_part(self, key: str, block: int, content: bytes) -> None:
        """Keep a part that was written elsewhere, all or not at all, in place of one that is there.

        Args:
            key: the attack.
            block: number of the block of images, from 0.
            content: of its file.

        Raises:
            RunError: it is no part of this run, or the folder cannot be written.
        """
        path = self.part_path(key, block)
        write_atomically(path, content)
        self._read(path, key, block, [])

    def blocks(self, key: str) -> list[int]:
        """Numbers of the blocks that have a part of this attack, in order; the parts themselves are not checked.

        Files of other names, and of blocks beyond the run, are none of its parts.
        """
        folder = self.part_path(key, 0).parent
        names = [part.stem for part in folder.glob("*.parquet") if part.stem.isdecimal() and len(part.stem) <= DIGITS]
        numbers = [int(name) for name in names if name == f"{int(name):06d}"]
        return sorted(number for number in numbers if number < self.manifest.blocks)

    def progress(self) -> tuple[int, int]:
        """How many parts are there, which are not checked, and how many there are in all."""
        attacks = self.manifest.attacks
        return sum(len(self.blocks(one.key)) for one in attacks), len(attacks) * self.manifest.blocks

    def part(self, key: str, block: int, columns: Sequence[str] | None = NUMBERS) -> pa.Table:
        """The rows of one part; arguments and errors as in `table`."""
        return self._read(self.part_path(key, block), key, block, columns)

    def has_pictures(self, key: str, block: int) -> bool:
        """Whether a part keeps a picture, by what its file announces; where that cannot be told it may."""
        try:
            return not check_table(self.part_path(key, block)).empty.issuperset(PICTURES)
        except (OSError, ValueError, BrittleError):
            return True

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
        tables = [SCHEMA.empty_table().select(list(columns) if columns is not None else SCHEMA.names)]
        for block in self.blocks(key):
            tables.append(self.part(key, block, columns))
            if len(tables) > TOGETHER:
                tables = [pa.concat_tables(tables).combine_chunks()]
        return pa.concat_tables(tables).combine_chunks()

    def tables(self, columns: Sequence[str] | None = NUMBERS) -> dict[str, pa.Table]:
        """`table` for every attack of the plan, by key, in the order of the plan."""
        return {attack.key: self.table(attack.key, columns) for attack in self.manifest.attacks}

    def summary(self) -> "Summary":
        """Return the figures of the run.

        Raises:
            InputError: nothing was measured yet.
        """
        from brittle.runs.summary import summarise

        return summarise(self)

    def headline(self) -> str:
        """Return what was audited, and by what, in one line."""
        from brittle.runs.said import headline

        return headline(self)

    def lines(self) -> list[tuple[str, str]]:
        """Return the accuracies, the median change and the folder, each with its name."""
        from brittle.runs.said import lines

        return lines(self)

    def examples(self) -> list[Example]:
        """Return a few of the changed images that the run has kept, beside their originals."""
        from brittle.runs.said import examples

        return examples(self)

    def note_bad(self, bad: Sequence[BadImageInfo]) -> None:
        """Record in the manifest images that could not be decoded, beside those recorded before."""

        def noted(manifest: Manifest) -> Mapping[str, Any]:
            known = {one.index: one for one in (*manifest.data.bad, *bad)}
            return {"data": manifest.data.model_copy(update={"bad": [known[index] for index in sorted(known)]})}

        self.change_manifest(noted)

    def note_shard(self, shard: str) -> None:
        """Record that a share of the parts is being done here, such as "2/4"; the run is not finished until all are."""
        self.change_manifest(
            lambda manifest: {
                "shards": sorted({*manifest.shards, shard}),
                "status": "running",
                "finished": None,
            }
        )

    def health(self) -> Health | None:
        """What the checks of the run found; None where they have not been made."""
        return read_health(self.path, self.manifest.identity)

    def write_health(self, health: Health) -> None:
        """Keep what the checks found, in place of what they found before."""
        write_health(self.path, health)

    def drop_health(self) -> None:
        """Forget what the checks found of rows that are about to change."""
        remove_file(self.path / HEALTH)

    def check_whole(self) -> Mapping[str, Any]:
        """Make sure that every part is there, whole, and of this run.

        Returns:
            That it is the work of no single shards any more.

        Raises:
            RunError: a part is missing or damaged.
        """
        for key, block in self.missing():
            raise RunError(f"the run is not finished: {self.part_path(key, block)} is missing or damaged; {ANEW}")
        return {"shards": []}

    def missing(self) -> Iterator[tuple[str, int]]:
        """Yield attack and block of each part that is not there, or not whole; attack by attack."""
        for attack in self.manifest.attacks:
            for block in range(self.manifest.blocks):
                if not self.has_part(attack.key, block):
                    yield attack.key, block

    def files_of_work(self) -> Iterable[Path]:
        """All parts, and what the checks and a gate found."""
        return (*(self.path / PARTS).glob("*/*.parquet"), self.path / HEALTH, self.path / GATE_FILE)

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
