"""Modules around a network whose weights go by the names that they have in the network alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn

from brittle.classifiers.callable_module import CallableModule

CHILD = "module."
"""What a weight of the network is called first within a module around it."""


class Around(nn.Module, ABC):
    """A module around a network, which does something to its images or outputs and has no weights of its own.

    It loads and saves the network's weights by their own names: they fit with and without what is around the network,
    and a training of both gives those of the network.

    Args:
        module: the network, whose mode it takes on.

    Attributes:
        arranges: whether it chooses the order in memory of the network's images itself.

    Example:
        >>> class Doubled(Around):
        ...     def forward(self, images):
        ...         return 2 * self.module(images)
        >>> list(Doubled(nn.Linear(2, 1)).state_dict())
        ['weight', 'bias']
    """

    arranges: ClassVar[bool] = False

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module
        self.register_state_dict_post_hook(_without)
        self.register_load_state_dict_pre_hook(_with)
        self.train(module.training)

    @abstractmethod
    def forward(self, images: Tensor) -> Any:
        """Return what the network is to be read as saying."""

    def inside(self, images: Tensor) -> Tensor:
        """Return what the network within is given; the images themselves by default."""
        return images


def _without(around: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    for name in [name for name in state if name.startswith(prefix + CHILD)]:
        state[prefix + name.removeprefix(prefix + CHILD)] = state.pop(name)


def _with(around: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    for name in [name for name in state if name.startswith(prefix)]:
        state[prefix + CHILD + name.removeprefix(prefix)] = state.pop(name)


def put_around(module: nn.Module, make: Callable[[nn.Module], Around]) -> nn.Module:
    """Put something around a network; one that is a callable, without gradients, stays one.

    Args:
        module: the network.
        make: what is put around it.

    Returns:
        A module, in the network's mode.
    """
    made = make(module)
    return CallableModule(made).train(module.training) if isinstance(module, CallableModule) else made


def name_of(module: nn.Module) -> str:
    """Return what a network is called in messages: its class or function, whatever is around it.

    Example:
        >>> name_of(CallableModule(sum)), name_of(nn.Identity())
        ('sum', 'Identity')
    """
    inner: nn.Module | Callable[[Tensor], Tensor] = module
    while isinstance(inner, Around | CallableModule):
        inner = inner.module if isinstance(inner, Around) else inner.function
    named = type(inner) if isinstance(inner, nn.Module) else inner
    return getattr(named, "__name__", type(named).__name__)
