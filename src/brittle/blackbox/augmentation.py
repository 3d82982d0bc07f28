"""Jacobian-based dataset augmentation: new questions for an oracle, where a substitute changes fastest."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from brittle.arguments import check_fields
from brittle.base.seeds import Streams
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.errors import InputError
from brittle.types import Images, Labels

AT_ONCE = 256
"""Images whose gradients are taken in one pass."""


@dataclass(frozen=True)
class JacobianAugmentation:
    """Moves each image by a step along the sign of a row of the substitute's Jacobian (Papernot et al. 2017, eq. 4).

    With F the class probabilities of the substitute and O(x) the oracle's label of x, the new images of round rho are
    x + lambda_rho sign(J_F(x)[O(x)]). Deviations from the paper: they are clipped to [0, 1], so that they are images;
    the gradient is that of log F, which has the same sign and does not vanish where F rounds to 0 or 1; and the kappa
    images of a later round are drawn at once without replacement, which gives the distribution that reservoir sampling
    from a stream does.

    Attributes:
        step: lambda, in the units of the images; 0.1 in the paper's section 5.
        flip: tau, rounds after which the sign of the step turns (the periodic step size); 3 in the paper. 0 for never.
        full_rounds: sigma, first rounds in which every image gives a new one; 3 in the paper.
        sample: kappa, images that give a new one in each later round; 400 in the paper. 0 for all of them.

    Raises:
        InputError: a step that is no change of an image, or negative counts.

    Example:
        >>> [JacobianAugmentation().step_of(number) for number in range(5)]
        [0.1, 0.1, 0.1, -0.1, -0.1]
    """

    step: float = 0.1
    flip: int = 3
    full_rounds: int = 3
    sample: int = 400

    def __post_init__(self):
        check_fields(self)
        if not 0 < self.step <= 1:
            raise InputError(f"step is {self.step}; expected a change of values in [0, 1], such as 0.1")
        for name in ("flip", "full_rounds", "sample"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}; expected a whole number of at least 0")

    def step_of(self, number: int) -> float:
        """Return the step after a round, lambda (-1)^floor(rho / tau); the first round is number 0."""
        return self.step if not self.flip or (number // self.flip) % 2 == 0 else -self.step

    def sizes(self, seeds: int, rounds: int) -> list[int]:
        """Return how many images are labelled in all at the end of each round.

        Args:
            seeds: images of the first round.
            rounds: how many there are.

        Example:
            >>> JacobianAugmentation().sizes(150, 6)
            [150, 300, 600, 1200, 1600, 2000]
        """
        found = [seeds]
        for number in range(rounds - 1):
            found.append(found[-1] + self._bases(number, found[-1]))
        return found[:rounds]

    def _bases(self, number: int, count: int) -> int:
        return min(self.sample, count) if self.sample and number >= self.full_rounds else count

    def new_images(self, substitute: nn.Module, images: Images, labels: Labels, number: int, seed: int) -> Images:
        """Return the images that a round adds.

        Args:
            substitute: from images to logits; left as it was.
            images: all that are labelled, n x c x h x w in [0, 1].
            labels: the oracle's, int64, n.
            number: of the round, 0 for the first.
            seed: of the choice of images, which depends on the round too.

        Returns:
            As many images as `sizes` says that the round adds, on the device of `images`.

        Example:
            >>> substitute = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
            >>> images = torch.full((3, 1, 2, 2), 0.5)
            >>> new = JacobianAugmentation().new_images(substitute, images, torch.zeros(3).long(), 0, seed=0)
            >>> (new - images).abs().max()
            tensor(0.1000)
        """
        bases = self._bases(number, len(images))
        if bases < len(images):
            chosen = _drawn(len(images), bases, number, seed)
            images, labels = images[chosen.to(images.device)], labels[chosen.to(labels.device)]
        moved = [
            one + self.step_of(number) * _signs(substitute, one, truth)
            for one, truth in zip(images.split(AT_ONCE), labels.split(AT_ONCE), strict=True)
        ]
        return torch.cat(moved).clamp(0, 1) if moved else images


def _drawn(count: int, bases: int, number: int, seed: int) -> Tensor:
    """Return the places of some images, each set of them equally likely, in their order."""
    keys = Streams(seed, torch.tensor([number]), torch.float64).uniform(torch.tensor([0]), (count,))[0]
    return keys.argsort(stable=True)[:bases].sort().values


def _signs(substitute: nn.Module, images: Images, labels: Labels) -> Images:
    """Return the signs of the derivatives of the log-probability of each image's label by the image's values."""
    classifier = Classifier(substitute)
    with preserving_state(substitute):
        inputs = images.detach().to(classifier.device, classifier.dtype, copy=True).requires_grad_()
        said = classifier.logits(inputs).log_softmax(1).gather(1, labels.to(classifier.device)[:, None])
        (gradient,) = torch.autograd.grad(said.sum(), inputs)
    return gradient.sign().to(images)
