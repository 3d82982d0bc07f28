"""What a training gave, kept in a folder, and read from it again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from brittle.files import write_atomically
from brittle.metrics import Estimate, proportion
from brittle.names import stored_within
from brittle.reading import read_json
from brittle.runs.kinds import EPOCHS_FILE, WEIGHTS_FILE
from brittle.runs.results import TrainingFolder
from brittle.training.epoch import Epoch
from brittle.training.fit import History
from brittle.training.recipe import PlainTraining
from brittle.training.universal_pool import Hardening
from brittle.training.weights import save_weights


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes:
        folder: that holds all of it.
        path: the weights, a safetensors file in it.
        course: the file of all epochs, JSON, in it.
        history: the epochs.
        accuracy: on the test images; None without.
        robust: fraction of the first `ATTACKED` test images that are right and stay so under the attack of the
            training; None without test images, attack or radius.
        said: what was done to the images on their way to the network, and what was passed over, in sentences.
    """

    folder: Path
    path: Path
    course: Path
    history: History
    accuracy: Estimate | None
    robust: Estimate | None
    said: tuple[str, ...] = ()


def save(
    folder: TrainingFolder,
    module: nn.Module,
    story: Mapping[str, Any],
    history: History,
    measured: tuple[Estimate | None, Estimate | None],
    said: Sequence[str],
) -> Trained:
    """Write weights and course.

    Args:
        folder: of the training.
        module: the trained network.
        story: of `training_story`.
        history: the epochs.
        measured: accuracy, and robust accuracy, as in `Trained`.
        said: as in `Trained`.

    Raises:
        RunError: a file cannot be written.
    """
    path, course = (folder.path / name for name in (WEIGHTS_FILE, EPOCHS_FILE))
    save_weights(path, module, story)
    lines = stored_within({**story, "epochs": [asdict(one) for one in history.epochs]})
    write_atomically(course, json.dumps(lines, indent=1).encode())
    return Trained(folder.path, path, course, history, *measured, tuple(said))


def finished(folder: TrainingFolder, settings: PlainTraining, adversarial: Hardening | None) -> Trained | None:
    """Read what the same call has made before.

    Args:
        folder: of the training.
        settings: of the training.
        adversarial: what is done to the images before each step.

    Returns:
        The result, or None where it is not finished, or not whole any more.
    """
    if not folder.whole:
        return None
    path, course = (folder.file(name) for name in (WEIGHTS_FILE, EPOCHS_FILE))
    story: Any = read_json(course)
    data = story["data"]
    epochs = tuple(Epoch(**one) for one in story["epochs"])
    accuracy = data.get("test_accuracy")
    clean = None if accuracy is None else proportion(round(accuracy * data["test_images"]), data["test_images"])
    robust = Estimate(**data["robust_accuracy"]) if "robust_accuracy" in data else None
    history = History(settings, epochs, len(epochs), adversarial, data.get("kept_epoch", len(epochs) or None))
    return Trained(folder.path, path, course, history, clean, robust, tuple(data.get("said", ())))
