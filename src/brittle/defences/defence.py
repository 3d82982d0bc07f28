"""What a defence is, and what its adaptive counterpart."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Self

from brittle.classifiers.classifier import Classifier
from brittle.errors import InputError
from brittle.types import Images


class Masking(StrEnum):
    """What a defence does to the gradients (Athalye, Carlini & Wagner, ICML 2018, section 3, arXiv:1802.00420)."""

    NONE = "none"
    SHATTERED = "shattered"
    """It has steps or no derivative: the gradient is zero, or not that of what the network computes."""
    STOCHASTIC = "stochastic"
    """It draws random numbers: one gradient is that of one draw."""
    VANISHING = "vanishing/exploding"
    """It iterates, or scales the logits: the gradient is too small or too large to follow."""
    DETECTOR = "detector"
    """It refuses images: an image must be misclassified and not be refused."""


MARGIN = 3.0
"""Logits by which an adversary wants to win, in the mean over the draws, where a defence draws random numbers.

What wins by next to nothing loses with the next draws. Within linf 0.1 on 100 digits, PGD-20 left `sap` 40 % where it
stopped at the first success, 22 % by this margin, and `randomise` 46 % and 21 %, at 27 and 37 % more passes.
"""


@dataclass(frozen=True)
class Adaptive:
    """How a defended network is attacked by somebody who knows the defence.

    Attributes:
        classifier: computes what the defended classifier computes, and gives gradients that lead somewhere.
        eot_samples: draws that outputs and gradients are averaged over (EOT); 1 where nothing is random.
        confidence: by how many logits an image must be misclassified while it is searched for, so that a detector
            finds nothing odd about it, or that it stays so with other draws (`MARGIN`); 0 for a bare success.
        note: how the defence is attacked, as the end of a sentence: "through the identity in its place (BPDA)".
    """

    classifier: Classifier
    eot_samples: int = 1
    confidence: float = 0.0
    note: str = "by its own gradient"

    def over(self, eot_samples: int) -> Self:
        """Return the same with the mean over so many draws, which its note then says.

        Example:
            >>> from torch import nn
            >>> note = "with the mean gradient over 30 draws (EOT)"
            >>> Adaptive(Classifier(nn.Flatten()), 30, note=note).over(4).note
            'with the mean gradient over 4 draws (EOT)'
        """
        note = self.note.replace(f"over {self.eot_samples} draws", f"over {eot_samples} draws")
        return replace(self, eot_samples=eot_samples, note=note)


@dataclass(frozen=True)
class Defence(ABC):
    """A published defence: its hyper-parameters are its fields, all with defaults.

    Subclasses give `protect`, and `adaptive` wherever the gradient of what `protect` returns is of no use.

    Attributes:
        title: name of the method, as in "JPEG compression".
        masking: what it does to gradients.
        images_needed: clean training images that `prepare` takes; 0 where it needs none.

    Example:
        >>> class Nothing(Defence):
        ...     def protect(self, classifier: Classifier) -> Classifier:
        ...         return classifier
        >>> Nothing().masking
        <Masking.NONE: 'none'>
    """

    title: ClassVar[str] = ""
    masking: ClassVar[Masking] = Masking.NONE
    images_needed: ClassVar[int] = 0

    @abstractmethod
    def protect(self, classifier: Classifier) -> Classifier:
        """Return the classifier as it is deployed, with the gradients that automatic differentiation gives.

        The module that the given one holds stays as it is, and is called by the new one.

        Raises:
            InputError: the defence needs images and was not prepared, or does not fit the classifier.
        """

    def adaptive(self, classifier: Classifier) -> Adaptive:
        """Return how the classifier that `protect` makes of this one is to be attacked; by its own gradient here."""
        return Adaptive(self.protect(classifier))

    @property
    def ready(self) -> bool:
        """Whether it can protect a network without being prepared (once more)."""
        return not self.images_needed

    def prepare(self, classifier: Classifier, images: Images | None) -> Self:
        """Return the defence, made ready with clean images of the network's training set.

        Args:
            classifier: the network that it is going to protect.
            images: (n, c, h, w) within the bounds; None where the user gave none.

        Raises:
            InputError: too few images.
        """
        if self.images_needed > (0 if images is None else len(images)):
            found = "none were given" if images is None else f"there are {len(images)}"
            raise InputError(
                f"{self.title} needs {self.images_needed:,} clean training images, and {found}; name them with "
                "--defence-data, such as --defence-data digits:train"
            )
        return self

    def image_shape(self, shape: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        """Return which images (c, h, w) a network behind it takes that itself takes `shape`; None for any."""
        return shape

    def shown(self, classifier: Classifier, images: Images) -> Images:
        """Return what the network gets to see of images; the images themselves where it sees them as they are."""
        return images
