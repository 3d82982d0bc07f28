"""What an adversarial training minimises: the loss of the images before and after the attack."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from brittle.arguments import check_fields
from brittle.core.attack import at_least
from brittle.errors import InputError
from brittle.training.outputs import logits_of
from brittle.types import Images


class Objective(ABC):
    """The loss of one batch, in train mode."""

    @property
    def needs_all(self) -> bool:
        """Whether every image of the batch must be attacked."""
        return True

    @abstractmethod
    def loss(
        self, module: nn.Module, clean: Images, attacked: Images, wanted: Tensor, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Return the loss, a scalar to be differentiated, and the logits of the attacked images, (n, k).

        Args:
            module: in train mode.
            clean: (n, c, h, w), the batch before the attack.
            attacked: (n, c, h, w), after it.
            wanted: labels, (n,) int64, or probabilities of the classes, (n, k).
            temperature: that the logits are divided by.
        """


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """The cross-entropy of the attacked images: Madry et al., ICLR 2018, equation 2.1 (arXiv:1706.06083).

    Example:
        >>> CrossEntropy().needs_all
        False
    """

    @property
    def needs_all(self) -> bool:
        """No: images that are not attacked count as they are."""
        return False

    def loss(
        self, module: nn.Module, clean: Images, attacked: Images, wanted: Tensor, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Return the mean cross-entropy of the attacked images."""
        logits = logits_of(module, attacked)
        return functional.cross_entropy(logits / temperature, wanted), logits


@dataclass(frozen=True)
class Trades(Objective):
    """Cross-entropy of the clean images plus beta times how far the attacked ones are from what is said of them.

    Zhang et al., ICML 2019, equation 5 and algorithm 1 (arXiv:1901.08573): CE(f(x), y) + beta KL(f(x) || f(x')). The
    paper's attack climbs the same divergence: give `PGD(loss="divergence")`. Deviation: of the points that the attack
    has looked at, the one with the largest margin of another class is taken, not the last one.

    Attributes:
        beta: 1 / lambda of the paper; 6 in its tables for CIFAR-10, 1 for more clean accuracy.

    Raises:
        InputError: a beta that is negative or no number.

    Example:
        >>> Trades(beta=1.0).needs_all
        True
    """

    beta: float = 6.0

    def __post_init__(self):
        check_fields(self)
        at_least("beta", self.beta, 0)

    def loss(
        self, module: nn.Module, clean: Images, attacked: Images, wanted: Tensor, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of both terms, each a mean over the images."""
        before, logits = logits_of(module, clean) / temperature, logits_of(module, attacked)
        after = (logits / temperature).log_softmax(1)
        divergence = functional.kl_div(after, before.softmax(1), reduction="batchmean")
        return functional.cross_entropy(before, wanted) + self.beta * divergence, logits


@dataclass(frozen=True)
class Mixed(Objective):
    """A weighted mean of the cross-entropy of the clean and of the attacked images.

    Goodfellow et al., ICLR 2015, section 6 (arXiv:1412.6572): alpha J(x) + (1 - alpha) J(x'), every image both ways.

    Attributes:
        weight: alpha, of the clean images; the paper's 0.5.

    Raises:
        InputError: a weight outside 0 to 1.

    Example:
        >>> Mixed().weight
        0.5
    """

    weight: float = 0.5

    def __post_init__(self):
        check_fields(self)
        if not 0 <= self.weight <= 1:
            raise InputError(f"weight is {self.weight}; expected the weight of the clean images, from 0 to 1")

    def loss(
        self, module: nn.Module, clean: Images, attacked: Images, wanted: Tensor, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Return the weighted mean."""
        before, logits = logits_of(module, clean), logits_of(module, attacked)
        clean_loss, loss = (functional.cross_entropy(one / temperature, wanted) for one in (before, logits))
        return self.weight * clean_loss + (1 - self.weight) * loss, logits


PLAIN = CrossEntropy()
"""What is minimised where nothing else is said."""
OBJECTIVES: dict[str, type[Objective]] = {"cross-entropy": CrossEntropy, "mixed": Mixed, "trades": Trades}
"""By the name that the command line knows."""
