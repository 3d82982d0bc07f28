"""Units that fall silent at random, the weaker the more often."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from brittle.arguments import Within, check_fields
from brittle.classifiers.classifier import Classifier
from brittle.defences.defence import MARGIN, Adaptive, Defence, Masking
from brittle.errors import InputError

DRAWS = 10
"""Passes whose gradients an adversary averages."""
_NAMES = (
    *("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "rrelu", "rrelu_", "threshold", "threshold_"),
    *("elu", "elu_", "selu", "selu_", "celu", "celu_", "gelu", "silu", "mish", "softplus", "softsign", "hardtanh"),
    *("hardtanh_", "hardswish", "hardsigmoid", "tanh", "tanh_", "sigmoid", "sigmoid_"),
)
_SPACES = (functional, torch, Tensor)
_PLAIN = {getattr(space, name) for space in _SPACES for name in _NAMES if hasattr(space, name)}
_IN_PROGRAMS = {
    getattr(torch.ops.aten, name).default
    for name in (*_NAMES, "relu6_", "gelu_", "silu_", "mish_", "hardswish_", "hardsigmoid_")
    if hasattr(torch.ops.aten, name)
}
ACTIVATIONS = frozenset[Any](_PLAIN | _IN_PROGRAMS)
"""Functions whose values are pruned, as networks in Python call them and as exported programs do."""


@dataclass(frozen=True)
class StochasticActivationPruning(Defence):
    """Stochastic activation pruning: after every nonlinearity some units are set to 0, and the rest made up for it.

    Dhillon et al., ICLR 2018, algorithm 1 (arXiv:1803.01442): of a layer's units a, r are drawn with replacement, each
    with probability p = |a| / sum |a|; those that were drawn are kept and divided by 1 - (1 - p)^r, the probability to
    be drawn at all, so that the expected value of every unit is what it was. Broken by the mean gradient over several
    draws (Athalye, Carlini & Wagner, ICML 2018, section 5, arXiv:1802.00420); a draw's mask and divisors are held
    fixed on the way back.

    The network is neither copied nor changed: what it calls while it is asked is looked at, in its own Python or in an
    exported program. Pruned are the values of ReLU, its relatives, tanh and sigmoid, wherever their first dimension is
    that of the images.

    Deviations: by default every unit is kept or not on its own, as in the code of Athalye et al., with the published
    probability (they prune the outputs of convolutions, with 1 - exp(-r p)); drawn with replacement, units compete a
    little. With `replacement` they are drawn as published: a
    unit is then found by adding up those before it, so that a rounding error in one of them, such as other images
    beside it bring about, can pass a draw to a neighbour. Random numbers are the same for all images of a pass.

    Args:
        fraction: r as a part of the number of units of the layer; 1 by default, the paper's SAP-100.
        replacement: draw exactly as published.

    Raises:
        InputError: a fraction that is not above 0; a network that calls none of these functions.

    Example:
        >>> classifier = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
        >>> StochasticActivationPruning(fraction=0.5).protect(classifier).logits(torch.rand(2, 1, 2, 2)).shape
        torch.Size([2, 3])
    """

    title: ClassVar[str] = "Stochastic activation pruning"
    masking: ClassVar[Masking] = Masking.STOCHASTIC

    fraction: Annotated[float, Within(0, 100)] = 1.0
    replacement: bool = False

    def __post_init__(self):
        check_fields(self)
        if not self.fraction > 0:
            raise InputError(f"fraction is {self.fraction}; expected a part of the units above 0, such as 1.0")

    def protect(self, classifier: Classifier) -> Classifier:
        """Return the classifier with its activations pruned at random."""
        return classifier.around(_Pruned(classifier.module, self.prune))

    def adaptive(self, classifier: Classifier) -> Adaptive:
        """Return the same, to be attacked by the mean gradient over several draws."""
        return Adaptive(
            self.protect(classifier), DRAWS, MARGIN, note=f"with the mean gradient over {DRAWS} draws (EOT)"
        )

    def prune(self, activations: Tensor) -> Tensor:
        """Return activations (n, ...) with some of each image's units at 0 and the others enlarged.

        Draws from torch's global random state.

        Example:
            >>> StochasticActivationPruning().prune(torch.tensor([[0.0, 3.0]]))
            tensor([[0., 3.]])
        """
        units = activations.detach().flatten(1).abs()
        units = units.to(torch.promote_types(units.dtype, torch.float32))
        count = units.shape[1]
        if not count:
            return activations
        draws = max(round(self.fraction * count), 1)
        total = units.sum(1, keepdim=True)
        share = units / total.where(total > 0, 1)
        odds = -torch.expm1(draws * torch.log1p(-share))  # 1 - (1 - p)^r, exact also where p is tiny
        if self.replacement:
            kept = _drawn(units, draws)
        else:
            kept = torch.rand(count, device=units.device, dtype=units.dtype) < odds
        factor = torch.where(kept & (odds > 0), 1 / odds, 0)
        return activations * factor.to(activations.dtype).reshape(activations.shape)


def _drawn(units: Tensor, draws: int) -> Tensor:
    """Say which units (n, count) are met by draws with replacement, each as likely as it is large."""
    # Uniform numbers in order: n exponential waiting times one after the other, as parts of those and one more.
    waits = torch.empty(draws + 1, dtype=torch.float64, device=units.device).exponential_().cumsum(0)
    sums = units.double().cumsum(1)
    ends = sums / sums[:, -1:].where(sums[:, -1:] > 0, 1)
    below = torch.searchsorted(waits[:-1] / waits[-1], ends, right=True)
    return below.diff(dim=1, prepend=below.new_zeros(len(below), 1)) > 0


class _Pruned(nn.Module):
    """A network whose activations are pruned while it is asked."""

    def __init__(self, module: nn.Module, prune: Callable[[Tensor], Tensor]):
        super().__init__()
        self.module, self.prune = module, prune

    def forward(self, images: Tensor) -> object:
        with _Pruning(self.prune, len(images)) as pruning:
            found = self.module(images)
        if not pruning.met:
            raise InputError(
                f"{StochasticActivationPruning.title} found no activation in this network: it calls neither ReLU nor "
                "one of its relatives, nor tanh or sigmoid, where Python can see it; give the network uncompiled"
            )
        return found


class _Pruning(TorchFunctionMode):
    """Prunes what activation functions return, and lets everything else be.

    Attributes:
        met: how many activations it has pruned.
    """

    def __init__(self, prune: Callable[[Tensor], Tensor], count: int):
        super().__init__()
        self.prune, self.count, self.met = prune, count, 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Compute as asked; this is not asked about what is called in here."""
        found = func(*args, **(kwargs or {}))
        if func not in ACTIVATIONS or not isinstance(found, Tensor) or found.ndim < 2 or len(found) != self.count:
            return found
        self.met += 1
        return self.prune(found)
