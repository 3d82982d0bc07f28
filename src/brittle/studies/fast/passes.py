"""How many passes through the network a training makes for each of its images: a cost that no machine changes."""

import copy
from dataclasses import dataclass, replace

from torch import Tensor, nn

from brittle.training.accumulated import AccumulatedTraining
from brittle.training.adversarial import AdversarialTraining
from brittle.training.fit import fit
from brittle.training.free import FreeTraining
from brittle.training.recipe import PlainTraining
from brittle.types import Images, Labels


@dataclass(frozen=True)
class Passes:
    """Passes of an image through the network.

    Attributes:
        forward, backward: how many.
    """

    forward: int
    backward: int

    def __mul__(self, times: int) -> "Passes":
        """Return those of so many epochs."""
        return Passes(self.forward * times, self.backward * times)

    def __str__(self) -> str:
        return f"{self.forward} forward, {self.backward} backward"


def passes_of_an_epoch(
    module: nn.Module,
    images: Images,
    labels: Labels,
    settings: PlainTraining,
    training: AccumulatedTraining | AdversarialTraining | FreeTraining | None,
) -> Passes:
    """Count the passes that an epoch at the full radius makes for an image, in a step that is made on a copy.

    Args:
        module: left as it is.
        images: (n, c, h, w), one batch.
        labels: (n,) their labels.
        settings: of the training.
        training: what is done to the images; None for nothing.

    Example:
        >>> import torch
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> images, labels = torch.rand(8, 1, 4, 4), torch.arange(8) % 2
        >>> print(passes_of_an_epoch(module, images, labels, PlainTraining(), None))
        1 forward, 1 backward
    """
    probe, seen = copy.deepcopy(module), {"forward": 0, "backward": 0}

    def back(gradient: Tensor) -> None:
        seen["backward"] += len(gradient)

    def count(_: nn.Module, given: tuple[Tensor, ...], logits: Tensor) -> None:
        seen["forward"] += len(given[0])
        if logits.requires_grad:
            logits.register_hook(back)

    probe.register_forward_hook(count)
    one = replace(settings, epochs=1, batch=len(images))
    whole = None if training is None else replace(training, warmup=0.0)
    fit(probe, images, labels, settings=one, adversarial=whole)
    return Passes(*(round(seen[way] / len(images)) for way in ("forward", "backward")))
