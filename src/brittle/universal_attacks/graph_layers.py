"""Layers of an exported graph: a copy of it that returns them and computes no more."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from brittle.classifiers.conv_backward import fast_conv_backward
from brittle.classifiers.door import answer
from brittle.classifiers.memory_format import to_channels_last
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


def is_operator(node: fx.Node) -> bool:
    """Whether a node of a graph is an operator of torch, as those of `torch.export` are."""
    return node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)  # pyright: ignore[reportPrivateUsage]


class GraphLayers:
    """Nodes of an exported graph: a copy of the graph that shares the weights returns them and computes no more.

    Images are given in the order in memory in which the network is fastest, as for its logits.
    """

    def __init__(self, module: fx.GraphModule, names: tuple[str, ...], kind: LayerKind):
        nodes = {node.name: node for node in module.graph.nodes if node.op == "call_function"}
        refuse_unknown([name for name in names if name not in nodes], list(nodes))
        self.names = names or found_of(kind, _ends_of(list(nodes.values()), kind))
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
    return is_operator(node) and bool(cast("Any", node.target)._schema.is_mutable)


def _needed(nodes: Sequence[fx.Node]) -> set[fx.Node]:
    """Collect nodes with all those that they are computed from."""
    found, waiting = set[fx.Node](), list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.all_input_nodes
    return found


def _ends_of(nodes: Sequence[fx.Node], kind: LayerKind) -> list[str]:
    """Name all convolutions, or the activations of convolutions up to the last node with weights."""
    if kind == "convolutions":
        return [node.name for node in nodes if plain_name(node.target) in CONVOLUTIONS]
    weighted = [place for place, node in enumerate(nodes) if plain_name(node.target) in WEIGHTED]
    reached, ends = set[fx.Node](), list[str]()
    for node in nodes[: weighted[-1]] if weighted else []:
        word, follows = plain_name(node.target), any(one in reached for one in node.all_input_nodes)
        if word in CONVOLUTIONS or (word in PASSING and follows):
            reached.add(node)
        elif word in ACTIVATIONS and follows:
            ends.append(node.name)
    return ends
