"""How a length or a factor falls from its first value to its last over the steps of an attack."""

import math


def cosine(first: float, last: float, done: int, steps: int) -> float:
    """Return the value after `done` of `steps` steps, along half a period of the cosine.

    Loshchilov & Hutter, ICLR 2017, equation 5 (arXiv:1608.03983), without restarts.

    Example:
        >>> [round(cosine(1.0, 0.0, done, 4), 3) for done in range(5)]
        [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    return last + (first - last) * (1 + math.cos(math.pi * done / steps)) / 2


def geometric(first: float, last: float, done: int, steps: int) -> float:
    """Return the value after `done` of `steps` steps, each of which multiplies it by the same factor.

    Example:
        >>> [round(geometric(1.0, 0.01, done, 2), 3) for done in range(3)]
        [1.0, 0.1, 0.01]
    """
    return first * (last / first) ** (done / steps)
