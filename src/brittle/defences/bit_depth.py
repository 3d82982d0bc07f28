"""Fewer levels for every value of an image."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brittle.arguments import Within, check_fields
from brittle.defences.defence import Masking
from brittle.defences.transformation import InputTransformation
from brittle.types import Images


@dataclass(frozen=True)
class BitDepth(InputTransformation):
    """Bit-depth reduction: every value is rounded to the nearest of 2^bits levels.

    Guo, Rana, Cissé & van der Maaten, ICLR 2018, section 3 (arXiv:1711.00117), after Xu, Evans & Qi, NDSS 2018
    (arXiv:1704.01155, section II-A). Broken by going back through the identity (Athalye, Carlini & Wagner, ICML 2018,
    section 5).

    Args:
        bits: for each value of an image, 1 to 8; 3 by default, as in the first paper.

    Raises:
        InputError: another number of bits.

    Example:
        >>> import torch
        >>> BitDepth(bits=1).transform(torch.tensor([[[[0.2, 0.8]]]]))
        tensor([[[[0., 1.]]]])
    """

    title: ClassVar[str] = "Bit-depth reduction"
    masking: ClassVar[Masking] = Masking.SHATTERED

    bits: Annotated[int, Within(1, 8)] = 3

    def __post_init__(self):
        check_fields(self)

    def transform(self, images: Images) -> Images:
        """Return the images with every value rounded to its level."""
        top = 2**self.bits - 1
        return (images * top).round() / top
