"""Images of least total variation that agree with half of the pixels."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch

from brittle.arguments import Within, check_fields
from brittle.defences.defence import Masking
from brittle.defences.transformation import InputTransformation
from brittle.maths.total_variation import reconstructed
from brittle.types import Images


@dataclass(frozen=True)
class TotalVariation(InputTransformation):
    """Total-variation minimisation: pixels are dropped at random, and a simpler image is put through the others.

    Guo, Rana, Cissé & van der Maaten, ICLR 2018, section 3 (arXiv:1711.00117): the image z of least
    |(1 - X) * (z - x)|_2 + weight * TV_2(z), each channel by itself, where X says which values are dropped and TV_2 is
    the sum of the L2 norms of the differences of neighbouring rows and of neighbouring columns. It is convex and is
    solved to the end, for all images at once; see `brittle.maths.total_variation.reconstructed`. scikit-image's solvers
    take no mask and have another data term. Broken through the identity in its place, averaged over the draws (Athalye,
    Carlini & Wagner, ICML 2018, section 5).

    Which values are dropped is drawn once a pass, for all images alike, and for each channel by itself.

    Args:
        keep: probability with which a value is kept; 0.5 as published.
        weight: of the total variation; 0.03 as published, for values from 0 to 1.

    Raises:
        InputError: a probability outside 0 to 1, or a negative weight.

    Example:
        >>> image = torch.full((1, 1, 8, 8), 0.5)
        >>> torch.equal(TotalVariation().transform(image), image)
        True
    """

    title: ClassVar[str] = "Total-variation minimisation"
    masking: ClassVar[Masking] = Masking.SHATTERED
    draws: ClassVar[int] = 10

    keep: Annotated[float, Within(0, 1)] = 0.5
    weight: Annotated[float, Within()] = 0.03

    def __post_init__(self):
        check_fields(self)

    def transform(self, images: Images) -> Images:
        """Return the images of least total variation."""
        kept = (torch.rand(images.shape[1:]) < self.keep).to(images.device)
        return reconstructed(images, kept, self.weight).clamp(0, 1)
