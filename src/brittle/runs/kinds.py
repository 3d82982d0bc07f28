"""Which files and folders are ours: what an earlier command of the same kind left, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from brittle.errors import OverLimit
from brittle.reading import read_json

TITLES = {
    "audit": "an audit",
    "universal": "a universal perturbation",
    "training": "a training",
    "substitute": "a substitute",
    "study": "a study",
    "corruptions": "a measurement under corruptions",
    "segmentation": "an audit of a segmentation",
    "depth": "an audit of depths",
}
"""The kinds of manifests with their articles, as messages name them."""
OWN_PAGE = b'<meta name="generator" content="brittle">'
"""What every page of ours begins with; `base.html` has it."""
TOOL = "brittle"
"""Who wrote a file, as SARIF names it."""
JUNIT_MARK = "brittle"
"""Name of all suites in a JUnit file of ours."""
ATTACK = "attack.json"
"""What `attack` keeps beside its images."""
INDEX, INDEX_TABLE = "index.json", "index.csv"
"""Lists of the images that an attack has saved, with what was done."""
PHOTOGRAPHS = "photograph.json"
"""What `photograph` keeps of adversarial images behind a channel."""
CELLS = "cells"
"""The folder of a study's cells."""
RUN = "manifest.json"
"""What a run folder is known by."""
PERTURBATION_FILE, ROWS_FILE = "perturbation.safetensors", "rows.parquet"
"""What the folder of a universal perturbation holds."""
WEIGHTS_FILE, EPOCHS_FILE = "weights.safetensors", "training.json"
"""What the folder of a training holds."""
CORRUPTED_FILE, CORRUPTED = "corruptions.json", "corrupted"
"""What the folder of a measurement under corruptions holds: all in one file, and a folder of cells and pictures."""
SEGMENTATION_FILE, SEGMENTED = "segmentation.json", "segmented"
"""What the folder of an audit of a segmentation holds: all rows in one file, and a folder of rows and pictures."""
DEPTH_FILE, DEPTHS = "depth.json", "depths"
"""The same of the folder of an audit of depths."""
COMPARISON_FILE = "comparison.json"
"""What the folder of a comparison of audits is known by."""
LEADERBOARD_FILE = "leaderboard.json"
"""What the folder of a leaderboard is known by."""
MODEL_INFO = "model_info.json"
"""What a user may put into a run folder: who made the network and where it is described, in RobustBench's fields."""
SUBSTITUTE_FILE, ANSWERS_FILE = "substitute.json", "answers.sqlite"
"""What the folder of a substitute holds beside the weights: its rounds, and what the oracle answered."""
CHECKPOINT_FILE = "checkpoint"
"""What work that was killed goes on from; it is gone once the work is finished."""
TEACHER_FILE = f"{CHECKPOINT_FILE}.teacher"
"""The same of the teacher of a distillation, beside it."""


@dataclass(frozen=True)
class Kind:
    """One kind of output.

    Attributes:
        name: with its article.
        ours: whether what lies at a path is of this kind; the path exists, and is a regular file or a folder.
        files: names of the files that are written into a folder, and are never among what is read.
    """

    name: str
    ours: Callable[[Path], bool]
    files: tuple[str, ...] = ()


def json_of(path: Path) -> Mapping[str, Any]:
    """Return the object in a JSON file; nothing where there is none."""
    try:
        found: object = read_json(path)
    except (OSError, OverLimit, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def kind_in(folder: Path) -> str | None:
    """Return the kind that the manifest in a folder says it is of; None where there is none or it says none."""
    found = json_of(folder / RUN) if (folder / RUN).is_file() else {}
    kind = found.get("kind")
    return kind if isinstance(kind, str) else None


def _manifest_of(kind: str) -> Callable[[Path], bool]:
    """Whether a folder has a manifest of a kind, or one that cannot be read, of which more is said when it is."""
    return lambda path: (path / RUN).is_file() and kind_in(path) in (kind, None)


def _begins_with(mark: bytes) -> Callable[[Path], bool]:
    """Whether a file has something within its first bytes."""

    def begins(path: Path) -> bool:
        try:
            with path.open("rb") as file:
                return mark in file.read(4096)
        except OSError:
            return False

    return begins


def _sarif(path: Path) -> bool:
    runs: Any = json_of(path).get("runs")
    try:
        return bool(runs) and all(run["tool"]["driver"]["name"] == TOOL for run in runs)
    except (KeyError, TypeError):
        return False


PAGE = Kind("a page", _begins_with(OWN_PAGE))
JUNIT = Kind("a JUnit file", _begins_with(f'<testsuites name="{JUNIT_MARK}"'.encode()))
SARIF = Kind("a SARIF file", _sarif)
RUN_FOLDER = Kind("the run folder of an audit", _manifest_of("audit"))
UNIVERSAL = Kind("the folder of a universal perturbation", _manifest_of("universal"), (PERTURBATION_FILE, ROWS_FILE))
TRAINING = Kind("the folder of a training", _manifest_of("training"), (WEIGHTS_FILE, EPOCHS_FILE))
CORRUPTIONS = Kind("the folder of a measurement under corruptions", _manifest_of("corruptions"), (CORRUPTED_FILE,))
SEGMENTATION = Kind("the folder of an audit of a segmentation", _manifest_of("segmentation"), (SEGMENTATION_FILE,))
DEPTH = Kind("the folder of an audit of depths", _manifest_of("depth"), (DEPTH_FILE,))
SUBSTITUTE = Kind("the folder of a substitute", _manifest_of("substitute"), (WEIGHTS_FILE, SUBSTITUTE_FILE))
IMAGES = Kind("a folder of adversarial images", lambda path: "identity" in json_of(path / ATTACK))
IMAGE_FOLDERS = Kind(
    "a folder of several attacks' adversarial images",
    lambda path: "attacks" in json_of(path / INDEX) and not (path / ATTACK).exists(),
)
PHOTOGRAPHED = Kind("a folder of photographed images", lambda path: "rows" in json_of(path / PHOTOGRAPHS))
COMPARISON = Kind("the folder of a comparison", lambda path: "audits" in json_of(path / COMPARISON_FILE))
LEADERBOARD = Kind("the folder of a leaderboard", lambda path: "tables" in json_of(path / LEADERBOARD_FILE))
STUDY = Kind("the folder of a study", lambda path: (path / CELLS).is_dir())
NO_AUDITS = (IMAGES, IMAGE_FOLDERS, PHOTOGRAPHED, COMPARISON, LEADERBOARD, STUDY)
"""Folders that have no manifest of a kind and are of no audit."""


def other_than_audit(folder: Path) -> str | None:
    """Return what a folder of ours is of that holds no audit, with its article; None where it may hold one."""
    kind = kind_in(folder)
    if kind is None and not (folder / RUN).is_file() and folder.is_dir():
        return next((one.name for one in NO_AUDITS if one.ours(folder)), None)
    return f"the folder of {TITLES[kind]}" if kind in TITLES and kind != "audit" else None
