"""Values whose rows run over images, and can be cut to the images that still matter."""

from dataclasses import dataclass, fields
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

R = TypeVar("R", bound="Rows")


@dataclass(frozen=True)
class Rows:
    """A frozen dataclass whose tensors and nested `Rows` run over the same images; other fields are shared.

    Example:
        >>> @dataclass(frozen=True)
        ... class Point(Rows):
        ...     x: Tensor
        ...     name: str = "shared"
        >>> Point(torch.arange(3)).rows(torch.tensor([0, 2])).x
        tensor([0, 2])
    """

    def rows(self: R, keep: Tensor) -> R:
        """Return the same value for the images at the positions `keep` (int64) alone, in that order.

        A value that runs over no images, such as a threat with one radius for all, is its own cut.
        """

        def cut(value: object) -> object:
            if isinstance(value, Tensor):
                return taken(value, keep) if value.ndim else value
            return value.rows(keep) if isinstance(value, Rows) else value

        held = {name: getattr(self, name) for name in _names(type(self))}
        kept = {name: cut(value) for name, value in held.items()}
        return self if all(kept[name] is value for name, value in held.items()) else type(self)(**kept)

    def where(self: R, chosen: Tensor, other: R) -> R:
        """Return this value for the images `chosen` (bool, (n,)) and `other` for the rest; what is shared stays."""

        def mixed(mine: object, others: object) -> object:
            if isinstance(mine, Tensor) and isinstance(others, Tensor) and mine.ndim:
                return torch.where(column(chosen, mine), mine, others)
            return mine.where(chosen, others) if isinstance(mine, Rows) and isinstance(others, Rows) else mine

        return type(self)(**{name: mixed(getattr(self, name), getattr(other, name)) for name in _names(type(self))})


def taken(values: Tensor, keep: Tensor) -> Tensor:
    """Return the rows at the positions `keep` (int64), a copy; on a processor several times as fast as `values[keep]`.

    Example:
        >>> taken(torch.tensor([5, 6, 7]), torch.tensor([2, 0]))
        tensor([7, 5])
    """
    plain = keep.dtype == torch.int64 and keep.ndim == 1 and keep.device == values.device
    return values.index_select(0, keep) if plain else values[keep]


@cache
def _names(kind: type[Rows]) -> tuple[str, ...]:
    """The fields of a class."""
    return tuple(field.name for field in fields(kind))


def column(values: Tensor | float, like: Tensor) -> Tensor:
    """Shape one number per image (or one for all) so that it broadcasts over images shaped like `like`.

    Numbers take the type of `like`; a mask stays a mask.

    Example:
        >>> column(torch.ones(4), torch.zeros(4, 3, 8, 8)).shape
        torch.Size([4, 1, 1, 1])
    """
    kept = isinstance(values, Tensor) and values.dtype == torch.bool
    tensor = torch.as_tensor(values, dtype=None if kept else like.dtype, device=like.device)
    return tensor.reshape(-1, *[1] * (like.ndim - 1))
