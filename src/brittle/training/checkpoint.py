"""The state of a training after an epoch, in one safetensors file whose header holds the rest as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from brittle.classifiers.frozen import preserving_state
from brittle.errors import RunError
from brittle.identity.compare import KEPT_IMAGES, apart, kept_answers
from brittle.runs.checkpoint import read_checkpoint, write_checkpoint
from brittle.training.outputs import device_of, logits_of
from brittle.types import Images

ANSWERS = "answers"
"""The tensor of what the network said of some images."""
MEMORY = "memory"
"""The tensor of what the training remembers of its images."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds beside the tensors.

    Attributes:
        identity: names the training that it belongs to, best as `stated` text, so that an error can say what differs.
        epochs: one record an epoch done.
        best: weights and buffers of the epoch that the training would end with, where that is not the last one.
        memory: what the training remembers of its images beside; None for nothing.
    """

    identity: str
    epochs: tuple[dict[str, Any], ...]
    best: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    memory: Tensor | None = None


def save_checkpoint(
    path: Path,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    checkpoint: Checkpoint,
    images: Images | None = None,
) -> None:
    """Writes weights, buffers and the optimiser's state, whole or not at all.

    Args:
        path: the file.
        module: whose `state_dict` is kept.
        optimiser: whose per-weight state is kept.
        checkpoint: the rest.
        images: some that the network is shown now, and again when the training goes on: its answers must be the same.

    Raises:
        RunError: the file cannot be written.
    """
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in state.items() if isinstance(value, Tensor)}
    tensors |= {f"best.{name}": tensor for name, tensor in checkpoint.best.items()}
    if checkpoint.memory is not None:
        tensors[MEMORY] = checkpoint.memory
    if images is not None:
        tensors[ANSWERS] = _answers(module, images)
    write_checkpoint(path, "training", checkpoint.identity, {"epochs": list(checkpoint.epochs)}, tensors)


def load_checkpoint(
    path: Path,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    identity: str,
    images: Images | None = None,
) -> Checkpoint | None:
    """Puts a training back to where its checkpoint left it.

    Args:
        path: the file.
        module: receives weights and buffers.
        optimiser: receives its state.
        identity: of the training that goes on.
        images: those that `save_checkpoint` was given.

    Returns:
        The checkpoint, or None where there is no such file (nothing is changed then).

    Raises:
        RunError: the file is damaged, of another version, belongs to other settings, data, code or another
            architecture, or the network with its weights no longer answers as it did.
    """
    if not path.exists():
        return None
    found = read_checkpoint(path, "training", identity)
    tensors = dict(found.tensors)
    checkpoint = Checkpoint(identity, tuple(found.header["epochs"]), _under("best.", tensors), tensors.get(MEMORY))
    module.load_state_dict(_under("module.", tensors))
    kept = tensors.get(ANSWERS)
    asked = 0 if kept is None else len(kept)
    off = "" if kept is None or images is None else apart(kept, _answers(module, images))
    if off:
        raise RunError(
            f"the checkpoint {str(path)!r} holds weights with which this network answers otherwise than it did: "
            f"{asked} images asked anew differ {off}; its code or a file that it reads was changed; name "
            "another file, or remove it to start again"
        )
    _restore(optimiser, _under("optimiser.", tensors))
    return checkpoint


def weights_of(path: Path) -> dict[str, Tensor]:
    """Return the weights that a training which was interrupted would have ended with, by the names of its network.

    Raises:
        RunError: it is no checkpoint of a training, or a damaged one.
    """
    tensors = dict(read_checkpoint(path, "training").tensors)
    return _under("best.", tensors) or _under("module.", tensors)


def _answers(module: nn.Module, images: Images) -> Tensor:
    """What the network says of the first images, in eval mode; it is left as it was."""
    with preserving_state(module), torch.no_grad():
        return kept_answers(logits_of(module, images[:KEPT_IMAGES].to(device_of(module))))


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose name begins with the prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _restore(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Gives an optimiser its per-weight tensors back."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
