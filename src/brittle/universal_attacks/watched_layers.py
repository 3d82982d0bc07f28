"""Layers of any module: hooks tell which module is at work, a function mode what it computes."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from brittle.classifiers.door import answer
from brittle.types import Images
from brittle.universal_attacks.layer_kinds import (
    ACTIVATIONS,
    CONVOLUTIONS,
    PASSING,
    WEIGHTED,
    LayerKind,
    found_of,
    plain_name,
    refuse_unknown,
)


class WatchedLayers:
    """Some layers of a module, each looked at in a pass of the whole."""

    def __init__(self, module: nn.Module, images: Images, names: tuple[str, ...], kind: LayerKind):
        self._module = module
        watch = _Watch(module, None)
        with torch.no_grad(), watch:
            answer(module, images, watch.of, arranged=False)
        refuse_unknown([name for name in names if name not in watch.seen], list(watch.seen))
        self._written = watch.written
        ends = [name for place, name in watch.ends if place < watch.last_weighted]
        self.names = names or found_of(kind, watch.convolutions if kind == "convolutions" else ends)

    def __call__(self, images: Images) -> list[Tensor]:
        """Evaluate the module whole and return what the layers gave."""
        watch = _Watch(self._module, frozenset(self.names), self._written)

        def seen(module: nn.Module, given: Images) -> list[Tensor]:
            watch.of(module, given)
            return [watch.seen[name] for name in self.names]

        with watch:
            return answer(self._module, images, seen, arranged=False)

    def beside(self, module: nn.Module, given: Images) -> tuple[Any, list[Tensor]]:
        """Call the module, and return what it returned and what the layers gave in that pass."""
        with _Watch(self._module, frozenset(self.names), self._written) as watch:
            returned = module(given)
        return returned, [watch.seen[name] for name in self.names]


class _Watch(TorchFunctionMode):
    """One forward pass, looked at: the outputs of modules and functions by name, and the activations of convolutions.

    Args:
        module: the network.
        wanted: names whose outputs are kept; None keeps all of them and finds the activations.
        written: names of outputs that a later layer writes into, of which copies are kept.
    """

    def __init__(self, module: nn.Module, wanted: frozenset[str] | None, written: frozenset[str] = frozenset()):
        super().__init__()
        self.seen: dict[str, Tensor] = {}
        self._copied, self._versions = written, dict[str, int]()
        self.ends: list[tuple[int, str]] = []
        self.convolutions: list[str] = []
        self.last_weighted = -1
        self._wanted, self._count, self._calls = wanted, 0, Counter[str]()
        self._names = {part: name for name, part in module.named_modules()}
        self._stack: list[nn.Module] = []
        self._reached: dict[int, Tensor] = {}
        self._handles: list[Any] = []

    def __enter__(self):
        for part in self._names:
            self._handles += [part.register_forward_pre_hook(self._enter), part.register_forward_hook(self._leave)]
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        for handle in self._handles:
            handle.remove()
        super().__exit__(*error)

    def of(self, module: nn.Module, images: Images) -> None:
        """Watch a pass from its beginning; nothing is left of one before that failed."""
        self.seen, self.ends, self.convolutions, self.last_weighted = {}, [], [], -1
        self._count, self._calls, self._stack, self._reached = 0, Counter[str](), [], {}
        module(images)

    @property
    def written(self) -> frozenset[str]:
        """Names of outputs that have been written into since."""
        return frozenset(name for name, output in self.seen.items() if output._version != self._versions[name])

    def _enter(self, part: nn.Module, _: object) -> None:
        self._stack.append(part)

    def _leave(self, part: nn.Module, _: object, output: object) -> None:
        self._stack.pop()
        name = self._names[part]
        if name and isinstance(output, Tensor):
            self._keep(self._numbered(name), output)

    def _numbered(self, name: str) -> str:
        """Name a call; the second and later ones of a pass carry their number."""
        self._calls[name] += 1
        return name if self._calls[name] == 1 else f"{name}#{self._calls[name]}"

    def _keep(self, name: str, output: Tensor) -> None:
        if self._wanted is None or name in self._wanted:
            self.seen[name] = output.clone() if name in self._copied else output
            self._versions[name] = output._version

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Compute as asked, and remember what matters."""
        output, kind = func(*args, **(kwargs or {})), plain_name(func)
        if isinstance(output, Tensor) and (kind in WEIGHTED or kind in ACTIVATIONS or kind in PASSING):
            self._note(kind, args, output)
        return output

    def _note(self, kind: str, args: tuple[Any, ...], output: Tensor) -> None:
        part = self._stack[-1] if self._stack else None
        path, own = ("", False) if part is None else (self._names[part], type(part).__module__.startswith("torch.nn"))
        name = self._calling(path) if own else self._numbered(f"{path}:{kind}")
        if not own:
            self._keep(name, output)
        if self._wanted is not None:
            return
        self._count += 1
        follows = any(id(one) in self._reached for one in _tensors(args))
        if kind in WEIGHTED:
            self.last_weighted = self._count
        if kind in CONVOLUTIONS:
            self.convolutions.append(name)
        if kind in CONVOLUTIONS or (kind in PASSING and follows):
            self._reached[id(output)] = output
        elif kind in ACTIVATIONS:
            self._reached.pop(id(output), None)  # one that works in place gives the convolution's own tensor back
            if follows:
                self.ends.append((self._count, name))

    def _calling(self, path: str) -> str:
        """Name the call of one of torch's own modules that is under way."""
        number = self._calls[path] + 1
        return path if number == 1 else f"{path}#{number}"


def _tensors(args: Sequence[Any]) -> list[Tensor]:
    """List the tensors among arguments, those of lists included."""
    flat = [
        one for given in args for one in (cast("Sequence[Any]", given) if isinstance(given, list | tuple) else [given])
    ]
    return [one for one in flat if isinstance(one, Tensor)]
