"""A substitute: a network of one's own that is taught an oracle's decisions, round by round (Papernot et al. 2017)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from brittle.arguments import Count, check_fields
from brittle.blackbox.augmentation import JacobianAugmentation
from brittle.types import Images, Labels

Ask = Callable[[Images], Labels]
"""Labels images, as `Oracle.labels` does."""
Train = Callable[[nn.Module, Images, Labels, int], None]
"""Trains a network in place, from the weights that it has, on labelled images; also told the number of the round."""


@dataclass(frozen=True, eq=False)
class Taught:
    """What has been asked so far.

    Attributes:
        images: all that are labelled, or are about to be, n x c x h x w in [0, 1].
        labels: the oracle's, int64, of as many of the first of them as are labelled.
        rounds: how many are done, labelled and trained on.
    """

    images: Images
    labels: Labels
    rounds: int = 0

    @classmethod
    def begun(cls, images: Images) -> "Taught":
        """Begin with some images of which nothing is known."""
        return cls(images, torch.zeros(0, dtype=torch.int64))


@dataclass(frozen=True)
class SubstituteTraining:
    """Teaches a network the decisions of an oracle with few images to begin with (Papernot et al. 2017, algorithm 1).

    In each round the oracle labels the images that are new, the substitute is trained on all of them from the weights
    that it has, and its Jacobian says which images to ask about next. The last round asks for no more. Rounds are
    numbered from 0, as the paper's rho.

    Attributes:
        augmentation: which images are asked about next.
        rounds: substitute epochs, rho_max; 6 in the paper's section 5.

    Example:
        >>> substitute = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> train = lambda network, images, labels, number: None
        >>> begin = Taught.begun(torch.rand(3, 1, 2, 2))
        >>> brighter = lambda images: (images.mean((1, 2, 3)) > 0.5).long()
        >>> len(SubstituteTraining(rounds=3).taught(substitute, begin, brighter, train).labels)
        12
    """

    augmentation: JacobianAugmentation = field(default_factory=JacobianAugmentation)
    rounds: Count = 6

    def __post_init__(self):
        check_fields(self)

    def taught(
        self,
        substitute: nn.Module,
        begin: Taught,
        ask: Ask,
        train: Train,
        *,
        seed: int = 0,
        told: Callable[[Taught], None] | None = None,
    ) -> Taught:
        """Teach a substitute, in place.

        Args:
            substitute: from images to logits, with as many classes as the oracle has at least.
            begin: the seed images; or what an interrupted call was told last, together with the substitute's weights
                of that time: then it goes on from there, and gives the same as if it had not been interrupted.
            ask: labels images.
            train: trains the substitute on labelled images.
            seed: of the choice of images to move.
            told: told of each round when it is done: what is labelled, with the next round's images behind it.

        Returns:
            All images with their labels.
        """
        state = begin
        while state.rounds < self.rounds:
            labels = torch.cat([state.labels, ask(state.images[len(state.labels) :])])
            train(substitute, state.images, labels, state.rounds)
            images = state.images
            if state.rounds + 1 < self.rounds:
                new = self.augmentation.new_images(substitute, images, labels, state.rounds, seed)
                images = torch.cat([images, new])
            state = Taught(images, labels, state.rounds + 1)
            if told is not None:
                told(state)
        return replace(state, images=state.images[: len(state.labels)])
