"""The state of a training after an epoch, in one safetensors file whose header holds the rest as JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from brittle.errors import RunError
from brittle.files import write_atomically

FORMAT = 1
"""Version of the layout; a file of another version is refused."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds beside the tensors.

    Attributes:
        identity: names the training that it belongs to.
        epochs: one record an epoch done.
    """

    identity: str
    epochs: tuple[dict[str, Any], ...]


def save_checkpoint(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, checkpoint: Checkpoint) -> None:
    """Writes weights, buffers and the optimiser's state, whole or not at all.

    Args:
        path: the file.
        module: whose `state_dict` is kept.
        optimiser: whose per-weight state is kept.
        checkpoint: the rest.

    Raises:
        RunError: the file cannot be written.
    """
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in state.items() if isinstance(value, Tensor)}
    separate = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    header = json.dumps({"format": FORMAT, **asdict(checkpoint)}, sort_keys=True)
    write_atomically(path, save(separate, {"brittle": header}))


def load_checkpoint(
    path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, identity: str
) -> Checkpoint | None:
    """Puts a training back to where its checkpoint left it.

    Args:
        path: the file.
        module: receives weights and buffers.
        optimiser: receives its state.
        identity: of the training that goes on.

    Returns:
        The checkpoint, or None where there is no such file (nothing is changed then).

    Raises:
        RunError: the file is broken, of another version, or belongs to other settings, data or another architecture.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["brittle"])
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        seen, checkpoint = header["format"], Checkpoint(header["identity"], tuple(header["epochs"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{str(path)!r} is not a checkpoint of brittle ({error}); remove it to start again") from error
    if seen != FORMAT or checkpoint.identity != identity:
        raise RunError(
            f"the checkpoint {str(path)!r} is of another training (other settings, images, labels or architecture); "
            "give the same again, name another file, or remove it to start again"
        )
    module.load_state_dict(_under("module.", tensors))
    _restore(optimiser, _under("optimiser.", tensors))
    return checkpoint


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
