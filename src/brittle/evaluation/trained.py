"""What a training gave, kept in two files that belong together, and read from them again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from torch import nn

from brittle.errors import OverLimit
from brittle.files import write_atomically
from brittle.metrics import Estimate, proportion
from brittle.names import stored_within
from brittle.reading import open_tensors
from brittle.runs.kinds import header_of, json_of
from brittle.runs.place import beside
from brittle.training.adversarial import AdversarialTraining
from brittle.training.epoch import Epoch
from brittle.training.plain import History
from brittle.training.recipe import PlainTraining
from brittle.training.weights import save_weights

COURSE = ".training.json"
"""Ending of the file of all epochs beside the weights."""


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes:
        path: the weights.
        course: the file of all epochs, JSON, beside them.
        history: the epochs.
        accuracy: on the test images; None without.
        robust: fraction of the first `ATTACKED` test images that are right and stay so under the attack of the
            training; None without test images, attack or radius.
        said: what was done to the images on their way to the network, and what was passed over, in sentences.
    """

    path: Path
    course: Path
    history: History
    accuracy: Estimate | None
    robust: Estimate | None
    said: tuple[str, ...] = ()


def save(
    path: Path,
    module: nn.Module,
    story: Mapping[str, Any],
    history: History,
    measured: tuple[Estimate | None, Estimate | None],
    said: Sequence[str],
) -> Trained:
    """Write weights and course.

    Args:
        path: of the weights.
        module: the trained network.
        story: of `training_story`.
        history: the epochs.
        measured: accuracy, and robust accuracy, as in `Trained`.
        said: as in `Trained`.

    Raises:
        RunError: a file cannot be written.
    """
    course = beside(path, COURSE)
    save_weights(path, module, story)
    lines = stored_within({**story, "epochs": [asdict(one) for one in history.epochs]})
    write_atomically(course, json.dumps(lines, indent=1).encode())
    return Trained(path, course, history, *measured, tuple(said))


def identity_in(path: Path) -> str | None:
    """Return which call made a file of weights, None where it does not say."""
    data = header_of(path).get("data")
    found = cast("dict[str, object]", data).get("identity") if isinstance(data, dict) else None
    return found if isinstance(found, str) else None


def finished(
    path: Path, identity: str, settings: PlainTraining, adversarial: AdversarialTraining | None
) -> Trained | None:
    """Read what the same call has made before.

    Args:
        path: of the weights.
        identity: of the call; weights and course carry it both.
        settings: of the training.
        adversarial: what is done to the images before each step.

    Returns:
        The result, or None where it is not there, not whole, or of another call.
    """
    course = beside(path, COURSE)
    if identity_in(path) != identity:
        return None
    try:
        with open_tensors(path, "np") as file:
            for name in file.keys():  # noqa: SIM118
                file.get_tensor(name)
        story = json_of(course)
        data = story["data"]
        if data["identity"] != identity:
            return None
        epochs = tuple(Epoch(**one) for one in story["epochs"])
        accuracy = data.get("test_accuracy")
        clean = None if accuracy is None else proportion(round(accuracy * data["test_images"]), data["test_images"])
        robust = Estimate(**data["robust_accuracy"]) if "robust_accuracy" in data else None
    except (OSError, OverLimit, KeyError, TypeError, ValueError):
        return None
    history = History(settings, epochs, len(epochs), adversarial)
    return Trained(path, course, history, clean, robust, tuple(data.get("said", ())))
