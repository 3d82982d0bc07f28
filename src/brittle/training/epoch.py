"""One pass over the training images, with random numbers of its own."""

import hashlib
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.door import answer
from brittle.errors import ModelError
from brittle.training.adversarial import AdversarialTraining, perturb_batch
from brittle.training.augmentation import augmented
from brittle.training.recipe import PlainTraining
from brittle.training.universal_pool import BatchChange, Hardening


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images gave.

    Attributes:
        number: 1 for the first.
        loss: mean cross-entropy (nats), or what a generative model is trained by, over the epoch, measured while the
            weights moved, on the images that the steps were made on and in train mode.
        accuracy: fraction right, measured likewise; None where there are no labels.
        seconds: time taken; not part of equality.
        adversarial_loss, adversarial_accuracy: the same of the attacked images alone; None without an attack.
        clean_loss, clean_accuracy: of those images before the attack, in eval mode; None without an attack.
        radius: of the epoch's last attack; None without an attack or a radius.
    """

    number: int
    loss: float
    accuracy: float | None
    seconds: float = field(compare=False)
    adversarial_loss: float | None = None
    adversarial_accuracy: float | None = None
    clean_loss: float | None = None
    clean_accuracy: float | None = None
    radius: float | None = None


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


def _epoch_seed(seed: int, number: int, purpose: str = "training") -> int:
    """A seed of 63 bits for one epoch; every epoch can be repeated without those before it."""
    return int.from_bytes(hashlib.sha256(f"brittle {purpose} {seed} {number}".encode()).digest()[:8], "big") >> 1


class _Tally:
    """Sums of loss and right answers, kept on the device so that no step waits for it."""

    def __init__(self, device: torch.device):
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self.right = torch.zeros((), device=device)
        self.count = 0

    def add(self, loss: Tensor, logits: Tensor, truth: Tensor) -> None:
        """Takes in a batch: its mean loss, logits and labels."""
        self.loss_sum += loss.detach().double() * len(truth)
        self.right += (logits.detach().argmax(1) == truth).sum()
        self.count += len(truth)

    @property
    def loss(self) -> float | None:
        """The mean; None of nothing."""
        return self.loss_sum.item() / self.count if self.count else None

    @property
    def accuracy(self) -> float | None:
        """The fraction right; None of nothing."""
        return self.right.item() / self.count if self.count else None


class _Attacks:
    """The attacks of one epoch: makes a batch harder, and keeps the books of the images before and after."""

    def __init__(self, training: AdversarialTraining, module: nn.Module, seed: int):
        device = device_of(module)
        self.training, self.seed, self.classifier = training, seed, Classifier(module)
        self.before, self.after = _Tally(device), _Tally(device)
        self.radius: float | None = None
        self._turns = self._attacked = 0

    def on(self, images: Tensor, truth: Tensor, chosen: Tensor, epochs: float) -> Tensor:
        """The batch with its first images attacked, as many as are due when so many epochs are done."""
        threat = self.training.threat_at(epochs)
        self._attacked = 0 if threat is None else self.training.count(len(images))
        self._turns += 1
        if threat is None:
            return images
        self.radius = float(threat.radius) if threat.bounded else None
        n = self._attacked
        found, logits = perturb_batch(
            *(self.training, self.classifier, images[:n], truth[:n]),
            threat=threat,
            ids=chosen[:n],
            seed=self.seed,
            turn=self._turns,
        )
        self.before.add(functional.cross_entropy(logits, truth[:n]), logits, truth[:n])
        return torch.cat([found, images[n:]])

    def note(self, logits: Tensor, truth: Tensor) -> None:
        """Takes down what the network said of the attacked images, before the step that they are for."""
        logits, truth = logits.detach()[: self._attacked], truth[: self._attacked]
        if self._attacked:
            self.after.add(functional.cross_entropy(logits, truth), logits, truth)

    def summary(self) -> dict[str, float | None]:
        """What an epoch's record holds of them."""
        return {
            "adversarial_loss": self.after.loss,
            "adversarial_accuracy": self.after.accuracy,
            "clean_loss": self.before.loss,
            "clean_accuracy": self.before.accuracy,
            "radius": self.radius,
        }


def _changes(training: Hardening, module: nn.Module, seed: int) -> BatchChange:
    """What is done to the batches of the epoch with this seed."""
    return _Attacks(training, module, seed) if isinstance(training, AdversarialTraining) else training.in_epoch(seed)


def batches(
    optimiser: torch.optim.Optimizer,
    count: int,
    settings: PlainTraining,
    number: int,
    generator: torch.Generator,
    watch: Callable[[float], None] | None = None,
) -> Generator[tuple[int, Tensor]]:
    """Go through the images of an epoch in a new order, batch by batch; the learning rate moves with every step.

    Args:
        optimiser: whose learning rate is moved.
        count: how many images there are.
        settings: of the training.
        number: of the epoch, 1 for the first.
        generator: that the order is drawn from.
        watch: told after every step which fraction of the epoch is done.

    Yields:
        The number of the step, from 0, and the positions of its images.
    """
    steps = -(-count // settings.batch)
    for step, chosen in enumerate(torch.randperm(count, generator=generator).split(settings.batch)):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at((number - 1 + step / steps) / settings.epochs)
        yield step, chosen
        if watch:
            watch((step + 1) / steps)


def run_epoch(  # noqa: PLR0913  # what an epoch needs, and who is told
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    data: tuple[Tensor, Tensor],
    settings: PlainTraining,
    number: int,
    generator: torch.Generator,
    adversarial: Hardening | None = None,
    watch: Callable[[float], None] | None = None,
    soft: Tensor | None = None,
) -> Epoch:
    """One pass over the images; an attack's radius moves with every step, as the learning rate does."""
    began, device = perf_counter(), device_of(module)
    images, labels = data
    steps = -(-len(images) // settings.batch)
    tally = _Tally(device)
    attacks = adversarial and _changes(adversarial, module, _epoch_seed(settings.seed, number, "attack"))
    module.train()
    for step, chosen in batches(optimiser, len(images), settings, number, generator, watch):
        chosen = chosen.to(images.device)
        some, truth = images[chosen], labels[chosen.to(labels.device)].to(device)
        some = augmented(some, settings, generator).to(device)
        some = attacks.on(some, truth, chosen, number - 1 + step / steps) if attacks else some
        logits = logits_of(module, some)
        wanted = truth if soft is None else soft[chosen.to(soft.device)].to(device)
        loss = functional.cross_entropy(logits / settings.temperature, wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        tally.add(loss, logits, truth)
        if attacks:
            attacks.note(logits, truth)
    loss, accuracy = tally.loss or 0.0, tally.accuracy or 0.0
    if not math.isfinite(loss):
        raise ModelError(
            f"the loss of epoch {number} is {loss}; the training ran away, try a rate below {settings.rate}"
        )
    return Epoch(number, loss, accuracy, perf_counter() - began, **(attacks.summary() if attacks else {}))


def logits_of(module: nn.Module, images: Tensor) -> Tensor:
    """The module's outputs, or those of an object that carries them as `.logits`."""
    outputs = answer(module, images, arranged=False)
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != len(images):
        seen = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ModelError(
            f"the network returned {seen} for {len(images)} images; it must return logits, images x classes"
        )
    return outputs


def device_of(module: nn.Module) -> torch.device:
    """Where the module lies; the processor when it has no tensors."""
    return next((tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu"))
