"""What a training depends on, stated for its checkpoint and its folder."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from brittle.identity.compare import stated
from brittle.identity.sources import code_behind, own_digest
from brittle.identity.walk import reach
from brittle.training.epoch import Schedule
from brittle.training.held_out import HeldOut
from brittle.training.recipe import PlainTraining
from brittle.training.universal_pool import Hardening

Optimise = Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]
"""Makes an optimiser of the weights that ask for a gradient."""


@dataclass(frozen=True, eq=False)
class Beside:
    """What else a training may depend on.

    Attributes:
        soft: what is learnt in place of the labels.
        held_out: images that decide what is kept.
        optimiser, schedule: of the user's own.
    """

    soft: Tensor | None = None
    held_out: HeldOut | None = None
    optimiser: Optimise | None = None
    schedule: Schedule | None = None

    def stated(self) -> dict[str, Any]:
        """Return what there is of it, for the identity; the soft labels count among the images."""
        found: dict[str, Any] = {} if self.held_out is None else {"held-out images": self.held_out.to_dict()}
        if own := [one for one in (self.optimiser, self.schedule) if one is not None]:
            seen = reach(*own)
            found["your optimiser and schedule"] = {**seen.code, "values": seen.digest()}
        return found


def identity_of(  # each of these is a question of its own
    module: nn.Module,
    images: Tensor,
    labels: Tensor,
    settings: PlainTraining,
    adversarial: Hardening | None,
    beside: Beside | None = None,
) -> str:
    """State everything that a training depends on, except the first weights: recipe, data, names, shapes and code.

    Args:
        module: as it is before the training.
        images: of the training.
        labels: of the training.
        settings: of the training.
        adversarial: what is done to the images before each step.
        beside: what else there is.
    """
    beside = beside or Beside()
    shapes = {name: list(tensor.shape) for name, tensor in module.state_dict().items()}
    seen = hashlib.sha256(f"{tuple(images.shape)} {images.dtype}".encode())
    for some in (*images.split(4096), labels, *([] if beside.soft is None else [beside.soft])):
        seen.update(some.detach().cpu().contiguous().numpy().tobytes())
    return stated(
        {
            "settings": asdict(settings),
            "attack": adversarial and adversarial.to_dict(),
            "architecture": shapes,
            "images and labels": seen.hexdigest(),
            **beside.stated(),
            **_surrounding(module),
        }
    )


def _surrounding(module: nn.Module) -> dict[str, object]:
    """Name the code, and every tensor that no checkpoint keeps because it is not in the `state_dict`."""
    seen = reach(module, without=module.state_dict(keep_vars=True).values())
    return {
        "brittle's code": own_digest(),
        "your code": {**seen.code, **code_behind(seen.modules)},
        "torch": str(torch.__version__),
        "tensors that are no weights": seen.digest(),
    }
