"""Trained weights as a safetensors file that says how they came about."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from brittle.files import write_atomically
from brittle.names import stored_within
from brittle.reading import open_tensors
from brittle.training.fit import History
from brittle.version import __version__


def save_weights(path: Path, module: nn.Module, story: Mapping[str, Any]) -> None:
    """Writes parameters and buffers with the story of their training in the header (key `brittle`, JSON).

    The same weights and story give the same bytes.

    Args:
        path: the file, usually `NAME.safetensors`.
        module: whose `state_dict` is written.
        story: anything that JSON can hold, see `training_story`.

    Raises:
        RunError: the file cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    write_atomically(path, save(tensors, {"brittle": json.dumps(stored_within(story), sort_keys=True)}))


def training_story(name: str, command: str, history: History, data: Mapping[str, Any]) -> dict[str, Any]:
    """What a file of weights should tell: nothing in it changes from one run of the same command to the next.

    Args:
        name: the architecture.
        command: what the user typed.
        history: of the training.
        data: what it was trained and measured on, such as
            `{"train": "digits:train", "test": "digits:test", "test_accuracy": 0.99}`.

    Returns:
        A mapping for `save_weights`.
    """
    last = history.epochs[-1:] and {"loss": history.epochs[-1].loss, "train_accuracy": history.epochs[-1].accuracy}
    attacked = {"adversarial": history.adversarial.to_dict()} if history.adversarial else {}
    packages = {package: version(package) for package in ("numpy", "safetensors", "scikit-learn", "torch")}
    return {
        "architecture": name,
        **attacked,
        "command": command,
        "data": dict(data),
        "last_epoch": last or None,
        "settings": asdict(history.settings),
        "versions": {"brittle": __version__, "python": platform.python_version(), **packages},
    }


def store_in_halves(weights: Path, path: Path) -> None:
    """Write a file of weights anew with its floating numbers in float16, half as large; its story stays.

    A network that is given these weights computes in float32 as before, with weights rounded to 11 bits.

    Args:
        weights: a safetensors file.
        path: the file to write.

    Raises:
        RunError: the file cannot be written.
    """
    with open_tensors(weights) as file:
        about, found = file.metadata(), {name: file.get_tensor(name) for name in sorted(file.keys())}
    halves = {name: one.half() if one.dtype == torch.float32 else one for name, one in found.items()}
    write_atomically(path, save(halves, about))
