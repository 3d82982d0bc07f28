"""How a network is asked while points are searched for: in bfloat16, compiled, or in another order in memory.

Such passes are faster and round otherwise, so that nothing they say is a verdict: what is kept was shown to the network
as it is (`core.verification`).
"""

import warnings
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields
from threading import local
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from brittle.arguments import check_fields
from brittle.base.random_state import RandomState
from brittle.classifiers.around import Around, name_of
from brittle.classifiers.callable_module import CallableModule
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import autocast_around, buffers_kept
from brittle.classifiers.manner import types_of
from brittle.classifiers.memory_format import logits_in, to_channels_last
from brittle.errors import InputError
from brittle.plugins.own_code import raised
from brittle.types import Images

Precision = Literal["float32", "bf16"]
"""In what a search computes: as the network does, or in bfloat16 wherever torch's autocast does so."""
BACKEND = "inductor"
"""What `torch.compile` makes code with."""
TRIED = 3
"""Images of the pass that shows whether a network can be compiled; torch takes 0 and 1 for constants."""


@dataclass(frozen=True)
class SearchMode:
    """How a network is asked while points are searched for; by default as it is.

    Attributes:
        precision: "bf16": the network's passes, forward and backward, run under torch's autocast to bfloat16. Points,
            steps, projections and losses stay as they are. bfloat16 reaches as far as float32, so that no slope needs
            scaling; float16 would, and is not offered.
        compile: the forward pass goes through `torch.compile`, and with it the way back.
        channels_last: on a GPU the channels of a pixel lie side by side in memory. On a CPU that is so without being
            asked, where the network gains by it.

    Example:
        >>> bool(SearchMode()), bool(SearchMode(precision="bf16"))
        (False, True)
    """

    precision: Precision = "float32"
    compile: bool = False
    channels_last: bool = False

    def __post_init__(self):
        check_fields(self)

    def __bool__(self) -> bool:
        return self != PLAIN

    @property
    def text(self) -> str:
        """Say it in a few words, such as "in bf16, compiled"; "" where nothing was asked."""
        said = [f"in {self.precision}"] if self.precision != "float32" else []
        said += ["compiled"] if self.compile else []
        return ", ".join([*said, *(["channels last"] if self.channels_last else [])])

    @property
    def given(self) -> str:
        """Name the options that ask for it, such as "precision, compile"."""
        return ", ".join(one.name for one in fields(self) if getattr(self, one.name) != one.default)

    def asked(self, classifier: Classifier) -> Classifier | None:
        """Return the classifier that a search asks; None where it is the one that judges.

        Raises:
            InputError: the network cannot be asked so.
        """
        if not self:
            return None
        self.check(classifier)
        known = _ASKED.setdefault(classifier, {})
        if self not in known:
            known[self] = classifier.around(Searched(classifier.module, self))
        return known[self]

    def check(self, classifier: Classifier) -> None:
        """Refuse a network that cannot be asked so.

        Raises:
            InputError: it is a callable, in another number format, asked under autocast, or on another device.
        """
        if isinstance(classifier.module, CallableModule):
            raise InputError(
                f"the network ({name_of(classifier.module)}) is a callable, which calculates as it likes; give a "
                f"torch.nn.Module to search {self.text}, or leave that out"
            )
        if self.precision == "float32":
            return
        kinds = types_of(classifier.module)
        if kinds and torch.float32 not in kinds:
            named = " and ".join(str(kind).removeprefix("torch.") for kind in kinds)
            raise InputError(
                f"the network calculates in {named}, and precision is {self.precision}, which is for "
                "networks in float32; leave it out"
            )
        if around := autocast_around():
            raise InputError(
                f"precision is {self.precision} within torch.autocast to {str(around[0][1]).removeprefix('torch.')}, "
                "under which the network is searched and judged already; leave one of them out"
            )
        device = classifier.device.type
        able = torch.amp.is_autocast_available(device) and (device != "cuda" or torch.cuda.is_bf16_supported())
        if not able:
            raise InputError(
                f"precision is {self.precision}, in which torch cannot calculate on {device}; leave it out"
            )


PLAIN = SearchMode()
"""The network as it is."""
_ASKED: WeakKeyDictionary[Classifier, dict[SearchMode, Classifier]] = WeakKeyDictionary()


class _Now(local):
    """Whether this thread is within such a pass."""

    hurried: bool = False


_NOW = _Now()


def is_hurried() -> bool:
    """Whether the pass that is under way in this thread is one of a hurried search, so that it is no verdict."""
    return _NOW.hurried


@contextmanager
def _hurrying() -> Generator[None]:
    before, _NOW.hurried = _NOW.hurried, True
    try:
        yield
    finally:
        _NOW.hurried = before


class Searched(Around):
    """A network as a search asks it.

    Args:
        module: the network.
        mode: how.

    Attributes:
        arranges: it brings images into an order in memory by itself.
    """

    arranges = True

    def __init__(self, module: nn.Module, mode: SearchMode):
        nn.Module.__init__(self)
        self.module = module
        self.mode = mode
        self.training = False
        self.compiled = _compiled(module) if mode.compile else None
        self._tried = False

    def forward(self, images: Images) -> Any:
        """Ask the network."""
        given = to_channels_last(self.module, images, asked=self.mode.channels_last)
        with _hurrying(), self._autocast(images.device):
            if self.compiled is not None and not self._tried:
                self._try(self.compiled, given)
            return self.module(given) if self.compiled is None else _padded(self.compiled, given)

    def _autocast(self, device: torch.device) -> AbstractContextManager[object]:
        return nullcontext() if self.mode.precision == "float32" else torch.autocast(device.type, torch.bfloat16)

    def _try(self, compiled: nn.Module, given: Images) -> None:
        """Make one pass on noise, forward and back; where that fails the network is asked as it is, with a warning."""
        noise = torch.rand(TRIED, *given.shape[1:], generator=torch.Generator().manual_seed(0), dtype=torch.float32)
        noise = noise.to(given.device, given.dtype)
        state = RandomState.now([given.device.index or 0] if given.is_cuda else [])
        try:
            with torch.enable_grad(), buffers_kept(self.module):
                leaf = _like(noise, given).requires_grad_()
                torch.autograd.grad(_padded(compiled, leaf).float().sum(), leaf)
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # whatever torch, a compiler or the network says: it is no reason to stop
            self.compiled = None
            warnings.warn(
                f"the network ({name_of(self.module)}) cannot be compiled and is asked as it is ({raised(error)})",
                RuntimeWarning,
                stacklevel=2,
            )
        finally:
            state.restore()
        self._tried = True


def rounding(classifier: Classifier) -> float:
    """Return by what fraction the numbers of a hurried search round, beyond those of the network as it is."""
    module = classifier.module
    hurried = isinstance(module, Searched) and module.mode.precision != "float32"
    return torch.finfo(torch.bfloat16).eps if hurried else 0.0


def _compiled(module: nn.Module) -> nn.Module:
    made: Any = torch.compile(module, backend=BACKEND)
    return made


def _padded(compiled: nn.Module, given: Images) -> Tensor:
    """Ask a compiled network, so that one piece of code does for every number of images: a single one goes in twice."""
    alone = len(given) == 1
    shown = _like(given.expand(2, *given.shape[1:]), given) if alone else given
    torch._dynamo.maybe_mark_dynamic(shown, 0)  # pyright: ignore[reportPrivateUsage]  # as torch documents it
    said: Tensor = logits_in(compiled(shown))
    return said[:1] if alone else said


def _like(images: Images, other: Images) -> Images:
    """Copy images into another one's order in memory."""
    last = other.ndim == 4 and other.stride(1) == 1 and other.shape[1] > 1
    return images.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
