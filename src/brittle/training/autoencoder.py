"""Sparse autoencoders: a hidden layer that gives the image back, with few of its units active at a time."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from brittle.classifiers.door import answer
from brittle.errors import InputError, ModelError
from brittle.training.epoch import batches, own_randomness
from brittle.training.named import seeded
from brittle.training.outputs import device_of
from brittle.training.recipe import PlainTraining
from brittle.types import Images


@dataclass(frozen=True)
class Sparsity:
    """How rarely the units of the code are to be active (Ng, Sparse autoencoder, CS294A lecture notes 2011, section 3).

    Attributes:
        target: rho, the mean activity wanted of every unit.
        weight: beta, of the sum over the units of KL(rho || mean activity), beside the squared error of an image.
    """

    target: float = 0.1
    weight: float = 0.3

    def __post_init__(self):
        if not 0 < self.target < 1:
            raise InputError(f"target is {self.target}; expected a mean activity between 0 and 1")
        if not self.weight >= 0:
            raise InputError(f"weight is {self.weight}; expected a number from 0 up")

    def penalty(self, activity: Tensor) -> Tensor:
        """Measure how far the units' mean activities over a batch, (units,) in (0, 1), are from the target.

        Example:
            >>> Sparsity(target=0.5).penalty(torch.tensor([0.5, 0.5])).item()
            0.0
        """
        mean = activity.clamp(1e-6, 1 - 1e-6)
        on = self.target * (math.log(self.target) - mean.log())
        off = (1 - self.target) * (math.log1p(-self.target) - (-mean).log1p())
        return self.weight * (on + off).sum()


def train_autoencoder(
    encoder: nn.Module,
    images: Images,
    *,
    settings: PlainTraining,
    sparsity: Sparsity | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> tuple[float, ...]:
    """Train a module so that a layer of sigmoid units gives the image back from its outputs; labels play no part.

    The error is the squared difference of an image, summed over its values and halved, plus the sparsity's penalty.
    Everything random comes from `settings.seed`; the decoder is thrown away.

    Args:
        encoder: from images to activities in (0, 1), n x units; trained in place and left in eval mode.
        images: n x c x h x w in [0, 1].
        settings: epochs, batch, rate, schedule, decay, seed and threads; the optimiser is Adam, whatever they say.
        sparsity: `Sparsity()` when not given.
        progress: called after every epoch with its number and its mean error.

    Returns:
        The mean error of every epoch, penalty included.

    Raises:
        InputError: no images.
        ModelError: the error is no longer a number.

    Example:
        >>> encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Sigmoid())
        >>> len(train_autoencoder(encoder, torch.rand(64, 1, 4, 4), settings=PlainTraining(epochs=2)))
        2
    """
    if not len(images):
        raise InputError("there are no images to train on")
    sparsity, device = sparsity or Sparsity(), device_of(encoder)
    with torch.no_grad():
        units = answer(encoder.eval(), images[:1].to(device), arranged=False).shape[1]
    values = images[0].numel()
    decoder = seeded(lambda: nn.Sequential(nn.Linear(units, values), nn.Sigmoid()), settings.seed).to(device)
    weights = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(weights, settings.rate, weight_decay=settings.decay)
    errors: list[float] = []
    for number in range(1, settings.epochs + 1):
        with own_randomness(encoder, settings, number) as generator:
            errors.append(_epoch(encoder, decoder, optimiser, images, settings, number, sparsity, generator))
        if progress is not None:
            progress(number, errors[-1])
    encoder.zero_grad(set_to_none=True)
    encoder.eval()
    return tuple(errors)


def _epoch(  # noqa: PLR0913  # what a step needs
    encoder: nn.Module,
    decoder: nn.Module,
    optimiser: torch.optim.Optimizer,
    images: Images,
    settings: PlainTraining,
    number: int,
    sparsity: Sparsity,
    generator: torch.Generator,
) -> float:
    """One pass over the images; returns the mean error."""
    total, device = 0.0, device_of(encoder)
    encoder.train()
    for _, chosen in batches(optimiser, len(images), settings, number, generator):
        some = images[chosen.to(images.device)].to(device)
        code = answer(encoder, some, arranged=False)
        error = (decoder(code) - some.flatten(1)).square().sum(1).mean() / 2 + sparsity.penalty(code.mean(0))
        optimiser.zero_grad(set_to_none=True)
        error.backward()
        optimiser.step()
        total += error.item() * len(chosen)
    if not math.isfinite(total):
        raise ModelError(f"the error of epoch {number} is {total}; try a rate below {settings.rate}")
    return total / len(images)
