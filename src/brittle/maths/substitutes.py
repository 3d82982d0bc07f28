"""Images of noise that stand in for photographs where there are none."""

import torch

from brittle.types import Images

GAUSSIAN = ((123.68, 116.779, 103.939), (62.0, 58.0, 52.0))
"""Mean and standard deviation of red, green and blue in photographs of 0..255."""


def substitutes(shape: tuple[int, int, int], count: int, generator: torch.Generator) -> Images:
    """Return images of Gaussian noise with the mean and standard deviation of photographs, within [0, 1].

    They stand for images where there are none: a perturbation that changes what the network says of them can be told
    from one that does not (Mopuri et al., TPAMI 2018, section 3.4).

    Args:
        shape: channels, height, width; three channels are red, green and blue, others have the mean of the three.
        count: how many.
        generator: of the draws, on the CPU.

    Example:
        >>> substitutes((3, 2, 2), 4, torch.Generator()).shape
        torch.Size([4, 3, 2, 2])
    """
    mean, deviation = (torch.tensor(numbers) / 255 for numbers in GAUSSIAN)
    if shape[0] != 3:
        mean, deviation = mean.mean(), deviation.mean()
    noise = torch.randn(count, *shape, generator=generator)
    return (mean.reshape(-1, 1, 1) + deviation.reshape(-1, 1, 1) * noise).clamp(0, 1)
