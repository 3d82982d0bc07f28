"""The backward pass through the user's code, with slopes that halves can hold, also where a graph serves only once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakSet

import torch
from torch import Tensor, nn

from brittle.classifiers.turns import turn
from brittle.types import Images

LEVEL = 6
"""The largest slope of an image is brought to 2**LEVEL before it goes back through halves, whose range is 6e-8..65504;
networks steepen slopes less often than they flatten them."""
LOWER, TRIES = -8, 3
"""Where slopes overflow all the same: by how many powers of two the next try is lower, and how many tries there are."""
_ONCE: WeakSet[nn.Module] = WeakSet()


def slope_of(total: Tensor, leaf: Images, module: nn.Module, *, keep: bool) -> tuple[Images | None, bool]:
    """Differentiate by images that a module was asked about.

    Args:
        total: one number, or several whose sum is meant.
        leaf: the images.
        module: the user's. A compiled one frees its graph as it goes back, and torch refuses to keep it.
        keep: whether the graph is to be gone back through again, if that can be.

    Returns:
        The gradient, None where none comes through, and whether the graph was kept.
    """
    with turn(module, (leaf.shape[1:], "back")):  # layers that are computed anew draw again
        found = _slopes([total], leaf, None, module, keep=keep)
    return found, keep and module not in _ONCE


def _slopes(
    outputs: list[Tensor], leaf: Images, slopes: list[Tensor] | None, module: nn.Module, *, keep: bool
) -> Images | None:
    keep = keep and module not in _ONCE
    total = _total(outputs, slopes)
    try:
        (found,) = torch.autograd.grad(total, leaf, retain_graph=keep, allow_unused=True)
    except RuntimeError as error:
        if not keep or "retain_graph" not in str(error):
            raise
        _ONCE.add(module)
        (found,) = torch.autograd.grad(total, leaf, retain_graph=False, allow_unused=True)
    return cast("Images | None", found)


def _total(outputs: list[Tensor], slopes: list[Tensor] | None) -> Tensor:
    """Return one number whose derivatives by the outputs are the slopes, digit by digit; 1 where there are none.

    Slopes that are given to torch apart make it import a package for symbols, which takes a second of the first attack.
    """
    with torch.enable_grad():
        parts = outputs if slopes is None else [output * slope for output, slope in zip(outputs, slopes, strict=True)]
        return torch.stack([part.sum() for part in parts]).sum() if len(parts) > 1 else parts[0].sum()


def meets_halves(outputs: Iterable[Tensor]) -> bool:
    """Say whether a graph leads through float16, as that of a network under autocast or of one hidden in a callable."""
    waiting, seen = [output.grad_fn for output in outputs], set[object]()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        about: Iterable[Any] = getattr(node, "_input_metadata", ())
        if any(one.dtype == torch.float16 for one in about):
            return True
        waiting += [following for following, _ in node.next_functions]
    return False


def carried(images: Images, leaf: Images, outputs: list[Tensor], module: nn.Module, *, narrow: bool) -> list[Tensor]:
    """Return outputs that are differentiated by the images through the user's graph, which begins at the leaf.

    Args:
        images: of which the leaf is a copy.
        leaf: the images that the module was given.
        outputs: what it made of them.
        module: the user's.
        narrow: whether the graph leads through float16, into whose range slopes are then brought.
    """
    lifted: Any = _Lifted.apply(images, _Way(module, leaf, outputs, narrow))
    return list(lifted)


@dataclass
class _Way:
    """The backward pass through the user's module, from its outputs to the images that it was given."""

    module: nn.Module
    leaf: Images
    outputs: list[Tensor]
    narrow: bool

    def back(self, slopes: tuple[Tensor | None, ...]) -> Images | None:
        """Carry slopes by the outputs back to the images; None where nothing comes through."""
        both = zip(self.outputs, slopes, strict=True)
        passed = [(output, slope) for output, slope in both if slope is not None and output.requires_grad]
        if not passed:
            return None
        outputs = [output for output, _ in passed]
        if not self.narrow:
            near = [slope.to(output.dtype) for output, slope in passed]
            return _slopes(outputs, self.leaf, near, self.module, keep=True)
        result, power = None, _power([slope for _, slope in passed], len(self.leaf))
        for _ in range(TRIES):
            scaled = [_times(slope, power).to(output.dtype) for output, slope in passed]
            found = _slopes(outputs, self.leaf, scaled, self.module, keep=True)
            if found is None:
                return None
            found = _times(found.to(passed[0][1].dtype), -power)
            finite = torch.isfinite(found).flatten(1).all(1)
            result = found if result is None else torch.where(finite.reshape(-1, 1, 1, 1), found, result)
            if bool(finite.all()) or self.module in _ONCE:
                break
            power = torch.where(finite, power, power + LOWER)
        return result


def _power(slopes: list[Tensor], count: int) -> Tensor:
    """Return the power of two for each image that brings its largest slope to 2**LEVEL; one for all where rows mix."""
    apart = all(len(slope) == count if slope.ndim else count == 1 for slope in slopes)
    largest = torch.stack([slope.detach().abs().reshape(count if apart else 1, -1).amax(1) for slope in slopes]).amax(0)
    usable = torch.isfinite(largest) & (largest > 0)
    power = LEVEL - torch.frexp(torch.where(usable, largest, 1.0))[1]
    return power.clamp(-100, 100).expand(count)


def _times(values: Tensor, power: Tensor) -> Tensor:
    """Multiply each image's values by a power of two, which changes no digit."""
    if values.ndim and len(values) == len(power):
        return torch.ldexp(values, power.reshape(-1, *(1,) * (values.ndim - 1)))
    return torch.ldexp(values, power[0])


class _Lifted(torch.autograd.Function):
    """The outputs, halves in the working type; back through `_Way`."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> tuple[Tensor, ...]:
        """Return copies of the outputs."""
        images, way = given
        ctx.way = way
        ctx.set_materialize_grads(False)
        lifted = tuple(
            output.detach().to(torch.promote_types(output.dtype, images.dtype), copy=True) for output in way.outputs
        )
        fixed = [copy for copy, output in zip(lifted, way.outputs, strict=True) if not output.requires_grad]
        ctx.mark_non_differentiable(*fixed)
        return lifted

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor | None) -> tuple[Tensor | None, None]:
        """Carry the slopes back."""
        return ctx.way.back(slopes), None
