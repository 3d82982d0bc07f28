"""One random stream per image, so that no draw depends on the batch size, the order or who finished first.

The streams are counter-based (as in Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a number
is a hash of (seed, image id, how many draws the image has made, position in the draw). The hash is the finaliser of
SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), in int64 arithmetic that wraps, which gives the same bits on every device.
"""

import math

import torch
from torch import Tensor

from brittle.base.random_state import seed_all

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)
_BITS = {torch.float64: 53, torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Shift right without the sign: torch's shift of int64 is arithmetic."""
    return (x >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def _word(number: int) -> int:
    """Bring a whole number into int64, where what runs over begins again below: seeds are counted up from any start."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _mixed(x: Tensor) -> Tensor:
    x = _shifted(x, 30).bitwise_xor_(x).mul_(_FIRST)
    x = _shifted(x, 27).bitwise_xor_(x).mul_(_SECOND)
    return _shifted(x, 31).bitwise_xor_(x)


def reseed(seed: int, device: torch.device) -> None:
    """Set the global random states, those of the device included, from which randomised networks draw."""
    seed_all(seed, [device.index or 0] if device.type == "cuda" else [])


class Streams:
    """The random streams of a batch of images; every draw advances the streams of the images that take part.

    Args:
        seed: of the run.
        ids: identity of each image (int64), such as its position in the data set.
        dtype: of the numbers drawn; they carry as many random bits as it holds exactly, so that 1 is never drawn.

    Example:
        >>> alone = Streams(0, torch.tensor([7])).uniform(torch.tensor([0]), (2,))
        >>> together = Streams(0, torch.tensor([3, 7])).uniform(torch.tensor([0, 1]), (2,))
        >>> bool((alone[0] == together[1]).all())
        True
    """

    def __init__(self, seed: int, ids: Tensor, dtype: torch.dtype = torch.float32):
        self._keys = _mixed(_mixed(ids * _GOLDEN + 1) ^ _mixed(torch.full_like(ids, _word(seed)) + _GOLDEN))
        self._drawn = torch.zeros_like(ids)
        self._dtype = dtype
        self._seed, self._given = seed, 0

    def another_seed(self) -> int:
        """Return a seed for random numbers that are nobody's in particular, another one each time."""
        self._given += 1
        return int(_shifted(_mixed(torch.tensor(_word(self._seed)) * _GOLDEN + self._given), 1))

    def branch(self) -> "Streams":
        """Return streams of the same images that have nothing to do with these, others each time.

        What one part of a transformation draws from its branch changes nothing in what another part draws.

        Example:
            >>> of, streams = torch.tensor([0]), Streams(0, torch.tensor([7]))
            >>> first, second = streams.branch(), streams.branch()
            >>> bool(first.uniform(of, ()) == second.uniform(of, ()))
            False
        """
        self._given += 1
        other = Streams(self._seed, self._keys, self._dtype)
        other._keys = _mixed(self._keys ^ _mixed(torch.full_like(self._keys, self._given * 2 + 1)))
        other._seed = int(_shifted(_mixed(torch.tensor(_word(self._seed)) ^ (self._given * 2 + 1)), 1))
        return other

    def uniform(self, of: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Draw from U[0, 1).

        Args:
            of: positions of distinct images in the batch, (n,). For several points per image draw them as leading axes
                of `shape`.
            shape: of the draw for each image.

        Returns:
            Numbers of shape (n, *shape).
        """
        starts = _mixed(self._keys[of] + self._drawn[of] * _GOLDEN)
        self._drawn[of] += 1
        places = torch.arange(math.prod(shape), device=of.device) * _GOLDEN
        bits = _mixed(starts[:, None] + places)
        kept = _BITS.get(self._dtype, 24)
        unit = _shifted(bits, 64 - kept).to(torch.float64 if kept > 24 else torch.float32) * 2.0**-kept
        return unit.to(self._dtype).reshape(len(of), *shape)

    def normal(self, of: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Draw from the standard normal distribution; arguments as in `uniform`."""
        two = self.uniform(of, (2, *shape))
        radius = (-2 * torch.log1p(-two[:, 0])).sqrt()
        return radius * torch.cos(2 * math.pi * two[:, 1])

    def exponential(self, of: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Draw from the exponential distribution with mean 1; arguments as in `uniform`."""
        return -torch.log1p(-self.uniform(of, shape))

    def signs(self, of: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Draw -1 or +1 with equal chance; arguments as in `uniform`."""
        return self.uniform(of, shape).lt(0.5).to(self._dtype) * 2 - 1
