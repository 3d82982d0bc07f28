"""Training of an architecture from first weights that are drawn from a seed."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from brittle.training.epoch import Epoch
from brittle.training.fit import History, fit
from brittle.training.held_out import HeldOut
from brittle.training.recipe import RECIPES, PlainTraining
from brittle.training.trainable import check_shape
from brittle.training.universal_pool import Hardening
from brittle.types import Images, Labels


class Design(Protocol):
    """What `train_named` needs to know of an architecture; `brittle.models.ARCHITECTURES` holds such."""

    @property
    def name(self) -> str:
        """What the user writes."""
        ...

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        ...

    def build(self) -> nn.Module:
        """A new module with weights drawn from torch's global random state."""
        ...


def train_named(  # noqa: PLR0913  # each of these is a question of its own
    design: Design,
    images: Images,
    labels: Labels,
    *,
    settings: PlainTraining | None = None,
    adversarial: Hardening | None = None,
    soft: Tensor | None = None,
    held_out: HeldOut | None = None,
    checkpoint: Path | str | None = None,
    device: str = "cpu",
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
) -> tuple[nn.Module, History]:
    """Builds an architecture with weights drawn from the seed, and trains it.

    Args:
        design: the architecture, such as `brittle.models.ARCHITECTURES["digits-lenet"]`.
        images: n x c x h x w in [0, 1], of the architecture's shape.
        labels: int64, n.
        settings: how to train; the architecture's own recipe (`RECIPES`) when not given.
        adversarial: see `fit`.
        soft: see `fit`.
        held_out: see `fit`.
        checkpoint: see `fit`.
        device: where to train.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.

    Returns:
        The trained module, in eval mode, and its history.

    Raises:
        InputError: images of another shape than the architecture's, and all that `fit` refuses.
    """
    check_shape(design.name, design.input_shape, images)
    settings = settings or RECIPES.get(design.name, PlainTraining())
    module = seeded(design.build, settings.seed).to(device)
    history = fit(
        *(module, images, labels),
        settings=settings,
        adversarial=adversarial,
        soft=soft,
        held_out=held_out,
        checkpoint=checkpoint,
        progress=progress,
        watch=watch,
    )
    return module, history


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Builds a module whose first weights come from `seed`, with torch's global random state left as it was.

    Example:
        >>> first, again = (seeded(lambda: nn.Linear(2, 1), 7).weight for _ in range(2))
        >>> bool((first == again).all())
        True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()
