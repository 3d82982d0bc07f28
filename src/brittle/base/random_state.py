"""The global random states that a network may draw from: torch's, NumPy's and Python's."""

import random
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

_WORD = 2**32


@dataclass(frozen=True, repr=False)
class RandomState:
    """The global random states as they were at one time.

    Attributes:
        torch: of the CPU.
        cuda: of each GPU that was asked for.
        numpy: of `numpy.random`, its spare normal number included.
        python: of `random`.
    """

    torch: Tensor
    cuda: dict[int, Tensor]
    numpy: dict[str, Any]
    python: tuple[Any, ...]

    @classmethod
    def now(cls, devices: Iterable[int] = ()) -> "RandomState":
        """Take down the states.

        Args:
            devices: GPUs whose states are meant too.
        """
        cuda = {device: torch.cuda.default_generators[device].get_state() for device in devices}
        numpy: Any = np.random.get_state(legacy=False)  # noqa: NPY002  # the global one is what is meant
        return cls(torch.default_generator.get_state(), cuda, numpy, random.getstate())

    def restore(self) -> None:
        """Put the states back.

        Example:
            >>> state = RandomState.now()
            >>> first = random.random(), np.random.rand(), float(torch.rand(()))
            >>> state.restore()
            >>> first == (random.random(), np.random.rand(), float(torch.rand(())))
            True
        """
        torch.default_generator.set_state(self.torch)
        for device, state in self.cuda.items():
            torch.cuda.default_generators[device].set_state(state)
        if self.numpy["bit_generator"] == "MT19937":
            np.random.set_state(self.numpy)  # noqa: NPY002
        else:  # put there by `numpy.random.set_bit_generator`
            generator: Any = getattr(np.random, "get_bit_generator")()  # noqa: B009  # numpy does not declare it
            generator.state = {name: value for name, value in self.numpy.items() if name not in ("has_gauss", "gauss")}
        random.setstate(self.python)

    def equals(self, other: "RandomState") -> bool:
        """Say whether nobody has drawn in between."""
        return (
            torch.equal(self.torch, other.torch)
            and all(torch.equal(state, other.cuda[device]) for device, state in self.cuda.items())
            and all(np.array_equal(value, other.numpy["state"][key]) for key, value in self.numpy["state"].items())
            and self.numpy.get("has_gauss") == other.numpy.get("has_gauss")
            and self.python == other.python
        )


def seed_all(seed: int, devices: Iterable[int] = ()) -> None:
    """Set the global random states of torch, NumPy and Python from one seed.

    Args:
        seed: any whole number that torch takes.
        devices: GPUs whose states are set too; those of others stay as they are.
    """
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would reset all devices' states too
    for device in devices:
        torch.cuda.default_generators[device].manual_seed(seed)
    with suppress(TypeError):  # of another generator, put there by `numpy.random.set_bit_generator`
        np.random.seed([seed % _WORD, seed // _WORD % _WORD])  # noqa: NPY002  # the global one is what is meant
    random.seed(seed)
