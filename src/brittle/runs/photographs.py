"""The folder of `brittle photograph`: adversarial images behind a channel, row by row, and the figures they give."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyarrow ships no types
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from brittle.errors import InputError, RunError, quoted
from brittle.files import write_atomically
from brittle.metrics import Estimate, destruction_rate, top_accuracy
from brittle.reading import read_json
from brittle.runs.checkpoint import broken_seal, sealed
from brittle.runs.kinds import PHOTOGRAPHS
from brittle.runs.manifest_info import Name, Strict
from brittle.runs.printed import Origin

FORMAT = 1
"""Version of `photograph.json`."""
ON_PAPER = "photographs of a printed sheet"
"""The channel that is none of a program."""
PICTURES = "pictures"
"""Folder of the images that are shown."""
STAGES = ("original", "adversarial", "original-photographed", "adversarial-photographed")
"""Ends of the names of the pictures of an image."""
TOPS = (1, 5)
"""How many classes may be named, as in the paper."""
CASES = ("average", "prefiltered")
"""All adversarial images, and those alone of which the network is sure before the channel."""
MOST_CLASSES = 10_000_000


class PhotographedRow(Strict):
    """An image before and after an attack and a channel.

    Attributes:
        attack: which one.
        index: position in the data.
        name: what the image is called there.
        label: its class.
        clean_rank, rank, clean_channel_rank, channel_rank: place of the label among the classes, 0 for the likeliest:
            of the original and the adversarial image, and of both behind the channel; None where there is none.
        clean_prediction, prediction, clean_channel_prediction, channel_prediction: the likeliest class of the same.
        clean_confidence, confidence, clean_channel_confidence, channel_confidence: its confidence.
    """

    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)

    attack: Name
    index: int
    name: Name
    label: int
    clean_rank: int = Field(ge=0, le=MOST_CLASSES)
    rank: int | None = Field(ge=0, le=MOST_CLASSES)
    clean_channel_rank: int | None = Field(ge=0, le=MOST_CLASSES)
    channel_rank: int | None = Field(ge=0, le=MOST_CLASSES)
    clean_prediction: int
    prediction: int | None
    clean_channel_prediction: int | None
    channel_prediction: int | None
    clean_confidence: float
    confidence: float | None
    clean_channel_confidence: float | None
    channel_confidence: float | None


_ROWS = TypeAdapter(list[PhotographedRow])


@dataclass(frozen=True)
class Photographed:
    """What a channel leaves of adversarial images.

    Attributes:
        path: the folder.
        about: network, run, channel or photographs, seed; by name.
        rows: one per attack and image.
        classes: names by number; empty when unknown.
        missing: names of the images of a sheet that no photograph shows.
        said: what is to be told of the images.
    created: when, ISO 8601 in UTC; "" in a folder of an older version.
    command: the command line, word by word; empty from Python.
    """

    path: Path
    about: Mapping[str, str]
    rows: Sequence[PhotographedRow]
    classes: Sequence[str] = ()
    missing: Sequence[str] = ()
    said: Sequence[str] = ()
    created: str = ""
    command: Sequence[str] = ()

    @property
    def attacks(self) -> list[str]:
        """The attacks, in order."""
        return [*dict.fromkeys(row.attack for row in self.rows)]

    def table(self, attack: str | None = None) -> pa.Table:
        """Return the rows of an attack, or of all, as `brittle.metrics` takes them."""
        rows = [row for row in self.rows if attack in (None, row.attack)]
        numbers = [name for name in PhotographedRow.model_fields if name not in ("attack", "name")]
        kinds = {name: pa.float64() if name.endswith("confidence") else pa.int64() for name in numbers}
        return pa.table({name: pa.array([getattr(row, name) for row in rows], kinds[name]) for name in numbers})

    @property
    def clean(self) -> pa.Table:
        """The rows of the original images, each once however many attacks there are."""
        table, seen = self.table(), set[int]()
        first = [row not in seen and not seen.add(row) for row in table["index"].to_pylist()]
        return table.filter(pa.array(first))

    @property
    def origin(self) -> Origin:
        """What the rows were made from: the adversarial images of a run."""
        about = self.about
        return Origin(
            [{"spec": about["network"], "digest": about["content"]}],
            [{"spec": about["run"], "digest": about["id"], "images": self.clean.num_rows}],
            int(about["seed"]),
            None,
            self.created or None,
            versions={"brittle": about["brittle"]},
        )

    def figures(self) -> "Figures":
        """Return what the rows give."""
        clean = self.clean
        return Figures(
            {top: _or_none(top_accuracy, clean, "clean_rank", top) for top in TOPS},
            {top: _or_none(top_accuracy, clean, "clean_channel_rank", top) for top in TOPS},
            {attack: AttackFigures.of(self.table(attack)) for attack in self.attacks},
        )

    def survivors(self, attack: str) -> list[PhotographedRow]:
        """Return the images of an attack that are right at first, wrong once attacked, and wrong behind the channel."""
        return [row for row in self.rows if row.attack == attack and _counts(row) and row.channel_rank]

    def write(self) -> None:
        """Write `photograph.json`.

        Raises:
            RunError: it cannot be written.
        """
        rows = [row.model_dump(mode="json") for row in self.rows]
        content = {
            "format": FORMAT,
            "created": self.created,
            "command": [*self.command],
            "about": dict(self.about),
            "classes": [*self.classes],
            "missing": [*self.missing],
            "said": [*self.said],
            "figures": self.figures().plain(),
            "rows": rows,
        }
        write_atomically(self.path / PHOTOGRAPHS, (json.dumps(sealed(content), indent=1) + "\n").encode())

    @classmethod
    def open(cls, path: Path) -> "Photographed":
        """Read a folder.

        Raises:
            RunError: there is none, or it is damaged.
        """
        file = path / PHOTOGRAPHS
        try:
            content = read_json(file)
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}; expected {FORMAT}")
            if broken_seal(content):
                raise ValueError("its checksum is not that of its content")
            classes, missing, said = (_texts(content[name]) for name in ("classes", "missing", "said"))
            created, command = str(content.get("created", "")), _texts(content.get("command", []))
            about = {str(name): str(value) for name, value in content["about"].items()}
            rows = _ROWS.validate_python(content["rows"])
            return cls(path, about, rows, classes, missing, said, created, command)
        except FileNotFoundError:
            raise RunError(f"{path} is no folder of `brittle photograph`: it has no {PHOTOGRAPHS}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise RunError(f"{file} cannot be read or is damaged: {quoted(error)}; make it again") from error

    def pictures(self) -> list[tuple[PhotographedRow, dict[str, Path]]]:
        """Return the images that have pictures, with those that are there by their stage."""
        found: list[tuple[PhotographedRow, dict[str, Path]]] = []
        for number, row in enumerate(self.rows):
            files = {stage: picture_path(self.path, number, stage) for stage in STAGES}
            if there := {stage: file for stage, file in files.items() if file.is_file()}:
                found.append((row, there))
        return found


def picture_path(folder: Path, number: int, stage: str) -> Path:
    """Return where a picture of a row lies, by the row's number."""
    return folder / PICTURES / f"{number:06d}-{stage}.png"


@dataclass(frozen=True)
class AttackFigures:
    """The figures of an attack.

    Attributes:
        accuracy: of the adversarial images before the channel, by how many classes may be named; None without images.
        photographed: likewise behind it.
        destruction: destruction rates by case and how many classes; None where no image counts.
    """

    accuracy: Mapping[int, Estimate | None]
    photographed: Mapping[int, Estimate | None]
    destruction: Mapping[tuple[str, int], Estimate | None]

    @classmethod
    def of(cls, table: pa.Table) -> "AttackFigures":
        """Take the figures of a table of rows."""
        return cls(
            {top: _or_none(top_accuracy, table, "rank", top) for top in TOPS},
            {top: _or_none(top_accuracy, table, "channel_rank", top) for top in TOPS},
            {
                (case, top): _or_none(destruction_rate, table, top, prefiltered=case == CASES[1])
                for case in CASES
                for top in TOPS
            },
        )


@dataclass(frozen=True)
class Figures:
    """All figures.

    Attributes:
        clean: accuracy of the original images, by how many classes may be named.
        photographed: likewise behind the channel.
        attacks: the figures of each attack.
    """

    clean: Mapping[int, Estimate | None]
    photographed: Mapping[int, Estimate | None]
    attacks: Mapping[str, AttackFigures]

    def plain(self) -> dict[str, Any]:
        """Return what JSON can say."""
        return {
            "clean": _tops(self.clean),
            "clean_photographed": _tops(self.photographed),
            "attacks": {
                name: {
                    "adversarial": _tops(one.accuracy),
                    "adversarial_photographed": _tops(one.photographed),
                    "destruction_rate": {
                        case: _tops({top: one.destruction[case, top] for top in TOPS}) for case in CASES
                    },
                }
                for name, one in self.attacks.items()
            },
        }


def _tops(values: Mapping[int, Estimate | None]) -> dict[str, dict[str, float] | None]:
    return {f"top{top}": None if one is None else asdict(one) for top, one in values.items()}


def _or_none(metric: Any, *arguments: Any, **options: Any) -> Estimate | None:
    """A figure, or None where no image counts."""
    try:
        return metric(*arguments, **options)
    except InputError:
        return None


def _counts(row: PhotographedRow) -> bool:
    return row.clean_rank == 0 and bool(row.rank)


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(f"a {type(value).__name__} in place of a list")
    return [str(one) for one in value]
