"""How often each image of a batch was looked at, differentiated and moved."""

import torch
from torch import Tensor

_KINDS = ("forward", "backward", "iterations")


class Passes:
    """Passes and steps per image, int64.

    Most steps of an attack concern the same images as the one before. What they cost is added up as a number, and goes
    to the images once others take their place or somebody wants to know.

    Args:
        count: how many images there are.
        device: where the figures lie.

    Example:
        >>> passes, both = Passes(3), torch.tensor([0, 2])
        >>> passes.add(both, forward=1)
        >>> passes.add(both, forward=1, backward=1)
        >>> passes.of("forward"), passes.of("backward")
        (tensor([2, 0, 2]), tensor([1, 0, 1]))
    """

    def __init__(self, count: int, device: torch.device | None = None):
        self._known: dict[str, Tensor] = {kind: torch.zeros(count, dtype=torch.int64, device=device) for kind in _KINDS}
        self._ids: Tensor | None = None
        self._waiting: dict[str, int] = dict.fromkeys(_KINDS, 0)

    def add(self, ids: Tensor, **passes: int) -> None:
        """Add passes of some kinds to images; one that stands several times in `ids` is charged for each.

        Args:
            ids: positions of the images, (m,), which nobody changes later.
            **passes: how many of each kind, by its name.
        """
        if ids is not self._ids:
            self._settle()
            self._ids = ids
        for kind, number in passes.items():
            self._waiting[kind] += number

    def of(self, kind: str) -> Tensor:
        """Return the figures of one kind, (n,), which stay the same tensor."""
        self._settle()
        return self._known[kind]

    def _settle(self) -> None:
        if self._ids is None:
            return
        for kind, number in self._waiting.items():
            if number:
                self._known[kind].index_add_(0, self._ids, torch.full_like(self._ids, number))
            self._waiting[kind] = 0
        self._ids = None
