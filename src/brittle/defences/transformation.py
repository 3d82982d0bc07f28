"""Defences that change the images before the network sees them."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from brittle.classifiers.behind import Behind
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.surrogate import Surrogate, without_gradient
from brittle.defences.defence import MARGIN, Adaptive, Defence
from brittle.types import Images


@dataclass(frozen=True)
class InputTransformation(Defence):
    """A change of every image before the network sees it.

    Subclasses give `transform` and, where it can be differentiated, say so with `differentiable`. Who knows the defence
    goes back through `surrogate` in place of one that cannot be (BPDA, Athalye, Carlini & Wagner, ICML 2018, section
    4.1, arXiv:1802.00420), and averages over `draws` of a random one (EOT, section 4.2) until it wins by `MARGIN`.

    A random transformation draws from torch's global random state, once a pass for all images alike: then what is done
    to an image depends neither on its place in the batch nor on its neighbours.

    Attributes:
        differentiable: whether automatic differentiation goes through `transform`; otherwise its gradient counts as 0.
        draws: over how many an adversary averages; 1 where nothing is random.
    """

    differentiable: ClassVar[bool] = False
    draws: ClassVar[int] = 1

    @abstractmethod
    def transform(self, images: Images) -> Images:
        """Return what the network is to see of images (n, c, h, w) from 0 to 1, of any size, in the same range."""

    def stage(self) -> Callable[[Images], Images]:
        """Return what a protected network calls: `transform`, or an object of its own that remembers something."""
        return self.transform

    def models(self) -> tuple[nn.Module, ...]:
        """Return the models that `transform` asks and no field holds, by whose weights a run is known too."""
        return ()

    def surrogate(self, images: Images) -> Images:
        """Return something like `transform` that can be differentiated; the images themselves by default."""
        return images

    def protect(self, classifier: Classifier) -> Classifier:
        """Return the classifier behind the transformation."""
        stage = self.stage()
        return self._behind(classifier, stage if self.differentiable else without_gradient(stage))

    def adaptive(self, classifier: Classifier) -> Adaptive:
        """Return the classifier behind the transformation, with the surrogate to go back through."""
        stage = self.stage() if self.differentiable else Surrogate(self.stage(), self.surrogate)
        notes = [] if self.differentiable else ["through a surrogate in its place (BPDA)"]
        notes += [f"with the mean gradient over {self.draws} draws (EOT)"] if self.draws > 1 else []
        margin = MARGIN if self.draws > 1 else 0.0
        return Adaptive(self._behind(classifier, stage), self.draws, margin, " ".join(notes) or Adaptive.note)

    def shown(self, classifier: Classifier, images: Images) -> Images:
        """Return the transformed images."""
        lower, span = classifier.bounds.lower, classifier.bounds.span
        with torch.no_grad():
            return self.transform((images - lower) / span) * span + lower

    def _behind(self, classifier: Classifier, stage: Callable[[Tensor], Tensor]) -> Classifier:
        return classifier.around(Behind(stage, classifier.module, classifier.bounds, self.models()))
