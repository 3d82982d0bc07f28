"""Networks by name from torchvision and timm, with their normalisation moved inside."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from brittle.errors import ModelError, quoted
from brittle.models.agreement import Arithmetic, Pictures, check_colours
from brittle.models.network import Network, digest_of, parameters_of, seeded
from brittle.models.preprocessing import before, only_weights
from brittle.models.weights import classes_in, load_weights
from brittle.near import did_you_mean
from brittle.plugins.optional import optional


def load_torchvision(name: str, weights: Path | None = None) -> Network:
    """A classifier of torchvision with its best published weights, or those of a file.

    Args:
        name: such as `resnet50`, or with a named set of weights, `resnet50@IMAGENET1K_V1`.
        weights: a safetensors file with torchvision's names, instead of a download; it may be of another number of
            classes. The normalisation is still that of the published weights.

    Raises:
        MissingExtra: torchvision is not installed.
        ModelError: torchvision does not fit torch, knows no such network, it is no classifier of images, or torchvision
            prepares images in another way than its mean and standard deviation say.
    """
    models = optional("torchvision.models", "vision", "a network of torchvision")
    base, _, chosen = name.partition("@")
    try:
        published = models.get_model_weights(base)
        entry = published[chosen] if chosen else published.DEFAULT
    except (KeyError, ValueError, AttributeError) as error:
        known: list[str] = getattr(models, "list_models", list[str])()
        raise ModelError(
            f"torchvision has no weights {name!r} ({quoted(error)}){did_you_mean(base, known, 'torchvision:')}; see "
            "torchvision.models.list_models()"
        ) from error
    preset = entry.transforms()
    if not hasattr(preset, "crop_size") or "categories" not in entry.meta:
        raise ModelError(f"torchvision:{name} is no classifier of images")
    module = _built(
        f"torchvision:{name}",
        lambda **own: models.get_model(base, weights=None if weights else entry, **own),
        weights,
        lambda _: len(entry.meta["categories"]),
    )
    side, ours = preset.crop_size[0], Arithmetic(preset.mean, preset.std)
    check_colours(ours, lambda pictures: _each(preset, pictures), len(preset.mean), f"torchvision:{name}")
    module = before(module, ours)
    shape = (len(preset.mean), side, side)
    names = () if weights else tuple(entry.meta["categories"])  # weights of another file may be of other classes
    return Network(
        f"torchvision:{name}", module, digest_of(module), shape, names, parameters_of(module), normalises=True
    )


def load_timm(name: str, weights: Path | None = None) -> Network:
    """A classifier of timm with its published weights, or those of a file.

    Args:
        name: such as `resnet18.a1_in1k`.
        weights: a safetensors file with timm's names, instead of a download; it may be of another number of classes.

    Raises:
        MissingExtra: timm is not installed.
        ModelError: timm or the torchvision it needs does not fit torch, it knows no such network, or prepares images in
            another way than its mean and standard deviation say.
    """
    timm = optional("timm", "vision", "a network of timm")
    if not timm.is_model(name):
        known: list[str] = getattr(timm, "list_models", list[str])()
        hint = did_you_mean(name, known, "timm:")
        raise ModelError(f"timm has no network {name!r}{hint}; see timm.list_models(pretrained=True)")
    module = _built(
        f"timm:{name}",
        lambda **own: timm.create_model(name, pretrained=weights is None, **own),
        weights,
        lambda made: getattr(made, "num_classes", 0),
    )
    published: dict[str, Any] = getattr(module, "pretrained_cfg")  # noqa: B009 (timm adds it to every module)
    channels, height, width = published["input_size"]
    ours, transform = Arithmetic(published["mean"], published["std"]), _transform(timm, module)
    check_colours(ours, lambda pictures: _each(transform, pictures), channels, f"timm:{name}")
    module = before(module, ours)
    names = () if weights else tuple(published.get("label_names") or ())
    return Network(
        f"timm:{name}",
        module,
        digest_of(module),
        (channels, height, width),
        names,
        parameters_of(module),
        normalises=True,
    )


def _transform(timm: Any, module: nn.Module) -> Any:
    """What timm does to a picture before one of its networks."""
    return timm.data.create_transform(**timm.data.resolve_data_config({}, model=module), is_training=False)


def _each(transform: Any, pictures: Pictures) -> Tensor:
    """What a library makes of pictures one by one, as Pillow holds them."""
    return torch.stack([transform(Image.fromarray(one[..., 0] if one.shape[2] == 1 else one)) for one in pictures])


def _built(
    spec: str, build: Callable[..., nn.Module], weights: Path | None, usual: Callable[[nn.Module], int]
) -> nn.Module:
    """The module with its weights; whatever is downloaded may hold tensors and nothing else.

    Args:
        spec: of the network.
        build: makes it; takes `num_classes`.
        weights: a file to take the weights from. Where its network has another number of classes, that many are built.
        usual: says how many classes a module has that was built without `num_classes`.
    """
    try:
        with seeded(), only_weights():
            module = build()
            if weights and (classes := classes_in(weights, module, usual(module))) != usual(module):
                module = build(num_classes=classes)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"the weights of {spec} cannot be had ({type(error).__name__}: {quoted(error)}); "
            "look at the connection, or give them as --weights FILE.safetensors"
        ) from error
    if weights:
        load_weights(module, weights)
    return module
