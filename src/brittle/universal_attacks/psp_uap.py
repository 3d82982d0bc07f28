"""PSP-UAP: a universal perturbation without data, whose own crops take the place of images."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from brittle.core.attack import at_least, fraction_above_zero
from brittle.errors import InputError, ModelError
from brittle.types import Images, Logits
from brittle.universal_attacks.curriculum import FAINT, CurriculumAttack
from brittle.universal_attacks.excitation import ActivationState
from brittle.universal_attacks.layer_kinds import first_of
from brittle.universal_attacks.layers import Layers
from brittle.universal_attacks.loudness import grey_of
from brittle.universal_attacks.problem import UniversalProblem
from brittle.universal_attacks.pseudo_semantics import Views, crops

UNWEIGHTED = "say weighted=false"


@dataclass(frozen=True)
class PSPUAP(CurriculumAttack):
    """Makes convolutions loud on crops of artificial images that carry the perturbation, the hard ones above all.

    Lee et al., "Data-free universal adversarial perturbation with pseudo-semantic prior", CVPR 2025, and the authors'
    code: the perturbation has patterns that networks take for objects, so random crops of it, enlarged and with an
    artificial image underneath, serve as images. The perturbation is added to them, and each is rotated a little, given
    another contrast or shuffled in blocks. A sample weighs 1 / sqrt(KL), with the divergence of what the network says
    with the perturbation from what it says without, both softened by `temperature`: what resists counts more. The loss
    is minus the sum over the first layers of log(sum of the squared weighted activations / 2). Images, validation and
    deviations are those of `CurriculumAttack`.

    A further deviation: what the network says with the perturbation is asked in a forward pass of its own.

    Attributes:
        prior: the authors take "gauss" for AlexNet, VGG and MobileNet, "jigsaw" for the others.
        positive: fraction of the convolutions, from the first on, that are to be loud. The authors take 0.2 (Inception)
            to 1 (VGG); 0.9 for MobileNet v3, the default here.
        copies: crops of each artificial image in a step.
        temperature: of the weights. The authors take 1 to 10; 2 for MobileNet v3, the default here.
        weighted: whether samples weigh by how they resist; otherwise all the same, and positive activations alone
            count.
        varied: whether the samples are rotated, given another contrast or shuffled.

    Example:
        >>> PSPUAP(iterations=100).shown_in(100)
        1000
    """

    positive: float = 0.9
    copies: int = 10
    temperature: float = 2.0
    weighted: bool = True
    varied: bool = True

    def __post_init__(self):
        super().__post_init__()
        at_least("copies", self.copies, 1)
        fraction_above_zero("positive", self.positive)
        if not 0 < self.temperature < math.inf:
            raise InputError(f"temperature is {self.temperature}; expected a finite number above 0")

    @property
    def looks(self) -> int:
        """One, and two more where the samples are weighed."""
        return 3 if self.weighted else 1

    @property
    def samples(self) -> int:
        """The crops of each artificial image."""
        return self.copies

    def background(self, problem: UniversalProblem, generator: torch.Generator, course: ActivationState) -> Images:
        """Return crops of the artificial images of one step, with the perturbation as it stands."""
        carriers = super().background(problem, generator, course) + course.raw.clamp(-problem.radius, problem.radius)
        return crops(carriers.repeat(self.copies, 1, 1, 1), generator)

    def sizes(
        self, problem: UniversalProblem, layers: Layers, images: Images, change: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the weighted loudness of each layer."""
        still, moved = images, images + change
        if self.varied:
            views, grey = Views.drawn(len(images), *problem.shape[1:], generator), grey_of(problem, self.mean)
            still, moved = views.of(still, grey), views.of(moved, grey)
        weights = moved.new_ones(len(images)) if not self.weighted else self._weights(problem, still, moved.detach())
        return torch.stack([self._loudness(output, weights) for output in layers(moved)])

    def _weights(self, problem: UniversalProblem, still: Images, moved: Images) -> Tensor:
        """Return the weight of each sample.

        Raises:
            ModelError: the network gives no row of numbers for each image.
        """
        with torch.no_grad():
            without, with_it = (problem.classifier.logits(images) for images in (still, moved))
        if not isinstance(cast("object", without), Tensor) or without.ndim != 2 or len(without) != len(still):
            raise ModelError(f"samples weigh by the network's logits, (n, classes), and it gives others; {UNWEIGHTED}")
        return resistance(with_it, without, self.temperature)

    def _loudness(self, output: Tensor, weights: Tensor) -> Tensor:
        """Return the loudness of a layer.

        Raises:
            ModelError: it sees another number of images than there are.
        """
        if not self.weighted:
            return output.clamp_min(0).square().sum()
        if len(output) != len(weights):
            raise ModelError(
                f"a layer sees {len(output)} images where {len(weights)} are shown, and which weighs what is not "
                f"known; {UNWEIGHTED}"
            )
        return (output.flatten(1).square().sum(1) * weights.to(output).square()).sum()

    def loudness(self, output: Tensor) -> Tensor:
        """Return the loudness of a layer where all samples weigh the same."""
        return self._loudness(output, output.new_ones(len(output)))

    def objective(self, sizes: Tensor) -> Tensor:
        """Return minus the sum of the logarithms of the first layers' loudness."""
        return -(sizes[: first_of(self.positive, len(sizes))] / 2 + FAINT).log().sum()


def resistance(moved: Logits, still: Logits, temperature: float) -> Tensor:
    """Return 1 / sqrt(T^2 KL) of each image, with the softened divergence of one answer from another, (n,).

    Example:
        >>> resistance(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]]), 1.0)
        tensor([1.4710])
    """
    said, before = (torch.log_softmax(logits / temperature, 1) for logits in (moved, still))
    divergence = functional.kl_div(said, before, reduction="none", log_target=True).sum(1)
    return (temperature**2 * divergence).clamp_min(torch.finfo(moved.dtype).eps).rsqrt()
