"""Work: a piece of work whose fields determine its outcome, so that its identity is read off them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

from brittle.words import with_article


@runtime_checkable
class Identified(Protocol):
    """Something that states what determines it, such as a network with its images."""

    def identity(self) -> Mapping[str, object]:
        """Everything that determines a figure, as JSON can hold it."""
        ...


@dataclass(frozen=True)
class Work:
    """A piece of work of a study: a frozen dataclass whose fields determine the outcome, together with the code.

    What it derives from the scale or from tables beside it, such as settings, is named in `identity_fields`.
    """

    identity_fields: ClassVar[tuple[str, ...]] = ()
    """Names of properties that belong to the identity, too."""

    def identity(self) -> dict[str, object]:
        """Everything that determines the outcome."""
        return identity_of(self, *self.identity_fields)


def identity_of(work: object, *also: str) -> dict[str, object]:
    """Return everything that determines the outcome of a dataclass, as JSON can hold it.

    The identity of the one field or property that has one, such as a network with its images, is spread out, so that
    its parts can be named where one of them changed; where there are several, each stands under its name.

    Args:
        work: an instance of a dataclass.
        also: names of properties that count, too.

    Raises:
        TypeError: a value is neither a number, text, a container of such, a dataclass, nor has an identity.

    Example:
        >>> @dataclass(frozen=True)
        ... class Step(Work):
        ...     pixels: int
        ...     radius: float = math.inf
        >>> identity_of(Step(3))
        {'pixels': 3, 'radius': 'inf'}
    """
    names = [*(field.name for field in fields(cast("Any", work))), *also]
    values = {name: getattr(work, name) for name in names}
    own = [name for name, value in values.items() if isinstance(value, Identified)]
    found: dict[str, object] = {}
    for name, value in values.items():
        if own == [name]:
            found |= value.identity()
        else:
            found[name] = plain_of(value)
    return found


def plain_of(value: object) -> object:
    """Return a value of a field as JSON can hold it; infinities and NaN become text.

    Raises:
        TypeError: it is none of the kinds that `identity_of` takes.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Identified):
        return dict(value.identity())
    if is_dataclass(value) and not isinstance(value, type):
        return {"name": type(value).__name__, **{one.name: plain_of(getattr(value, one.name)) for one in fields(value)}}
    if isinstance(value, Mapping):
        return {str(key): plain_of(one) for key, one in cast("Mapping[object, object]", value).items()}
    if isinstance(value, Sequence):
        return [plain_of(one) for one in cast("Sequence[object]", value)]
    raise TypeError(
        f"a field of a piece of work is {with_article(type(value).__name__)}; give it an identity() or leave it out"
    )
