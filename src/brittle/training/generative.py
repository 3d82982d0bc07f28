"""Training of generative models: an image's likelihood, or a generator against its critic; labels play no part."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from brittle.errors import InputError, ModelError
from brittle.identity.compare import stated
from brittle.training.augmentation import augmented
from brittle.training.epoch import Epoch, batches
from brittle.training.epochs import all_epochs
from brittle.training.fit import History
from brittle.training.identity import identity_of
from brittle.training.outputs import device_of
from brittle.training.recipe import PlainTraining
from brittle.types import Images


class Lesson(Protocol):
    """What a step of a generative training does."""

    @property
    def objective(self) -> str:
        """What the loss of an epoch is, with its unit, as the axis of a figure says it."""
        ...

    @property
    def betas(self) -> tuple[float, float]:
        """Adam's two decay rates."""
        ...

    def learn(self, module: Any, optimiser: torch.optim.Optimizer, images: Images, random: "Draws") -> Tensor:
        """Move the weights by what a batch of images teaches, and return its loss."""
        ...


@dataclass(frozen=True)
class Draws:
    """Random numbers of one step, the same on every device.

    Attributes:
        generator: that they are drawn from.
        step: number of the step in its epoch, from 0 on.
    """

    generator: torch.Generator
    step: int

    def normal(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return normal numbers with the type and the device of a tensor."""
        return torch.randn(shape, generator=self.generator).to(like)

    def uniform(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return numbers between 0 and 1 with the type and the device of a tensor."""
        return torch.rand(shape, generator=self.generator).to(like)


class Likelihood(Protocol):
    """A network that says how likely images are."""

    def bits_per_value(self, images: Images) -> Tensor:
        """Return minus the binary logarithm of the probability over the number of values, (n,)."""
        ...


@dataclass(frozen=True)
class MaximumLikelihood:
    """Make the training images as likely as possible; for a PixelCNN."""

    objective: str = "bits a value"
    betas: tuple[float, float] = (0.9, 0.999)

    def learn(self, module: Likelihood, optimiser: torch.optim.Optimizer, images: Images, random: Draws) -> Tensor:
        """Take one step down the mean number of bits."""
        loss = module.bits_per_value(images).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss


def gradient_penalty(critic: Callable[[Images], Tensor], real: Images, made: Images, weights: Tensor) -> Tensor:
    """Return the mean of (slope - 1)^2, the slope of a critic between real images and made ones.

    Gulrajani et al., NeurIPS 2017 (arXiv:1704.00028), equation 3 without lambda.

    Args:
        critic: from images to a number each.
        real: (n, c, h, w).
        made: (n, c, h, w).
        weights: (n, 1, 1, 1) in [0, 1], how much of the real image is in the point where the slope is taken.

    Example:
        >>> images = torch.zeros(2, 1, 1, 1)
        >>> gradient_penalty(lambda some: 3 * some.sum((1, 2, 3)), images, images + 1, torch.ones(2, 1, 1, 1)).item()
        4.0
    """
    between = (weights * real + (1 - weights) * made).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


class Pair(Protocol):
    """A generator with its critic."""

    @property
    def generator(self) -> nn.Module:
        """From latents to images, with the size of a latent as `latent`."""
        ...

    @property
    def critic(self) -> nn.Module:
        """From images to a number each."""
        ...


@dataclass(frozen=True)
class CriticWithPenalty:
    """Train a critic to tell images from a generator's, and the generator against it (WGAN-GP).

    Gulrajani et al., NeurIPS 2017 (arXiv:1704.00028), algorithm 1. Deviation: one batch of images is one step of the
    critic, and every `critic_steps`-th one is followed by a step of the generator, so that an epoch sees every image
    once.

    Attributes:
        penalty: lambda.
        critic_steps: n_critic, steps of the critic for one of the generator.
    """

    penalty: float = 10.0
    critic_steps: int = 5
    objective: str = "distance between images and the generator's, as the critic estimates it"
    betas: tuple[float, float] = (0.0, 0.9)

    def learn(self, module: Pair, optimiser: torch.optim.Optimizer, images: Images, random: Draws) -> Tensor:
        """Take one step of the critic, and one of the generator where it is due; return the estimated distance."""
        latent: Any = module.generator.latent
        with torch.no_grad():
            made = module.generator(random.normal((len(images), latent), images))
        real_score, made_score = module.critic(torch.cat([images, made])).chunk(2)
        distance = real_score.mean() - made_score.mean()
        weights = random.uniform((len(images), 1, 1, 1), images)
        loss = self.penalty * gradient_penalty(module.critic, images, made, weights) - distance
        _step(optimiser, loss, module.critic)
        if random.step % self.critic_steps == self.critic_steps - 1:
            made = module.generator(random.normal((len(images), latent), images))
            _step(optimiser, -module.critic(made).mean(), module.generator)
        return distance


def _step(optimiser: torch.optim.Optimizer, loss: Tensor, part: nn.Module) -> None:
    """Move the weights of one part alone; Adam passes over weights without a gradient."""
    optimiser.zero_grad(set_to_none=True)
    weights = list(part.parameters())
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = slope
    optimiser.step()


def train_generative(
    module: nn.Module,
    images: Images,
    lesson: Lesson,
    *,
    settings: PlainTraining,
    checkpoint: Path | str | None = None,
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
) -> History:
    """Train a generative model in place, and leave it in eval mode.

    Everything random is drawn from `settings.seed` and the number of the epoch, as in `train`: killed and called again
    with the same checkpoint, the same call gives the same weights bit for bit on the same machine.

    Args:
        module: on the device to train on; its present weights are the start.
        images: n x c x h x w in [0, 1].
        lesson: what a step does.
        settings: epochs, batch, rate, schedule, decay, shift, flip, seed and threads; the optimiser is Adam.
        checkpoint: a file to be written after every epoch and to go on from where it exists.
        progress: called after every epoch.
        watch: called after every step with the fraction of the epoch that is done.

    Returns:
        The mean loss of every epoch; there is no accuracy.

    Raises:
        InputError: no images.
        ModelError: the loss is no longer a number.
        RunError: the checkpoint cannot be written, or belongs to another training.

    Example:
        >>> from brittle.models.generative import PixelCNN
        >>> module, settings = PixelCNN(1, width=4, depth=1), PlainTraining(epochs=2, rate=1e-3)
        >>> len(train_generative(module, torch.rand(8, 1, 5, 5), MaximumLikelihood(), settings=settings).epochs)
        2
    """
    if not len(images):
        raise InputError("there are no images to train on")
    optimiser = torch.optim.Adam(module.parameters(), settings.rate, lesson.betas, weight_decay=settings.decay)
    identity = identity_of_generative(module, images, settings, lesson) if checkpoint else ""

    def one(number: int, generator: torch.Generator) -> Epoch:
        return _epoch(module, optimiser, images, lesson, settings, number, generator, watch)

    try:
        done = all_epochs(module, optimiser, settings, one, checkpoint=checkpoint, identity=identity, progress=progress)
    finally:
        module.zero_grad(set_to_none=True)
        module.eval()
    return History(settings, done.epochs, done.resumed, kept=done.kept)


def identity_of_generative(module: nn.Module, images: Images, settings: PlainTraining, lesson: Lesson) -> str:
    """State everything that such a training depends on, except the first weights; `identity_of` with the lesson."""
    labels = torch.zeros(len(images), dtype=torch.int64)
    plain = json.loads(identity_of(module, images, labels, settings, None))
    return stated({**plain, "lesson": {"kind": type(lesson).__name__, **_fields(lesson)}})


def _fields(lesson: Any) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(lesson)))


def _epoch(  # noqa: PLR0913  # what an epoch needs, and who is told
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    images: Images,
    lesson: Lesson,
    settings: PlainTraining,
    number: int,
    generator: torch.Generator,
    watch: Callable[[float], None] | None,
) -> Epoch:
    """One pass over the images."""
    began, total, device = perf_counter(), 0.0, device_of(module)
    module.train()
    for step, chosen in batches(optimiser, len(images), settings, number, generator, watch):
        some = augmented(images[chosen.to(images.device)], settings, generator).to(device)
        total += lesson.learn(module, optimiser, some, Draws(generator, step)).item() * len(chosen)
    if not math.isfinite(total):
        raise ModelError(f"the loss of epoch {number} is {total}; try a rate below {settings.rate}")
    return Epoch(number, total / len(images), None, perf_counter() - began)
