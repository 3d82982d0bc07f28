"""What a training depends on, stated for its checkpoint and its folder."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from brittle.identity.compare import stated
from brittle.identity.content import digest_of_bytes
from brittle.identity.sources import code_behind, own_digest
from brittle.identity.walk import reach
from brittle.training.epoch import Schedule
from brittle.training.held_out import HeldOut
from brittle.training.recipe import PlainTraining
from brittle.training.universal_pool import Hardening

STEPS = 1000
"""Places, equally far apart, at which a schedule is looked at to know it again."""
Optimise = Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]
"""Makes an optimiser of the weights that ask for a gradient."""


@dataclass(frozen=True, eq=False)
class Beside:
    """What else a training may depend on.

    Attributes:
        soft: what is learnt in place of the labels.
        held_out: images that decide what is kept.
        optimiser, schedule: of the user's own.
        made: what the optimiser is that it made.
    """

    soft: Tensor | None = None
    held_out: HeldOut | None = None
    optimiser: Optimise | None = None
    schedule: Schedule | None = None
    made: torch.optim.Optimizer | None = None

    def stated(self) -> dict[str, Any]:
        """Return what there is of it, for the identity; the soft labels count among the images."""
        found: dict[str, Any] = {} if self.held_out is None else {"held-out images": self.held_out.to_dict()}
        if self.optimiser is not None:
            found["your optimiser"] = {**_code_of(self.optimiser), "made": _written(self.made)}
        if self.schedule is not None:
            factors = [self.schedule(step / STEPS) for step in range(STEPS + 1)]
            found["your schedule"] = {**_code_of(self.schedule), "values": digest_of_bytes(repr(factors).encode())}
        return found


def _written(made: torch.optim.Optimizer | None) -> str:
    """Write an optimiser out: its kind, and the options and sizes of its groups."""
    groups = [] if made is None else made.param_groups
    options = [{key: repr(value) for key, value in group.items() if key != "params"} for group in groups]
    sizes = [[tuple(one.shape) for one in group["params"]] for group in groups]
    return f"{type(made).__module__}.{type(made).__qualname__} {options} {sizes}"


def _code_of(own: object) -> dict[str, str]:
    seen = reach(own)
    return {**seen.code, **code_behind(seen.modules), "tensors": seen.digest()}


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
