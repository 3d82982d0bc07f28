"""Logits so large that the softmax of them has no gradient left."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn

from brittle.arguments import Within, check_fields
from brittle.classifiers.classifier import Classifier
from brittle.defences.defence import Adaptive, Defence, Masking
from brittle.errors import InputError


@dataclass(frozen=True)
class Distillation(Defence):
    """Defensive distillation, of a network that was trained by it: `brittle train ARCHITECTURE --distil TEMPERATURE`.

    Papernot et al., IEEE Symposium on Security and Privacy 2016, section IV (arXiv:1511.04508). The defence lies in the
    weights, and the network is deployed as it is, at T = 1: its logits are about T times those of an ordinary one, and
    the gradient of the softmax loss rounds to 0. Broken by dividing them by T again, which changes no verdict, or by a
    loss on the logits themselves (Carlini & Wagner, IEEE Symposium on Security and Privacy 2017, section IX,
    arXiv:1608.04644).

    Args:
        temperature: T, that the network was trained at; 100 by default, as in the second paper.

    Raises:
        InputError: a temperature below 1; a network whose outputs are no logits.

    Example:
        >>> import torch
        >>> classifier = Classifier(nn.Flatten())
        >>> Distillation(20).adaptive(classifier).classifier.logits(torch.ones(1, 1, 1, 2))
        tensor([[0.0500, 0.0500]])
    """

    title: ClassVar[str] = "Defensive distillation"
    masking: ClassVar[Masking] = Masking.VANISHING

    temperature: Annotated[float, Within(1, 1e6)] = 100.0

    def __post_init__(self):
        check_fields(self)

    def protect(self, classifier: Classifier) -> Classifier:
        """Return the classifier as it is."""
        if classifier.labels is not None or classifier.probabilities:
            raise InputError(
                f"{self.title} is undone on logits, and the network returns "
                f"{'class numbers' if classifier.probabilities is False else 'probabilities'}; give one with logits"
            )
        return classifier

    def adaptive(self, classifier: Classifier) -> Adaptive:
        """Return the classifier with its logits divided by the temperature."""
        divided = _Divided(self.protect(classifier).module, self.temperature)
        return Adaptive(classifier.around(divided), note=f"with logits divided by {self.temperature:g}")


class _Divided(nn.Module):
    """A network with its logits divided by a number."""

    def __init__(self, module: nn.Module, by: float):
        super().__init__()
        self.module, self.by = module, by

    def forward(self, images: Tensor) -> Tensor:
        found = self.module(images)
        return (found if isinstance(found, Tensor) else found.logits) / self.by
