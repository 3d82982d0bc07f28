"""How a module is to be asked: in which type of images, learnt by trying and kept as long as the module stays so."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeVar
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

from brittle.base.random_state import RandomState
from brittle.classifiers.frozen import autocast_around
from brittle.errors import ModelError
from brittle.types import HALF_TYPES, Images

HIDDEN = (*HALF_TYPES, torch.float64, torch.float32)
"""Types that are tried where the network's own tensors cannot be seen, as those of a callable."""
MISMATCH = re.compile(r"dtype|scalar type|data type|half|float16|same type|type.*should be the same", re.IGNORECASE)
"""How an error reads when the images have another type than the weights: torch, torch.export, ONNX Runtime."""
T = TypeVar("T")


@dataclass
class Manner:
    """How a module is to be asked.

    Attributes:
        when: what it was like when that was learnt: the type of its first floating tensor, and autocast around it.
        kind: of the images that it takes.
        compiled: whether a part of it is one that torch.compile made.
        narrow: whether slopes pass through float16 on their way back; None while that is not known.
        grain: by what fraction its numbers round where it calculates in halves, otherwise 0; None while not known.
        convolves: whether a pass with a way back was seen to call a convolution; None before the first one.
    """

    when: object
    kind: torch.dtype
    compiled: bool
    narrow: bool | None = None
    grain: float | None = None
    convolves: bool | None = None


_MANNERS: WeakKeyDictionary[nn.Module, dict[torch.dtype, Manner]] = WeakKeyDictionary()
_FIRST: WeakKeyDictionary[nn.Module, tuple[ref[nn.Module], str]] = WeakKeyDictionary()
"""Where the first floating tensor of a module was found: the part that it belongs to, and its name there."""


class Trial:
    """The manners in which one call of a module is tried: the one that is known, else its types one after the other.

    Args:
        module: the user's.
        images: that it is asked about.

    Attributes:
        manner: the one to try now.
    """

    def __init__(self, module: nn.Module, images: Images):
        self._module, self._images = module, images
        kept = _MANNERS.get(module)
        self._kept = _MANNERS.setdefault(module, {}) if kept is None else kept
        self._when = (_first_type(module), autocast_around())
        known = self._kept.get(images.dtype)
        self._known = known is not None and known.when == self._when
        if known is None or not self._known:
            known = self._first()
        self.manner = known

    def _first(self) -> Manner:
        """Begin with the images' own type."""
        images, self._known = self._images, False
        self._state = RandomState.now([images.device.index or 0] if images.is_cuda else [])
        self._compiled = any(type(part).__name__ == "OptimizedModule" for part in self._module.modules())
        self._error: Exception | None = None
        self._better: Exception | None = None
        return Manner(self._when, images.dtype, self._compiled)

    def done(self, value: T) -> T:
        """Keep the manner, in which the module has answered, and return the answer."""
        if not self._known:
            self._kept[self._images.dtype], self._error, self._better = self.manner, None, None
        return value

    def goes_on(self, error: Exception) -> bool:
        """Take up the next manner after an error; False where none would mend it.

        Raises:
            ModelError: the module holds float8 weights and takes no images of any type.
            Exception: the error that says most, where several types were tried.
        """
        if not self._images.is_floating_point():
            return False
        mismatch = bool(MISMATCH.search(str(error)))
        if self._known:
            if mismatch:
                self.manner = self._first()
            return mismatch
        if self._error is None:
            if isinstance(error, torch.cuda.OutOfMemoryError):
                return False
            self._error, self._hidden = error, HIDDEN if mismatch else ()
            self._kinds = self._others()
        elif self._better is None and not mismatch:
            self._better = error
        kind = next(self._kinds, None)
        if kind is None:
            self._give_up(self._error)
        self._state.restore()
        self.manner = Manner(self._when, kind, self._compiled)
        return True

    def _others(self) -> Iterator[torch.dtype]:
        """Return the types that may be meant where the images' own is not."""
        kinds = dict.fromkeys((*types_of(self._module), *self._hidden))
        return iter([kind for kind in kinds if kind != self._images.dtype and kind.itemsize > 1])

    def _give_up(self, error: Exception) -> NoReturn:
        eighths = sorted({str(kind).removeprefix("torch.") for kind in types_of(self._module) if kind.itemsize == 1})
        if eighths:
            raise ModelError(
                f"the network has weights in {' and '.join(eighths)}, which torch cannot calculate with here "
                f"({str(error).splitlines()[0]}); convert it first, for instance with module.float()"
            ) from error
        if self._hidden and self._better is not None:
            raise self._better from error
        raise error


def grain_of(module: nn.Module) -> float:
    """Return by what fraction a module's numbers round where it is known to calculate in halves; 0 otherwise."""
    return max((manner.grain or 0.0 for manner in _MANNERS.get(module, {}).values()), default=0.0)


def types_of(module: nn.Module) -> dict[torch.dtype, None]:
    """Return the floating types of a module's tensors, in the order in which they come."""
    tensors = (*module.parameters(), *module.buffers())
    return dict.fromkeys(tensor.dtype for tensor in tensors if tensor.is_floating_point())


def _first_type(module: nn.Module) -> torch.dtype | None:
    """Return the type of a module's first floating parameter, or buffer; None where there is none."""
    place = _FIRST.get(module)
    owner = None if place is None else place[0]()
    tensor = None if place is None or owner is None else getattr(owner, place[1], None)
    if isinstance(tensor, Tensor) and tensor.is_floating_point():
        return tensor.dtype
    for named in (nn.Module.named_parameters, nn.Module.named_buffers):
        for owner in module.modules():
            for name, tensor in named(owner, recurse=False):
                if tensor.is_floating_point():
                    _FIRST[module] = ref(owner), name
                    return tensor.dtype
    return None
