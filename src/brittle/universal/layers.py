"""The layers that data-free methods excite: activations of convolutions, in any module and in exported graphs."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from brittle.classifiers.conv_backward import fast_conv_backward
from brittle.classifiers.door import answer
from brittle.classifiers.memory_format import to_channels_last
from brittle.errors import InputError, ModelError
from brittle.types import Images

CONVOLUTIONS = frozenset(
    {"conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}
)
WEIGHTED = CONVOLUTIONS | {"linear", "addmm", "matmul"}
"""Layers with weights; what comes after the last one belongs to the classifier."""
ACTIVATIONS = frozenset(
    [
        "relu",
        "relu6",
        "leaky_relu",
        "prelu",
        "rrelu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "hardswish",
        "mish",
        "softplus",
        "tanh",
        "hardtanh",
        "clamp",
        "clamp_min",
    ]
)
PASSING = frozenset(
    ["batch_norm", "group_norm", "instance_norm", "add", "iadd", "radd", "cat", "concat", "concatenate", "dropout"]
)
"""What may lie between a convolution and its activation: normalisation, sums and concatenations."""


class Layers(Protocol):
    """Some layers of a network, looked at from outside."""

    names: tuple[str, ...]

    def __call__(self, images: Images) -> list[Tensor]:
        """Return what each layer gives for images (n, c, h, w), in the order of `names`, with their graph."""
        ...


def layers_of(module: nn.Module, images: Images, names: Sequence[str] = ()) -> Layers:
    """Find the layers of a network, or take those that are named.

    Found are the activations (ReLU and its kin) of convolutions: those whose input a convolution gave, with nothing but
    normalisation, sums and concatenations between. Pooling, normalisation and all that comes after the last layer with
    weights, which is taken for the classifier, are left out, and so are convolutions without an activation.

    Args:
        module: any module; the graph of a `torch.export` program is read, any other module is watched during a pass.
        images: (n, c, h, w) for one forward pass that finds the layers; the module is left as it is.
        names: of layers, instead: submodules ("features.3"; "features.3#2" is its second call in a pass), functions
            within a module as an error lists them ("block:relu"), or the nodes of an exported graph.

    Raises:
        InputError: a name that does not exist, or is given twice; the message lists what there is.
        ModelError: nothing is found; such a network needs names.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.ReLU(), nn.Flatten())
        >>> layers = layers_of(network, torch.zeros(1, 1, 8, 8))
        >>> layers.names, [tuple(one.shape) for one in layers(torch.zeros(1, 1, 8, 8))]
        (('1',), [(1, 2, 6, 6)])
    """
    if len(set(names)) != len(names):
        raise InputError(f"the layers {list(names)} are not all different")
    if isinstance(module, fx.GraphModule) and any(_is_operator(node) for node in module.graph.nodes):
        return _GraphLayers(module, tuple(names))
    return _WatchedLayers(module, images, tuple(names))


def _plain(function: object) -> str:
    """Name a function or operator without its overload and underscores: aten.relu_.default is "relu"."""
    return str(getattr(function, "__name__", function)).split(".")[0].strip("_")


def _refuse(unknown: Sequence[str], known: Sequence[str]) -> None:
    if unknown:
        raise InputError(f"the network has no layer {', '.join(map(repr, unknown))}; it has {', '.join(known)}")


def _found(ends: Sequence[str]) -> tuple[str, ...]:
    if not ends:
        raise ModelError(
            "no convolution with an activation was found before the last layer with weights; "
            "name the layers to excite with layers=('features.3', ...)"
        )
    return tuple(ends)


def _is_operator(node: fx.Node) -> bool:
    return node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)  # pyright: ignore[reportPrivateUsage]


class _GraphLayers:
    """Nodes of an exported graph: a copy of the graph that shares the weights returns them and computes no more.

    Images are given in the order in memory in which the network is fastest, as for its logits.
    """

    def __init__(self, module: fx.GraphModule, names: tuple[str, ...]):
        nodes = {node.name: node for node in module.graph.nodes if node.op == "call_function"}
        _refuse([name for name in names if name not in nodes], list(nodes))
        self.names = names or _found(_ends_of(list(nodes.values())))
        graph, places = fx.Graph(), dict[fx.Node, fx.Node]()
        needed = _needed([nodes[name] for name in self.names])
        writes = any(_writes(node) for node in needed)
        kept = dict[str, fx.Node]()
        for node in module.graph.nodes:
            if node in needed or node.op == "placeholder":
                places[node] = graph.node_copy(node, places.__getitem__)
                if node.name in self.names:
                    kept[node.name] = places[node]
                    if writes:  # a later node might write over it
                        kept[node.name] = graph.call_function(torch.ops.aten.clone.default, (places[node],))
        graph.output(tuple(kept[name] for name in self.names))
        self._whole, self._module = module, fx.GraphModule(module, graph)

    def __call__(self, images: Images) -> list[Tensor]:
        """Evaluate the graph as far as the nodes need it."""
        ordered = to_channels_last(self._whole, images)
        return answer(self._module, ordered, _shortened, arranged=False)


def _shortened(module: nn.Module, images: Images) -> list[Tensor]:
    with fast_conv_backward(images):
        return list(module(images))


def _writes(node: fx.Node) -> bool:
    """Whether an operator writes into what it is given."""
    return _is_operator(node) and bool(cast("Any", node.target)._schema.is_mutable)


def _needed(nodes: Sequence[fx.Node]) -> set[fx.Node]:
    """Collect nodes with all those that they are computed from."""
    found, waiting = set[fx.Node](), list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.all_input_nodes
    return found


def _ends_of(nodes: Sequence[fx.Node]) -> list[str]:
    """Name the activations of convolutions, up to the last node with weights."""
    weighted = [place for place, node in enumerate(nodes) if _plain(node.target) in WEIGHTED]
    reached, ends = set[fx.Node](), list[str]()
    for node in nodes[: weighted[-1]] if weighted else []:
        kind, follows = _plain(node.target), any(one in reached for one in node.all_input_nodes)
        if kind in CONVOLUTIONS or (kind in PASSING and follows):
            reached.add(node)
        elif kind in ACTIVATIONS and follows:
            ends.append(node.name)
    return ends


class _WatchedLayers:
    """Layers of any module: hooks tell which module is at work, a function mode what it computes."""

    def __init__(self, module: nn.Module, images: Images, names: tuple[str, ...]):
        self._module = module
        watch = _Watch(module, None)
        with torch.no_grad(), watch:
            answer(module, images, watch.of, arranged=False)
        _refuse([name for name in names if name not in watch.seen], list(watch.seen))
        self.names = names or _found([name for place, name in watch.ends if place < watch.last_weighted])

    def __call__(self, images: Images) -> list[Tensor]:
        """Evaluate the module whole and return what the layers gave."""
        watch = _Watch(self._module, frozenset(self.names))

        def seen(module: nn.Module, given: Images) -> list[Tensor]:
            watch.of(module, given)
            return [watch.seen[name] for name in self.names]

        with watch:
            return answer(self._module, images, seen, arranged=False)


class _Watch(TorchFunctionMode):
    """One forward pass, looked at: the outputs of modules and functions by name, and the activations of convolutions.

    Args:
        module: the network.
        wanted: names whose outputs are kept; None keeps all of them and finds the activations.
    """

    def __init__(self, module: nn.Module, wanted: frozenset[str] | None):
        super().__init__()
        self.seen: dict[str, Tensor] = {}
        self.ends: list[tuple[int, str]] = []
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
        self.seen, self.ends, self.last_weighted = {}, [], -1
        self._count, self._calls, self._stack, self._reached = 0, Counter[str](), [], {}
        module(images)

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
            self.seen[name] = output if self._wanted is None else output.clone()  # a later layer may write over it

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Compute as asked, and remember what matters."""
        output, kind = func(*args, **(kwargs or {})), _plain(func)
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
