"""The layers that data-free methods excite, in any module and in exported graphs."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, fx, nn

from brittle.errors import InputError
from brittle.types import Images
from brittle.universal_attacks.graph_layers import GraphLayers, is_operator
from brittle.universal_attacks.layer_kinds import LayerKind
from brittle.universal_attacks.watched_layers import WatchedLayers


class Layers(Protocol):
    """Some layers of a network, looked at from outside."""

    names: tuple[str, ...]

    def __call__(self, images: Images) -> list[Tensor]:
        """Return what each layer gives for images (n, c, h, w), in the order of `names`, with their graph."""
        ...


def layers_of(module: nn.Module, images: Images, names: Sequence[str] = (), kind: LayerKind = "activations") -> Layers:
    """Find the layers of a network, or take those that are named.

    Found are the activations (ReLU and its kin) of convolutions: those whose input a convolution gave, with nothing but
    normalisation, sums and concatenations between. Pooling, normalisation and all that comes after the last layer with
    weights, which is taken for the classifier, are left out, and so are convolutions without an activation. Of the kind
    "convolutions" all of them are found instead, and what they give before any normalisation.

    Args:
        module: any module; the graph of a `torch.export` program is read, any other module is watched during a pass.
        images: (n, c, h, w) for one forward pass that finds the layers; the module is left as it is.
        names: of layers, instead: submodules ("features.3"; "features.3#2" is its second call in a pass), functions
            within a module as an error lists them ("block:relu"), or the nodes of an exported graph.

        kind: of the layers that are found.

    Raises:
        InputError: a name that does not exist, or is given twice; the message lists what there is.
        ModelError: nothing is found; such a network needs names.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.ReLU(), nn.Flatten())
        >>> layers = layers_of(network, torch.zeros(1, 1, 8, 8))
        >>> layers.names, [tuple(one.shape) for one in layers(torch.zeros(1, 1, 8, 8))]
        (('1',), [(1, 2, 6, 6)])
    """
    if len(set(names)) != len(names):
        raise InputError(f"the layers {list(names)} are not all different")
    if isinstance(module, fx.GraphModule) and any(is_operator(node) for node in module.graph.nodes):
        return GraphLayers(module, tuple(names), kind)
    return WatchedLayers(module, images, tuple(names), kind)
