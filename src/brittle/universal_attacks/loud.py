"""How loud convolutions are in a pass that is made anyway: what a search with images climbs beside its objective."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.memory_format import logits_in
from brittle.errors import ModelError
from brittle.threats import Lp
from brittle.types import Images, Logits, PerImage
from brittle.universal_attacks.layer_kinds import first_of
from brittle.universal_attacks.problem import UniversalProblem
from brittle.universal_attacks.watched_layers import WatchedLayers

WEIGHT = 1.0
"""By default, of photographs; chosen on MobileNet v2."""
SILENT = 1e-30
"""Squared norm up to which a layer counts as silent."""
PART = 0.8
"""Fraction of the convolutions, from the first on, that count, as in `ActivationAscent`."""


class LogSquare(torch.autograd.Function):
    """The logarithm of each row's squared norm; that of zeros is very small, and has no slope.

    torch's own functions walk over a layer's output several times on the way back, and this once.

    Example:
        >>> LogSquare.apply(torch.tensor([[3.0, 4.0]])).exp().round()
        tensor([25.])
    """

    @staticmethod
    def forward(ctx: Any, outputs: Tensor) -> PerImage:
        """Measure rows (n, ...)."""
        kind = torch.promote_types(outputs.dtype, torch.float32)
        norms = torch.linalg.vector_norm(outputs, dim=tuple(range(1, outputs.ndim)), dtype=kind)
        squares = norms.square().clamp_min(SILENT)
        ctx.save_for_backward(outputs, squares)
        return squares.log()

    @staticmethod
    def backward(ctx: Any, gradient: PerImage) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return 2 x / |x|^2 of each row."""
        outputs, squares = ctx.saved_tensors
        factor = torch.where(squares > SILENT, 2 * gradient / squares, 0).to(outputs.dtype)
        return outputs * factor.reshape(-1, *[1] * (outputs.ndim - 1))


@dataclass(frozen=True)
class Loud:
    """The convolutions of a network, and what it is worth that they are loud.

    Attributes:
        layers: the first of them, as a pass meets them.
        weight: of the mean logarithm of their squared norms, beside an objective.
    """

    layers: WatchedLayers
    weight: float

    @classmethod
    def of(cls, problem: UniversalProblem, weight: float | None, *, usual: bool) -> "Loud | None":
        """Find the convolutions; None where nothing is asked.

        Args:
            problem: with the network.
            weight: what is asked; None for `WEIGHT` where that is usual, something is added to the images and the
                network has convolutions. Of patches and frames fewer images were fooled so.
            usual: whether it is.

        Raises:
            ModelError: a weight is asked, and there are no convolutions.
        """
        if weight == 0 or (weight is None and not (usual and isinstance(problem.threat, Lp))):
            return None
        example = torch.full((1, *problem.shape), problem.classifier.bounds.lower).to(problem.blank())
        try:
            layers = WatchedLayers(problem.classifier.module, example, (), "convolutions")
        except ModelError as error:
            if weight is None:
                return None
            raise ModelError(f"loud is {weight:g}, and the network has no convolution; leave it out") from error
        layers.names = layers.names[: first_of(PART, len(layers.names))]
        return cls(layers, WEIGHT if weight is None else weight)

    def beside(self, classifier: Classifier, images: Images) -> tuple[Logits, PerImage]:
        """Return the logits of images, and what each one's loudness in the same pass is worth, (n,)."""

        def asking(module: nn.Module, given: Images) -> list[Any]:
            outputs, layers = self.layers.beside(module, given)
            return [logits_in(outputs), torch.stack([LogSquare.apply(one) for one in layers]).mean(0)]

        logits, loudness = classifier.logits_beside(images, asking)
        return logits, self.weight * loudness
