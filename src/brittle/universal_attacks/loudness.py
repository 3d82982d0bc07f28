"""What methods without data share: the layers of a network, how loud they are, and the images that stand for others."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from brittle.classifiers.callable_module import no_gradients
from brittle.errors import InputError, ModelError
from brittle.types import Images
from brittle.universal_attacks.layer_kinds import LayerKind
from brittle.universal_attacks.layers import Layers, layers_of
from brittle.universal_attacks.problem import UniversalProblem

PART = 1 << 20
"""Most values of images in one pass forward: what layers say of more is so large that each time its memory is fetched
anew (25 photographs of 224 x 224 took twice as long as five times 5)."""


def loss_gradient(
    variable: Tensor,
    images: Images,
    sizes: Callable[[Images], Tensor],
    objective: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return the gradient of a loss of what layers say of all images, which are shown a few at a time.

    Args:
        variable: that it is taken with respect to.
        images: (n, c, h, w).
        sizes: how loud each layer is, given some of the images; that of all images is their sum.
        objective: the loss, given these sums.

    Raises:
        ModelError: the network passes no gradient on, or how loud layers are is no number.
    """
    parts = images.split(max(1, PART // images[0].numel()))
    loss = objective(torch.stack([sizes(part) for part in parts]).sum(0))
    (gradient,) = torch.autograd.grad(loss, variable, allow_unused=True) if loss.requires_grad else (None,)
    if gradient is None:
        raise no_gradients("one of its layers passes no gradient on to the images", universal=True)
    if not bool(torch.isfinite(loss.detach()) & torch.isfinite(gradient).all()):
        raise ModelError(
            "how loud the layers are, or its gradient, comes to NaN or infinite values; they may say more than the "
            "network's type of number holds: take a larger one (--dtype)"
        )
    return gradient


def grey_of(problem: UniversalProblem, mean: float | tuple[float, ...]) -> Tensor:
    """Return the mean image, which broadcasts with images, given its values as fractions of the span.

    Raises:
        InputError: it has another number of channels than they have.
    """
    channels, numbers = problem.shape[0], mean if isinstance(mean, tuple) else (mean,)
    if len(numbers) not in (1, channels):
        raise InputError(f"mean has {len(numbers)} numbers; expected one, or one for each of {channels} channels")
    bounds, zeros = problem.classifier.bounds, problem.zeros()
    return bounds.lower + bounds.span * torch.tensor(numbers, dtype=zeros.dtype, device=zeros.device).reshape(-1, 1, 1)


def named_layers(problem: UniversalProblem, names: str | tuple[str, ...], kind: LayerKind) -> Layers:
    """Return the layers of some names (one text with a plus between them, or several), or those of a kind."""
    example = problem.zeros()[None] + problem.classifier.bounds.lower
    several = names if isinstance(names, tuple) else tuple(names.split("+"))
    return layers_of(problem.classifier.module, example, tuple(name for name in several if name), kind)


def activation_objective(sizes: Sequence[Tensor] | Tensor) -> Tensor:
    """Return minus the sum of the logarithms of sizes; a silent layer, whose size is 0, adds a constant.

    Example:
        >>> activation_objective([torch.tensor(1.0), torch.tensor(10.0)])
        tensor(-2.3026)
    """
    several = sizes if isinstance(sizes, Tensor) else torch.stack(list(sizes))
    return -several.clamp_min(torch.finfo(several.dtype).tiny).log().sum()


def within(problem: UniversalProblem, images: Images) -> Images:
    """Bring images of [0, 1] to the bounds and the device."""
    bounds = problem.classifier.bounds
    return (bounds.lower + bounds.span * images).to(problem.zeros())
