"""Passes, counted where no contender can avoid it, and the same passes made again with nothing around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Forward:
    """One call of the network.

    Attributes:
        rows: images in it.
        graph: whether it kept its way back to the images.
    """

    rows: int
    graph: bool


@dataclass(frozen=True)
class Backward:
    """One way back through the graph of a call.

    Attributes:
        rows: images in the call; all of them are gone through, also those whose gradient nobody wants.
        call: which of the passes was that call.
    """

    rows: int
    call: int


Pass = Forward | Backward


@dataclass
class Log:
    """The passes in the order in which they were made."""

    passes: list[Pass] = field(default_factory=list)

    @property
    def forward(self) -> int:
        """Images that went forward, each time counted."""
        return sum(made.rows for made in self.passes if isinstance(made, Forward))

    @property
    def backward(self) -> int:
        """Images that went backward, each time counted."""
        return sum(made.rows for made in self.passes if isinstance(made, Backward))


class Counted(nn.Module):
    """A network that writes down every pass.

    It counts within its own `forward`, so that a direct call of `forward` counts as well, and the way back at the
    outputs' tensor, where every gradient of the network comes through.

    Args:
        module: the network, from images (n, c, h, w) to logits.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module
        self.log = Log()
        self.training = module.training  # the modules of an exported program have no modes to set

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        outputs = self.module(images)
        log, rows, call = self.log, len(images), len(self.log.passes)
        log.passes.append(Forward(rows, bool(images.requires_grad and outputs.requires_grad)))
        if outputs.requires_grad:
            outputs.register_hook(lambda _: log.passes.append(Backward(rows, call)))
        return outputs


def replay(passes: Sequence[Pass], module: nn.Module, images: Tensor) -> None:
    """Make the same passes again: same order, same batch sizes, gradients of the images alone.

    Args:
        passes: of a `Log`.
        module: the network, without hooks, its parameters frozen.
        images: taken as often as needed to fill the batches.
    """
    last = {made.call: place for place, made in enumerate(passes) if isinstance(made, Backward)}
    batches: dict[int, Tensor] = {}
    graphs: dict[int, tuple[Tensor, Tensor]] = {}
    for place, made in enumerate(passes):
        if isinstance(made, Forward):
            if made.rows not in batches:
                batches[made.rows] = images[torch.arange(made.rows) % len(images)]
            leaf = batches[made.rows].detach().requires_grad_(made.graph)
            with torch.set_grad_enabled(made.graph):
                outputs = module(leaf)
            if place in last and made.graph:
                graphs[place] = leaf, outputs
        elif made.call in graphs:
            keep = last[made.call] != place
            leaf, outputs = graphs[made.call] if keep else graphs.pop(made.call)
            torch.autograd.grad(outputs, leaf, torch.ones_like(outputs), retain_graph=keep)
