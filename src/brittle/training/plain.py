"""Training: stochastic gradient descent on the cross-entropy, deterministic and resumable, attacked or not."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from brittle.errors import InputError, ModelError
from brittle.identity.compare import stated
from brittle.identity.sources import code_behind, own_digest
from brittle.identity.walk import reach
from brittle.training.epoch import Epoch, device_of, logits_of, run_epoch
from brittle.training.epochs import all_epochs
from brittle.training.recipe import RECIPES, PlainTraining
from brittle.training.trainable import check_shape, check_trainable
from brittle.training.universal_pool import Hardening
from brittle.types import Images, Labels


@dataclass(frozen=True)
class History:
    """All epochs of a training, those before an interruption included.

    Attributes:
        settings: how it was trained.
        epochs: one record an epoch.
        resumed: epochs taken over from a checkpoint; not part of equality.
        adversarial: what was done to the images; None for nothing.
    """

    settings: PlainTraining
    epochs: tuple[Epoch, ...]
    resumed: int = field(default=0, compare=False)
    adversarial: Hardening | None = None


def train(  # noqa: PLR0913  # each of these is a question of its own
    module: nn.Module,
    images: Images,
    labels: Labels,
    *,
    settings: PlainTraining | None = None,
    adversarial: Hardening | None = None,
    soft: Tensor | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
) -> History:
    """Trains a module in place on the cross-entropy and leaves it in eval mode.

    Everything random is drawn from `settings.seed` and the number of the epoch, and torch's global random state stays
    as it was; so the same call gives the same weights bit for bit on the same machine, also when it was killed and
    called again with the same checkpoint.

    Args:
        module: from images to logits, on the device to train on. Its present weights are the start.
        images: n x c x h x w in [0, 1], on any device.
        labels: int64, n.
        settings: how to train; `PlainTraining()` when not given.
        adversarial: how the images are attacked before each step, or what pool of universal perturbations is added to
            them; nothing is done when not given.
        soft: probabilities of the classes, (n, k), to be learnt in place of the labels (at the settings' temperature).
        checkpoint: a file to be written after every epoch and to go on from where it exists.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.

    Returns:
        The loss and accuracy of every epoch.

    Raises:
        InputError: no images, or counts that differ.
        LabelError: labels that are not int64, or out of the range of the logits.
        ModelError: outputs that are not logits, or a loss that is no longer a number.
        RunError: the checkpoint cannot be written, or belongs to another training.

    Example:
        >>> images, labels = torch.rand(64, 1, 4, 4), torch.arange(64) % 2
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> len(train(module, images, labels, settings=PlainTraining(epochs=2)).epochs)
        2
    """
    settings = settings or PlainTraining()
    identity = identity_of(module, images, labels, settings, adversarial, soft) if checkpoint else ""
    try:
        check_trainable(module, images, labels)
        optimiser = _optimiser(module, settings)

        def one(number: int, generator: torch.Generator) -> Epoch:
            data = (images, labels)
            return run_epoch(module, optimiser, data, settings, number, generator, adversarial, watch, soft)

        epochs, resumed = all_epochs(
            *(module, optimiser, settings, one),
            checkpoint=checkpoint,
            identity=identity,
            images=images,
            progress=progress,
        )
    finally:
        module.zero_grad(set_to_none=True)
        module.eval()
    return History(settings, epochs, resumed, adversarial)


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
    checkpoint: Path | None = None,
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
        adversarial: see `train`.
        soft: see `train`.
        checkpoint: see `train`.
        device: where to train.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.

    Returns:
        The trained module, in eval mode, and its history.

    Raises:
        InputError: images of another shape than the architecture's, and all that `train` refuses.
    """
    check_shape(design.name, design.input_shape, images)
    settings = settings or RECIPES.get(design.name, PlainTraining())
    module = seeded(design.build, settings.seed).to(device)
    history = train(
        *(module, images, labels),
        settings=settings,
        adversarial=adversarial,
        soft=soft,
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


def accuracy(module: nn.Module, images: Images, labels: Labels, batch: int = 500) -> float:
    """The fraction of images that a module classifies rightly, in eval mode; the module's mode is then restored.

    Args:
        module: from images to logits.
        images: n x c x h x w.
        labels: int64, n.
        batch: images a pass.

    Returns:
        Between 0 and 1.

    Raises:
        InputError: no images.

    Example:
        >>> accuracy(nn.Flatten(), torch.eye(3).reshape(3, 1, 1, 3), torch.arange(3))
        1.0
    """
    if not len(images):
        raise InputError("there are no images to measure the accuracy on")
    modes = {part: part.training for part in module.modules()}
    device = device_of(module)
    try:
        module.eval()
        with torch.no_grad():
            right = sum(
                int((logits_of(module, some.to(device)).argmax(1) == truth.to(device)).sum())
                for some, truth in zip(images.split(batch), labels.split(batch), strict=True)
            )
    finally:
        for part, mode in modes.items():
            part.training = mode
    return right / len(images)


def _optimiser(module: nn.Module, settings: PlainTraining) -> torch.optim.Optimizer:
    """The optimiser over the weights that ask for a gradient."""
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    if not weights:
        raise ModelError("no weight of this network asks for a gradient; there is nothing to train")
    if settings.optimiser == "adam":
        return torch.optim.Adam(weights, settings.rate, weight_decay=settings.decay)
    nesterov = settings.momentum > 0
    return torch.optim.SGD(weights, settings.rate, settings.momentum, weight_decay=settings.decay, nesterov=nesterov)


def identity_of(
    module: nn.Module,
    images: Tensor,
    labels: Tensor,
    settings: PlainTraining,
    adversarial: Hardening | None,
    soft: Tensor | None = None,
) -> str:
    """States everything that a training depends on, except the first weights: recipe, data, names, shapes and code.

    Args:
        module: as it is before the training.
        images: of the training.
        labels: of the training.
        settings: of the training.
        adversarial: what is done to the images before each step.
        soft: what is learnt in place of the labels.
    """
    shapes = {name: list(tensor.shape) for name, tensor in module.state_dict().items()}
    seen = hashlib.sha256(f"{tuple(images.shape)} {images.dtype}".encode())
    for some in (*images.split(4096), labels, *([] if soft is None else [soft])):
        seen.update(some.detach().cpu().contiguous().numpy().tobytes())
    return stated(
        {
            "settings": asdict(settings),
            "attack": adversarial and adversarial.to_dict(),
            "architecture": shapes,
            "images and labels": seen.hexdigest(),
            **_beside(module),
        }
    )


def _beside(module: nn.Module) -> dict[str, object]:
    """Names the code, and every tensor that no checkpoint keeps because it is not in the `state_dict`."""
    seen = reach(module, without=module.state_dict(keep_vars=True).values())
    return {
        "brittle's code": own_digest(),
        "your code": {**seen.code, **code_behind(seen.modules)},
        "torch": str(torch.__version__),
        "tensors that are no weights": seen.digest(),
    }
