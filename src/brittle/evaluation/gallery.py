"""Which images of an audit are kept as pictures: those that are the easiest or the hardest of all up to theirs."""

# pyright: reportUnknownParameterType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyarrow ships no types
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from brittle.metrics.rows import flags, floats
from brittle.runs.schema import PICTURES, SCHEMA
from brittle.runs.store import RunFolder

PER_END = 4
"""How many of the hardest and of the easiest broken images of an attack are kept as pictures."""


@dataclass
class GallerySelection:
    """The sizes of the hardest and easiest images kept so far, so that a part keeps only pictures that may be shown.

    Attributes:
        easy: the `PER_END` smallest sizes so far, rising.
        hard: the `PER_END` largest ones, falling.
    """

    easy: list[float] = field(default_factory=list[float])
    hard: list[float] = field(default_factory=list[float])

    def take(self, sizes: np.ndarray, success: np.ndarray) -> np.ndarray:
        """Add the sizes of a part's broken images and return the positions of those that are among the extremes."""
        broken = success.nonzero()[0]
        rising = broken[np.argsort(sizes[broken], kind="stable")]
        self.easy, easy = _smallest(self.easy, sizes, rising)
        negative, hard = _smallest([-size for size in self.hard], -sizes, rising[::-1])
        self.hard = [-size for size in negative]
        return np.array(sorted({*easy, *hard}), dtype=np.int64)


def _smallest(known: list[float], sizes: np.ndarray, rising: np.ndarray) -> tuple[list[float], list[int]]:
    """Merge the sizes of rows with the smallest ones known; return the new smallest ones, and the rows among them."""
    merged = sorted([(size, -1) for size in known] + [(float(sizes[row]), int(row)) for row in rising[:PER_END]])[
        :PER_END
    ]
    return [size for size, _ in merged], [row for _, row in merged if row >= 0]


@dataclass(frozen=True)
class Gallery:
    """The pictures of a run, whose parts may be done in any order and by several processes.

    The rule is that of parts done in order: a picture is kept where it is among the extremes of all blocks up to its
    own. A part that is done before earlier ones keeps more, as it is compared only with those that are there; when
    all are there, `settle` drops what is superfluous, so that the same files lie there whatever the order was.

    Attributes:
        folder: of the run.
    """

    folder: RunFolder
    _passed: dict[str, tuple[int, GallerySelection]] = field(
        default_factory=dict[str, tuple[int, GallerySelection]], init=False
    )

    def kept(self, key: str, number: int, sizes: np.ndarray, success: np.ndarray) -> np.ndarray:
        """Return which images of a block are kept when its part is written.

        Args:
            key: of the attack.
            number: of the block, from 0.
            sizes: of the changes, one for each image.
            success: whether the image was broken.

        Returns:
            Their positions, rising.
        """
        upto, selection = self._passed.get(key, (0, GallerySelection()))
        if upto > number:
            upto, selection = 0, GallerySelection()
        for block in self.folder.blocks(key):
            if upto <= block < number:
                selection.take(*self._extent(key, block))
        found = selection.take(sizes, success)
        self._passed[key] = number + 1, selection
        return found

    def superfluous(self) -> Mapping[tuple[str, int], list[int]]:
        """Return the rows with pictures that the rule does not keep, by attack and block; all parts are there."""
        found: dict[tuple[str, int], list[int]] = {}
        for attack in self.folder.manifest.attacks:
            selection = GallerySelection()
            for block in self.folder.blocks(attack.key):
                wanted = {*selection.take(*self._extent(attack.key, block)).tolist()}
                if not self.folder.has_pictures(attack.key, block):
                    continue
                pictures = self.folder.part(attack.key, block, ["adversarial"])["adversarial"].is_valid().to_pylist()
                more = [row for row, there in enumerate(pictures) if there and row not in wanted]
                if more:
                    found[attack.key, block] = more
        return found

    def settle(self) -> None:
        """Drop what is superfluous.

        Raises:
            RunError: the folder cannot be written.
        """
        for (key, block), rows in self.superfluous().items():
            table = self.folder.part(key, block, None)
            for name in PICTURES:
                some = [None if row in rows else value for row, value in enumerate(table[name].to_pylist())]
                column = pa.array(some, SCHEMA.field(name).type)
                table = table.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), column)
            self.folder.write_part(key, block, table)

    def _extent(self, key: str, block: int) -> tuple[np.ndarray, np.ndarray]:
        table = self.folder.part(key, block, ["size", "success"])
        return floats(table, "size"), flags(table, "success")
