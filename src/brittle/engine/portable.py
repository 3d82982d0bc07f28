"""Parts that other processes, also on other machines, can do: what goes to them, and what comes back."""

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from brittle.engine.engine import Part
from brittle.errors import InputError
from brittle.processes.child import reason_of

S = TypeVar("S")


class Bench(Protocol):
    """Where a worker does parts: it holds what all of them need, once."""

    def do(self, name: str) -> Any:
        """Do a part by its name, and return what `PortablePart.take` is given; it can be pickled."""
        ...

    def points(self) -> int:
        """Return how many points the network was shown since this was last asked; another thread may ask."""
        ...

    def close(self) -> None:
        """Let go of everything, and leave nothing behind."""
        ...


class Recipe(Protocol):
    """From what a worker makes its bench; it can be pickled, and holds nothing that is worked out.

    Attributes:
        device: on which the parts are done, such as "cpu" or "cuda:1".
    """

    @property
    def device(self) -> str:
        """See the class."""
        ...

    def open(self, mark: Path) -> Bench:
        """Make the bench.

        Args:
            mark: a file in the folder of the leases, there as long as the parts are given out. Who sees it sees the
                folder of the work, and writes there; who does not returns what is to be written.

        Raises:
            BrittleError: something is missing here, or is not what the parts are of.
        """
        ...

    def carried(self) -> Mapping[str, object]:
        """Return what goes along as a value, by its name in messages: one of these it is that cannot be pickled."""
        ...


@runtime_checkable
class PortablePart(Part, Protocol):
    """A part that can be done from a recipe, the same for all parts of one piece of work."""

    @property
    def recipe(self) -> Recipe:
        """See the class."""
        ...

    def take(self, result: Any) -> None:
        """Put what a worker returned where it belongs, and tell of it; then the part is done."""
        ...

    def passed(self, points: int) -> None:
        """Tell that a worker that is at this part has shown the network so many points more."""
        ...


def begin_at(start: Path) -> None:
    """Let relative names of files count from the folder that they were written in, in a worker.

    Args:
        start: where it is missing, so may be files that were named from there; then nothing is done.
    """
    with contextlib.suppress(OSError):
        os.chdir(start)


def own_device(device: str) -> str:
    """Return the device on which a worker calculates: of several GPUs it sees its own alone.

    Example:
        >>> own_device("cuda:1"), own_device("cpu")
        ('cuda', 'cpu')
    """
    return device.partition(":")[0]


def sent(recipe: Recipe, send: Callable[[object], S]) -> S:
    """Send a recipe to workers, or name what of it cannot be pickled.

    Args:
        recipe: what they need.
        send: pickles a value, and returns where it lies.

    Raises:
        InputError: something cannot be pickled.
    """
    try:
        return send(recipe)
    except Exception as error:
        for name, value in recipe.carried().items():
            try:
                send(value)
            except Exception as own:
                raise InputError(
                    f"{name} ({type(value).__name__}) cannot be sent to workers: {reason_of(own)}; give what can be "
                    "opened by its name or file, such as FILE.py:NAME, or leave the engine out"
                ) from error
        raise InputError(f"what is to be done cannot be sent to workers: {reason_of(error)}") from error
