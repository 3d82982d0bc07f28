"""One output of a network that returns several: a dict, a tuple, or an object that carries them by name."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from brittle.classifiers.around import Around
from brittle.errors import ModelError, quoted
from brittle.near import did_you_mean
from brittle.words import with_article

SHOWN = 12
"""Most names of outputs in a message."""
USUAL = ("logits", "out", "scores", "pred", "predictions", "y_hat")
"""What people call logits."""


class ChosenOutput(Around):
    """A network of several outputs, read as the one that holds its logits.

    Args:
        module: the network.
        output: the name of a key or of an attribute, or the position in a tuple or list, counted from 0 (from the end
            where it is negative). A position may be written as text, as on the command line.

    Raises:
        ModelError: when it is called: the network returns no such output.

    Example:
        >>> import torch
        >>> class Two(nn.Module):
        ...     def forward(self, images):
        ...         return {"features": images, "scores": images.flatten(1)}
        >>> ChosenOutput(Two(), "scores")(torch.zeros(2, 1, 2, 2)).shape
        torch.Size([2, 4])
    """

    def __init__(self, module: nn.Module, output: str | int):
        super().__init__(module)
        self.output = output

    def forward(self, images: Tensor) -> Any:
        """Return the chosen one of the network's outputs."""
        return chosen(self.module(images), self.output)

    def extra_repr(self) -> str:
        """Say which; it belongs to what the network is known by."""
        return f"output={self.output!r}"


def chosen(outputs: object, output: str | int) -> Any:
    """Return one of the outputs of a network.

    Raises:
        ModelError: there is no such one, with those that there are.

    Example:
        >>> chosen(("logits", "features"), "-2"), chosen({"7": "logits"}, 7)
        ('logits', 'logits')
    """
    found = _named(outputs)
    for key in (output, str(output)):
        if key in found:
            return found[key]
    position = _whole(output)
    if position is not None and isinstance(outputs, Sequence):
        many = cast("Sequence[object]", outputs)
        if -len(many) <= position < len(many):
            return many[position]
    if isinstance(outputs, Tensor):
        raise ModelError(
            f"the output {output!r} was asked for and the network returns one tensor alone; leave out output= or "
            "--output"
        )
    hint = did_you_mean(str(output), map(str, found))
    if position is not None and isinstance(outputs, Sequence):
        hint = f"; expected a position from 0 to {len(cast('Sequence[object]', outputs)) - 1}"
    raise ModelError(f"the network returns {described(outputs)}, and {output!r} was asked for{hint}")


def refusal(outputs: object, form: str = "") -> str:
    """Return what is wrong with outputs that are no tensor, and how one of several is chosen.

    Args:
        outputs: what a network has returned.
        form: what a tensor would hold, if it is not logits (n, classes).

    Example:
        >>> refusal(3)
        'the network returns an int; expected a tensor of logits, or an object with .logits'
    """
    names = _choices(outputs)
    wanted = f"a tensor of {form}" if form else "a tensor of logits, or an object with .logits"
    said = f"the network returns {described(outputs)}; expected {wanted}"
    if not names:
        return said
    first = names[0]
    return f"{said}; say which of them is meant, such as output={first!r} in Python or --output {first}"


def described(outputs: object) -> str:
    """Return what a network has returned, in words, with the names of what is in it.

    Example:
        >>> described({"logits": 1, "aux": 2}), described((1, 2, 3))
        ("a dict with 'logits' and 'aux'", 'a tuple of 3')
    """
    kind, names = with_article(type(outputs).__name__), [quoted(repr(name), 40) for name in _named(outputs)]
    if names:
        more = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
        *before, last = [*names[:SHOWN], *more]
        return f"{kind} with {', '.join(before) + ' and ' if before else ''}{last}"
    return f"{kind} of {len(cast('Sequence[object]', outputs))}" if isinstance(outputs, tuple | list) else kind


def _choices(outputs: object) -> list[str | int]:
    """What can be chosen, what looks most like logits first."""
    found = _named(outputs) or (
        dict(enumerate(cast("Sequence[object]", outputs))) if isinstance(outputs, tuple | list) else {}
    )
    names = [name for name in found if isinstance(name, str | int)]
    return sorted(names, key=lambda name: (name not in USUAL, not _rows(found[name])))


def _rows(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim == 2


def _named(outputs: object) -> dict[object, object]:
    """What a network has returned by names: the keys of a dict, the fields of an object, of which tensors are some."""
    if isinstance(outputs, Mapping):
        return dict(cast("Mapping[object, object]", outputs))
    fields = getattr(outputs, "_fields", None)  # of a named tuple
    own = {name: getattr(outputs, name) for name in fields} if fields else getattr(outputs, "__dict__", {})
    return {} if isinstance(outputs, Tensor) else {key: one for key, one in own.items() if isinstance(one, Tensor)}


def _whole(output: str | int) -> int | None:
    try:
        return int(output)
    except ValueError:
        return None
