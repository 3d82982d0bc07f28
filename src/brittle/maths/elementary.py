"""Elementary functions whose last bit does not depend on what stands beside a value.

torch computes most of a tensor by one routine and the few values left over at its end by another. For `exp`, `log`,
`log1p`, `tanh`, `cos` and `acosh` both are the same where its builds use Intel's MKL; for `pow`, `atanh`, `sigmoid`,
`softplus` and `cosh` they differ in the last bit, so that the same value gives one result alone and another in company.
What an attack computes of an image must not know the batch; here the latter are written with the former.
"""

import torch
from torch import Tensor


def power(base: Tensor | float, exponent: Tensor | float) -> Tensor:
    """Raise numbers from 0 up to powers above 0; one of the two is a tensor.

    Example:
        >>> power(torch.tensor([0.0, 1.0, 8.0]), 1 / 3)
        tensor([0., 1., 2.])
    """
    like = base if isinstance(base, Tensor) else exponent
    return torch.exp(exponent * torch.as_tensor(base, dtype=getattr(like, "dtype", None)).log())


def inverse_tanh(values: Tensor) -> Tensor:
    """Return the numbers whose hyperbolic tangents these are.

    Example:
        >>> inverse_tanh(torch.tanh(torch.tensor([-0.5, 2.0])))
        tensor([-0.5000,  2.0000])
    """
    return (torch.log1p(values) - torch.log1p(-values)) / 2


def sigmoid(values: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-value)).

    Example:
        >>> sigmoid(torch.tensor([-200.0, 0.0, 200.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return 1 / (1 + torch.exp(-values))


def softplus(values: Tensor) -> Tensor:
    """Return log(1 + exp(value)).

    Example:
        >>> softplus(torch.tensor([-200.0, 0.0, 200.0]))
        tensor([  0.0000,   0.6931, 200.0000])
    """
    return torch.stack([values, torch.zeros_like(values)]).logsumexp(0)


def hyperbolic_cosine(values: Tensor) -> Tensor:
    """Return (exp(value) + exp(-value)) / 2.

    Example:
        >>> hyperbolic_cosine(torch.tensor([0.0, 1.0]))
        tensor([1.0000, 1.5431])
    """
    return (torch.exp(values) + torch.exp(-values)) / 2
