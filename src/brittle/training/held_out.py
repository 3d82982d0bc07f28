"""Images that a training keeps aside: what it has learnt is measured on them, and decides what is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn

from brittle.arguments import check_fields
from brittle.classifiers.classifier import Classifier
from brittle.core.attack import Attack, at_least
from brittle.core.run import run
from brittle.errors import InputError
from brittle.identity.content import digest_of_tensor
from brittle.metrics import Estimate, proportion
from brittle.threats import Threat
from brittle.training.accuracy import accuracy
from brittle.training.adversarial import AdversarialTraining
from brittle.training.epoch import Epoch
from brittle.training.growing import Growing
from brittle.training.universal_pool import Hardening
from brittle.types import Images, Labels

Keep = Literal["best", "last"]
"""Whose weights a training ends with: those of the epoch that was best on the held-out images, or the last one's."""
HALF = 0.5
"""Of a robust accuracy: what is left below this fraction of it has collapsed."""
SOME = 0.2
"""A robust accuracy from which a collapse is one; below it there was little to lose."""
WITHIN_RADIUS = (AdversarialTraining, Growing)
"""Trainings within a radius that may grow."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Images that no step is made on, and what is decided by them.

    After each epoch the network's accuracy is measured on them, clean and under an attack of a few steps. In an
    adversarial training also under the training's own attack: where the few steps leave less than half of what that
    one leaves, or of what they left at an earlier epoch, the network has collapsed (catastrophic overfitting, Wong et
    al., ICLR 2020, section 5.1; arXiv:2001.03994): it has learnt to hide from the attack it is trained on. Their paper
    compares the accuracy under PGD from one mini-batch to the next and stops; here both signs are looked at, once an
    epoch on the same images, so that ordinary overfitting, which harms both alike, is none.

    Attributes:
        images: (n, c, h, w) in [0, 1].
        labels: (n,) int64.
        attack: of a few steps, such as `PGD(steps=10)`; None measures the clean accuracy alone.
        threat: of that attack; by default the training's own, at its full radius.
        keep: end with the weights of the best epoch, the first of equals, or with the last ones. The best has the
            largest robust accuracy, or clean accuracy where no attack is given; epochs at a radius that still grows are
            chosen only where there is no other.
        patience: stop after so many epochs without a better one; None goes on to the end.

    Raises:
        InputError: no images, other counts, or a patience below 1; UnsupportedThreat where the attack does not know the
            threat.

    Example:
        >>> import torch
        >>> HeldOut(torch.rand(8, 1, 4, 4), torch.arange(8) % 2, keep="last").patience is None
        True
    """

    images: Images
    labels: Labels
    attack: Attack | None = None
    threat: Threat | None = None
    keep: Keep = "best"
    patience: int | None = None

    def __post_init__(self):
        check_fields(self)
        if not len(self.images) or len(self.images) != len(self.labels):
            raise InputError(
                f"{len(self.images)} held-out images with {len(self.labels)} labels; expected a label for each, and "
                "at least one"
            )
        if self.patience is not None:
            at_least("patience", self.patience, 1)
        if self.attack is not None and self.threat is not None:
            self.attack.check(self.threat)
        if self.threat is not None and (self.attack is None or not self.threat.bounded):
            raise InputError("held-out images are given a threat; expected one with a radius, beside an attack")

    def measured(self, module: nn.Module, epoch: Epoch, adversarial: Hardening | None, seed: int) -> Epoch:
        """Return an epoch's record with what the network makes of the held-out images.

        Args:
            module: as the epoch left it; it is put back into its mode.
            epoch: without these figures.
            adversarial: of the training.
            seed: of the attacks' draws, the same for every epoch, so that epochs differ by their weights alone.
        """
        found: dict[str, float] = {"held_out_accuracy": accuracy(module, self.images, self.labels)}
        own = adversarial if isinstance(adversarial, AdversarialTraining) and adversarial.threat.bounded else None
        threat = self.threat or (own and own.threat)
        if threat is None and isinstance(adversarial, Growing):
            threat = adversarial.threat
        if self.attack is None or threat is None:
            return replace(epoch, **found)
        asked = {"held_out_robust_accuracy": (self.attack, threat)}
        if own is not None and own.attack != self.attack:
            asked["held_out_own_accuracy"] = (own.attack, own.threat)
        for name, (attack, within) in asked.items():
            found[name] = robust_accuracy(module, self.images, self.labels, attack, within, seed).value
        return replace(epoch, **found)

    def judged(self, epochs: Sequence[Epoch], adversarial: Hardening | None) -> Epoch:
        """Return the last of some epochs, marked where its robust accuracy has collapsed."""
        last = epochs[-1]
        robust, own = last.held_out_robust_accuracy, last.held_out_own_accuracy
        if robust is None or not isinstance(adversarial, WITHIN_RADIUS) or not adversarial.whole_at(last.number):
            return last
        before = [one.held_out_robust_accuracy or 0.0 for one in self._chosen_from(epochs[:-1], adversarial)]
        most = max([own or 0.0, *before])
        return replace(last, collapsed=most >= SOME and robust < HALF * most)

    def best(self, epochs: Sequence[Epoch], adversarial: Hardening | None) -> Epoch:
        """Return the epoch that is best on these images."""
        return max(self._chosen_from(epochs, adversarial) or epochs, key=_score)

    def over(self, epochs: Sequence[Epoch], adversarial: Hardening | None) -> bool:
        """Whether patience has come to its end."""
        chosen = self._chosen_from(epochs, adversarial)
        return (
            self.patience is not None
            and bool(chosen)
            and chosen[-1].number - max(chosen, key=_score).number >= self.patience
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything that determines what is decided, as JSON can hold it."""
        return {
            "images": digest_of_tensor(self.images),
            "labels": digest_of_tensor(self.labels),
            "attack": None if self.attack is None else repr(self.attack),
            "threat": None if self.threat is None else repr(self.threat),
            "keep": self.keep,
            "patience": self.patience,
        }

    def _chosen_from(self, epochs: Sequence[Epoch], adversarial: Hardening | None) -> list[Epoch]:
        if not isinstance(adversarial, WITHIN_RADIUS):
            return list(epochs)
        return [one for one in epochs if adversarial.whole_at(one.number)]


def _score(epoch: Epoch) -> tuple[float, float]:
    clean = epoch.held_out_accuracy or 0.0
    robust = epoch.held_out_robust_accuracy
    return clean if robust is None else robust, clean


def robust_accuracy(  # whose, under which attack, within what, drawn how
    module: nn.Module, images: Images, labels: Labels, attack: Attack, threat: Threat, seed: int = 0
) -> Estimate:
    """Measure which fraction of the images is right and stays so under an attack.

    Args:
        module: from images to logits; left as it was.
        images: n x c x h x w in [0, 1].
        labels: int64, n.
        attack: what is tried.
        threat: which changes are allowed.
        seed: of the attack's draws.

    Returns:
        The rate with its interval: an upper bound, which a better attack can only lower.
    """
    result = run(attack, Classifier(module), images, labels, threat=threat, seed=seed)
    standing = (result.clean_prediction.cpu() == labels.cpu()) & ~result.success.cpu()
    return proportion(int(standing.sum()), len(images))
