"""The door between our tensors and the user's code: a copy goes in, in the type the network takes; numbers come out."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from brittle.classifiers.conv_backward import fast_conv_backward
from brittle.classifiers.frozen import as_called
from brittle.classifiers.manner import Manner, Trial, types_of
from brittle.classifiers.memory_format import logits_in, to_channels_last
from brittle.classifiers.slopes import carried, meets_halves
from brittle.classifiers.turns import turn
from brittle.types import HALF_TYPES, Images

Ask = Callable[[nn.Module, Images], Any]
"""Asks a module about images; returns a tensor, a list of tensors, or what the user's code returns instead."""


def answer(module: nn.Module, images: Images, asking: Ask | None = None, *, arranged: bool = True) -> Any:
    """Ask the user's module, so that nothing of ours depends on what it does with what it is given.

    It gets a copy, which it may write to, in the type that it takes: that of the images where it can, otherwise one of
    its own floating types, found by trying. What it returns is a copy too, never in halves, and can be differentiated
    by the images as given. Slopes that go back through float16 are brought into its range, image by image, and back
    again (loss scaling of Micikevicius et al., ICLR 2018, section 3.2, arXiv:1710.03740); where they overflow, the way
    back is gone once more with smaller ones.

    Args:
        module: the user's.
        images: (n, c, h, w), which stay as they are.
        asking: how; by default the module is called, and of an object with `.logits` these are taken.
        arranged: give the images in the order in memory that suits the module, and shorten its way back.

    Returns:
        What the module returned; floating tensors, alone or in a list, at least as wide as the images.

    Raises:
        ModelError: it holds float8 weights and takes no images of any type.
        Exception: whatever the module raises.
    """
    working = torch.promote_types(images.dtype, torch.float32)
    images = images.to(working) if images.is_floating_point() else images
    with turn(module, (images.shape[1:], images.dtype)):
        trial = Trial(module, images)
        while True:  # until a type is found that it takes, or an error that no other type would mend
            try:
                leaf, given = _given(module, images, trial.manner, arranged=arranged)
                shortens = arranged and not trial.manner.compiled and trial.manner.convolves is not False
                with as_called(), fast_conv_backward(given) if shortens else nullcontext() as shortened:
                    said: Any = asking(module, given) if asking is not None else logits_in(module(given))
                if shortened is not None:
                    trial.manner.convolves = trial.manner.convolves or shortened.convolves
                return trial.done(_taken(module, images, leaf, said, trial.manner))
            except Exception as error:
                if not trial.goes_on(error):
                    raise


def _given(module: nn.Module, images: Images, manner: Manner, *, arranged: bool) -> tuple[Images | None, Images]:
    """Return the copy that the module gets, and where its graph begins: at None if it is part of the images' own."""
    slopes = images.requires_grad and torch.is_grad_enabled()
    if not slopes or (manner.narrow is False and not manner.compiled):
        return None, _copied(module, images, manner, arranged=arranged)
    if manner.compiled:  # torch traces leaves without a warning
        given = _copied(module, images.detach(), manner, arranged=arranged).requires_grad_()
        return given, given
    leaf = images.detach().requires_grad_()
    return leaf, _copied(module, leaf, manner, arranged=arranged)


def _copied(module: nn.Module, images: Images, manner: Manner, *, arranged: bool) -> Images:
    """Return a copy of the images in the type that the module takes, and in the order that suits it."""
    given = images.to(manner.kind)
    if arranged and not manner.compiled:  # it was made for the order in which it was traced
        with as_called():
            given = to_channels_last(module, given)
    return given.clone() if given is images else given


def _taken(module: nn.Module, images: Images, leaf: Images | None, said: Any, manner: Manner) -> Any:
    """Return what was said as our own, differentiable by the images; and learn how it was calculated."""
    parts = cast("list[Any]", said) if isinstance(said, list) else [said]
    if leaf is None or not any(isinstance(part, Tensor) and part.requires_grad for part in parts):
        if manner.grain is None and isinstance(said, Tensor):
            kinds = (said.dtype, manner.kind, *types_of(module))
            manner.grain = max((torch.finfo(kind).eps for kind in kinds if kind in HALF_TYPES), default=0.0)
        return own(said, torch.promote_types(images.dtype, torch.float32))
    if manner.narrow is None:
        manner.narrow = torch.float16 in (manner.kind, *types_of(module)) or meets_halves(parts)
    lifted = carried(images, leaf, parts, module, narrow=manner.narrow)
    return lifted if isinstance(said, list) else lifted[0]


def own(said: Any, working: torch.dtype) -> Any:
    """Copy tensors, so that what the user's code writes to them later does not reach us; halves in the working type."""
    if isinstance(said, list):
        return [own(part, working) for part in cast("list[Any]", said)]
    if not isinstance(said, Tensor):
        return said
    kind = torch.promote_types(said.dtype, working) if said.is_floating_point() else said.dtype
    return said.to(kind, copy=True)
