"""What is trained: an architecture by name, a network of the user's own, or weights that a training goes on from."""

import copy
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.data import Fit, Source
from brittle.errors import InputError, ModelError
from brittle.evaluation.design_behind import DesignBehind
from brittle.evaluation.subject import around_it, network_of, open_images, open_images_for
from brittle.files import path_of
from brittle.models import ARCHITECTURES, Architecture, Network, open_network
from brittle.models.factory import builder
from brittle.models.open import NETWORKS
from brittle.models.weights import fill, load_weights, weights_file
from brittle.runs.kinds import CHECKPOINT_FILE
from brittle.specs import Asked
from brittle.training.checkpoint import weights_of
from brittle.training.named import Design
from brittle.training.trainable import first_logits
from brittle.words import with_article

EXPORTED = (".pt2", ".onnx")
"""Endings of networks that are graphs of what they do when they answer."""


def open_trainee(asked: Asked, start: Path | str | None = None) -> tuple[Design, Source]:
    """Open what is to be trained, and the images that it is trained on.

    Args:
        asked: the network as text or as a module, a defence that it is trained behind, and the images.
        start: weights to begin with: a safetensors file, the folder of a training, what is left of one that was
            interrupted, or the name of a network that comes with the package; by default those that the user's network
            has, or first ones drawn from the seed.

    Raises:
        ModelError: no such network, one that cannot be trained, or weights of another one.
        DataError: images that cannot be read.
    """
    design, source = _opened(asked)
    if start is not None:
        design = replace(design, construct=_beginning(design, path_of(start)), shipped=False)
    if asked.model.defence is not None:
        return DesignBehind.of(design, asked.model.defence), source
    return design, source


def _opened(asked: Asked) -> tuple[Architecture, Source]:
    given: object = asked.model.spec
    around = (asked.model.mean, asked.model.std, asked.model.output) != (None, None, None)
    if isinstance(given, str | os.PathLike) and str(given) in ARCHITECTURES:
        if around:
            raise InputError(f"{given} normalises images itself and has one output; leave out mean, std and output")
        design = ARCHITECTURES[str(given)]
        return design, open_images(asked.data, Fit(*design.input_shape))
    network, construct = _by_text(str(given)) if isinstance(given, str | os.PathLike) else _by_value(given)
    if around:
        bare, within, network = network, construct, around_it(network, asked.model)
        construct = lambda: around_it(replace(bare, module=within()), asked.model).module  # noqa: E731  # as the others
    fit = Fit(*(network.input_shape or (None, None, None)))
    source = open_images_for(Classifier(network.module), asked.data, fit)
    shape = network.input_shape or shape_of(source)
    return Architecture(network.spec, shape, _classes(network.module, shape), construct), source


def _by_text(spec: str) -> tuple[Network, Callable[[], nn.Module]]:
    """Return a network by what the user wrote, and what builds it anew."""
    if Path(spec).suffix in EXPORTED:
        raise ModelError(
            f"{spec} is an exported graph, which cannot be trained: it holds what the network does when it answers, "
            "without the dropout and the statistics of a training; give the code that builds the network, "
            "FILE.py:FACTORY, and its weights with --from"
        )
    network = open_network(spec)
    if spec not in NETWORKS and Path(spec.rpartition(":")[0]).suffix == ".py":
        return network, builder(spec)
    return network, lambda: copy.deepcopy(network.module)


def _by_value(given: object) -> tuple[Network, Callable[[], nn.Module]]:
    """Return a module as a network, and what copies it."""
    module = given.module if isinstance(given, Network | Classifier) else given
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"the network is {with_article(type(module).__name__)}; expected a torch.nn.Module or its name"
        )
    if isinstance(module, torch.fx.GraphModule):
        raise ModelError(
            "the network is an exported graph, which cannot be trained: it holds what the network does when it "
            "answers; give the module that it was exported from"
        )
    network = given if isinstance(given, Network) else network_of(Classifier(module))
    shape = network.input_shape or cast("tuple[int, int, int] | None", getattr(module, "input_shape", None))
    return replace(network, input_shape=shape), lambda: copy.deepcopy(module)


def shape_of(source: Source) -> tuple[int, int, int]:
    """Return channels, height and width of a source's images, which must all have the same."""
    block = next((one for one in source.blocks(1) if len(one)), None)
    if block is None:
        raise ModelError(f"{source.spec} has no images, and the network does not say which it takes")
    channels, height, width = block.images.shape[1:]
    return channels, height, width


def _classes(module: nn.Module, shape: tuple[int, int, int]) -> int:
    """Return how many logits a network gives."""
    with preserving_state(module), torch.no_grad():
        return first_logits(module.eval(), torch.zeros(1, *shape)).shape[1]


def _beginning(design: Architecture, path: Path) -> Callable[[], nn.Module]:
    """Return what builds a network with weights of a file in place of its own."""
    come_with = ARCHITECTURES.get(str(path))
    if come_with is not None and come_with.shipped and not path.exists():
        shipped = open_network(come_with.name).module.state_dict()
        return lambda: _filled(design.construct(), shipped, path)
    left = path / CHECKPOINT_FILE if path.is_dir() else path
    interrupted = left.name == CHECKPOINT_FILE and left.is_file()

    def build() -> nn.Module:
        module = design.construct()
        if interrupted:
            return _filled(module, weights_of(left), left)
        load_weights(module, weights_file(path))
        return module

    return build


def _filled(module: nn.Module, found: Mapping[str, Tensor], path: Path) -> nn.Module:
    """Give a module the weights that are found at a path, and return it."""
    fill(module, found, path)
    return module
