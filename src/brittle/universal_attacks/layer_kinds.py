"""Which operations are convolutions, which are activations, and what may lie between the two."""

from collections.abc import Sequence
from typing import Literal

from brittle.errors import InputError, ModelError
from brittle.near import meant

LayerKind = Literal["activations", "convolutions"]
"""What is looked for in a network: activations of convolutions, or what the convolutions themselves give."""
CONVOLUTIONS = frozenset(
    {"conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}
)
WEIGHTED = CONVOLUTIONS | {"linear", "addmm", "matmul"}
"""Layers with weights; what comes after the last one belongs to the classifier."""
ACTIVATIONS = frozenset(
    [
        "relu",
        "relu6",
        "leaky_relu",
        "prelu",
        "rrelu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "hardswish",
        "mish",
        "softplus",
        "tanh",
        "hardtanh",
        "clamp",
        "clamp_min",
    ]
)
PASSING = frozenset(
    ["batch_norm", "group_norm", "instance_norm", "add", "iadd", "radd", "cat", "concat", "concatenate", "dropout"]
)
"""What may lie between a convolution and its activation: normalisation, sums and concatenations."""


def plain_name(function: object) -> str:
    """Name a function or operator without its overload and underscores: aten.relu_.default is "relu"."""
    return str(getattr(function, "__name__", function)).split(".")[0].strip("_")


def refuse_unknown(unknown: Sequence[str], known: Sequence[str]) -> None:
    """Refuse names of layers that a network does not have.

    Raises:
        InputError: with those that it has.
    """
    if unknown:
        raise InputError(
            f"the network has no layer {', '.join(map(repr, unknown))}{meant(unknown[0], known)}; it has "
            f"{', '.join(known)}"
        )


def found_of(kind: LayerKind, ends: Sequence[str]) -> tuple[str, ...]:
    """Return the layers that were found.

    Raises:
        ModelError: there are none.
    """
    if not ends:
        what = (
            "no convolution"
            if kind == "convolutions"
            else ("no convolution with an activation was found before the last layer with weights")
        )
        raise ModelError(f"{what}; name the layers to excite with layers=('features.3', ...)")
    return tuple(ends)


def first_of(part: float, layers: int) -> int:
    """Return how many layers a fraction of them is: one at least, unless it is 0.

    Example:
        >>> first_of(0.8, 52), first_of(0.01, 52), first_of(0.0, 52)
        (41, 1, 0)
    """
    return max(1, int(part * layers)) if part else 0
