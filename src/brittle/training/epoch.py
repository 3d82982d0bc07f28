"""One pass over the training images, with random numbers of its own."""

import hashlib
import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional

from brittle.errors import ModelError
from brittle.training.augmentation import flip, shift
from brittle.training.recipe import PlainTraining


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images gave.

    Attributes:
        number: 1 for the first.
        loss: mean cross-entropy (nats) over the epoch, measured while the weights moved.
        accuracy: fraction right, measured likewise.
        seconds: time taken; not part of equality.
    """

    number: int
    loss: float
    accuracy: float
    seconds: float = field(compare=False)


@contextmanager
def own_randomness(module: nn.Module, settings: PlainTraining, number: int) -> Generator[torch.Generator, None, None]:
    """Gives an epoch its own random numbers (dropout's too), threads and deterministic kernels; restores all of it."""
    device, seed = device_of(module), _epoch_seed(settings.seed, number)
    threads = torch.get_num_threads()
    cuda = device.type == "cuda"
    with (
        torch.random.fork_rng(devices=[device] if cuda else []),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        torch.enable_grad(),
    ):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        try:
            torch.set_num_threads(settings.threads or threads)
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_num_threads(threads)


def _epoch_seed(seed: int, number: int) -> int:
    """A seed of 63 bits for one epoch; every epoch can be repeated without those before it."""
    return int.from_bytes(hashlib.sha256(f"brittle training {seed} {number}".encode()).digest()[:8], "big") >> 1


def run_epoch(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    data: tuple[Tensor, Tensor],
    settings: PlainTraining,
    number: int,
    generator: torch.Generator,
) -> Epoch:
    """One pass over the images in a new order; the learning rate moves with every step."""
    began, device = perf_counter(), device_of(module)
    images, labels = data
    steps = -(-len(images) // settings.batch)
    loss_sum, right = torch.zeros((), dtype=torch.float64, device=device), torch.zeros((), device=device)
    module.train()
    for step, chosen in enumerate(torch.randperm(len(images), generator=generator).split(settings.batch)):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at((number - 1 + step / steps) / settings.epochs)
        chosen = chosen.to(images.device)
        some, truth = images[chosen], labels[chosen.to(labels.device)].to(device)
        some = shift(some, settings.shift, generator) if settings.shift else some
        some = flip(some, generator) if settings.flip else some
        logits = logits_of(module, some.to(device))
        loss = functional.cross_entropy(logits, truth)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        loss_sum += loss.detach().double() * len(truth)
        right += (logits.detach().argmax(1) == truth).sum()
    loss = loss_sum.item() / len(images)
    if not math.isfinite(loss):
        raise ModelError(
            f"the loss of epoch {number} is {loss}; the training ran away, try a rate below {settings.rate}"
        )
    return Epoch(number, loss, right.item() / len(images), perf_counter() - began)


def logits_of(module: nn.Module, images: Tensor) -> Tensor:
    """The module's outputs, or those of an object that carries them as `.logits`."""
    outputs = module(images)
    outputs = getattr(outputs, "logits", outputs)
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != len(images):
        seen = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ModelError(
            f"the network returned {seen} for {len(images)} images; it must return logits, images x classes"
        )
    return outputs


def device_of(module: nn.Module) -> torch.device:
    """Where the module lies; the processor when it has no tensors."""
    return next((tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu"))
