"""What attacks on image files have saved: one list for a person, a table and a page."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from brittle.base.bounds import Bounds
from brittle.core.called import allowed
from brittle.errors import RunError
from brittle.evaluation.adversarial_images import Saved
from brittle.files import told, write_atomically
from brittle.metrics.estimate import Estimate, Floats, proportion
from brittle.metrics.formats import estimate_text
from brittle.names import stored_within
from brittle.notebook import EXAMPLES, Example, Summarised
from brittle.runs.kinds import INDEX, INDEX_TABLE, Kind, json_of
from brittle.runs.surroundings import versions_of
from brittle.tabular import Tabular, csv_of
from brittle.threats import Threat
from brittle.words import plural

FORMAT = 1
"""Version of `index.json`."""


@dataclass(frozen=True)
class SavedAttack:
    """What one attack has saved.

    Attributes:
        attack: what the user wrote.
        threat: how changes are measured and how large they may be.
        network, data: what was attacked, in the user's words.
        classes: names by class; empty when unknown.
        images: one entry per image.
        folder: where they lie.
        created: when it was begun, ISO 8601 in UTC; "" in a folder of an older version.
        command: the command line that began it, word by word; empty from Python.
    """

    attack: str
    threat: Threat
    network: str
    data: str
    classes: tuple[str, ...]
    images: tuple[Saved, ...]
    folder: Path
    created: str = ""
    command: Sequence[str] = ()

    @property
    def norm(self) -> str:
        """The name of the threat."""
        return self.threat.name

    @property
    def question(self) -> str:
        """Which changes were allowed, in words."""
        return allowed(self.threat, Bounds())

    def sentence(self) -> str:
        """Return what was done, in one line."""
        return f"{self.attack}, {self.question}, {self.network} on {self.data}"

    def class_name(self, label: int) -> str:
        """Return the name of a class, or its number where it has none."""
        return self.classes[label] if 0 <= label < len(self.classes) else str(label)

    @property
    def held(self) -> Estimate | None:
        """Of the images that were not at the goal before, the fraction whose PNG is adversarial; None of no images."""
        tried = [one for one in self.images if not one.already]
        return proportion(sum(one.success for one in tried), len(tried)) if tried else None

    def rows(self, path: Path) -> list[dict[str, Any]]:
        """Return a row per image, files named as seen from a folder."""
        return [
            {
                "attack": self.attack,
                "norm": self.norm,
                "source": one.source,
                "file": None if one.path is None else one.path.relative_to(path).as_posix(),
                "original": None if one.original is None else one.original.relative_to(path).as_posix(),
                "label": one.label,
                "label_name": self.class_name(one.label),
                "before": one.before,
                "before_name": self.class_name(one.before),
                "after": one.after,
                "after_name": self.class_name(one.after),
                "confidence": one.confidence,
                "linf": one.linf,
                "l2": one.l2,
                "flow": one.flow,
                "size": one.size,
                "rounding_cost": one.cost,
                "success": one.success,
                "already": one.already,
                "lost": one.lost,
            }
            for one in self.images
        ]


@dataclass(frozen=True, repr=False)
class SavedAttacks(Sequence[Saved], Tabular, Summarised):
    """What a call of `attack` has saved: a sequence of one entry per image and attack.

    Attributes:
        path: the folder, with `index.json` and `index.csv`.
        attacks: what each attack has saved.
    """

    path: Path
    attacks: tuple[SavedAttack, ...]

    @property
    def images(self) -> list[Saved]:
        """All entries, attack by attack."""
        return [one for attack in self.attacks for one in attack.images]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: Any) -> Any:
        return self.images[place]

    def __iter__(self) -> Iterator[Saved]:
        return iter(self.images)

    def table(self) -> pa.Table:
        """Return one row per image and attack, as in `index.csv`."""
        rows = [row for attack in self.attacks for row in attack.rows(self.path)]
        return pa.Table.from_pylist([dict(stored_within(row)) for row in rows], schema=SCHEMA)  # pyright: ignore[reportArgumentType, reportCallIssue]

    def plain(self) -> dict[str, Any]:
        """Return what `index.json` says."""
        return {
            "format": FORMAT,
            "created": next((one.created for one in self.attacks), ""),
            "command": next(([*one.command] for one in self.attacks), []),
            "versions": versions_of(),
            "attacks": [
                {
                    "attack": one.attack,
                    "norm": one.norm,
                    "question": one.question,
                    "network": one.network,
                    "data": one.data,
                    "images": one.rows(self.path),
                }
                for one in self.attacks
            ],
        }

    def headline(self) -> str:
        """Return what was done, in one line."""
        return "; ".join(one.sentence() for one in self.attacks)

    def lines(self) -> list[tuple[str, str]]:
        """Return the fraction of adversarial files of the first attacks, and the folder."""
        shown = [(one.attack, one.held) for one in self.attacks[:3]]
        rates = [(name, estimate_text(rate)) for name, rate in shown if rate is not None]
        return [*rates, ("folder", f"{told(self.path)}, {plural(len(self), 'image')}")]

    def examples(self) -> list[Example]:
        """Return the first few adversarial files beside their originals, as they lie on disk."""
        found = [
            (f"{one.source}: {attack.class_name(one.label)} → {attack.class_name(one.after)}", one.original, one.path)
            for attack in self.attacks
            for one in attack.images
            if one.path is not None and one.original is not None
        ]
        return [Example(said, _values(original), _values(changed)) for said, original, changed in found[:EXAMPLES]]


SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("attack", "norm", "source", "file", "original")]
    + [("label", pa.int64()), ("label_name", pa.string()), ("before", pa.int64()), ("before_name", pa.string())]
    + [("after", pa.int64()), ("after_name", pa.string())]
    + [(name, pa.float64()) for name in ("confidence", "linf", "l2", "flow", "size", "rounding_cost")]
    + [(name, pa.bool_()) for name in ("success", "already", "lost")]
)
"""The columns of `index.csv`."""


def check_index(path: Path, kind: Kind, *, force: bool) -> None:
    """Refuse a table that somebody else has put where ours is to lie.

    Args:
        path: the folder.
        kind: of the folder.
        force: replace it.

    Raises:
        RunError: there is a table, and no list of ours beside it.
    """
    if (path / INDEX_TABLE).exists() and "attacks" not in json_of(path / INDEX) and not force:
        raise RunError(f"{path / INDEX_TABLE} exists in {kind.name} and is not brittle's; move it, or give --force")


def write_index(made: SavedAttacks) -> None:
    """Write the lists beside the images."""
    text = json.dumps(stored_within(made.plain()), indent=1) + "\n"
    write_atomically(made.path / INDEX, text.encode())
    if made.attacks:
        write_atomically(made.path / INDEX_TABLE, csv_of(made.table()))


def _values(path: Path) -> Floats:
    with Image.open(path) as picture:
        levels = np.asarray(picture, dtype=np.float64) / 255
    return levels[None] if levels.ndim == 2 else levels.transpose(2, 0, 1)
