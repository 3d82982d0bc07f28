"""Shapes of the tensors that pass between the parts; checked at run time in the tests, free in production."""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

HALF_TYPES = (torch.float16, torch.bfloat16)
"""Number formats whose rounding is coarser than our tolerances: only the network calculates in them."""
Images = Float[Tensor, "n c h w"]
"""A batch of images, n x channels x height x width, within a classifier's bounds."""
Points = Float[Tensor, "n d h w"]
"""What an attack proposes and a threat measures: moved images, or for deformations their fields."""
Fields = Float[Tensor, "n 2 h w"]
"""Deformations in pixels: how far down (channel 0) and to the right (1) of each pixel its new value lies."""
Logits = Float[Tensor, "n k"]
"""Scores before the softmax, one row per image, one column per class."""
Labels = Int[Tensor, " n"]
"""Class indices, one per image."""
PerImage = Float[Tensor, " n"]
"""One number per image."""
Mask = Bool[Tensor, " n"]
"""One truth value per image."""
Rowwise = Shaped[Tensor, "n ..."]
"""Anything whose first axis runs over images."""
