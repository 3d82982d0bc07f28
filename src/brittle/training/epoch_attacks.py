"""The attacks of one epoch of an adversarial training."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from brittle.classifiers.classifier import Classifier
from brittle.training.adversarial import AdversarialTraining, perturb_batch
from brittle.training.objective import PLAIN, Objective
from brittle.training.outputs import device_of
from brittle.training.tally import Tally


class EpochAttacks:
    """The attacks of one epoch: makes a batch harder, and keeps the books of the images before and after."""

    replays = 1

    def __init__(self, training: AdversarialTraining, module: nn.Module, seed: int):
        device = device_of(module)
        self.training, self.seed, self.classifier = training, seed, Classifier(module)
        self.before, self.after = Tally(device), Tally(device)
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

    @property
    def tallies(self) -> tuple[Tally, Tally]:
        """What was measured of the images before and after."""
        return self.before, self.after

    @property
    def objective(self) -> Objective:
        """What the batch that was last attacked is for."""
        return self.training.objective if self._attacked else PLAIN

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
