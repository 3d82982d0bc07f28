"""Whether a network can be trained on images: what is refused before anything is changed or written."""

import torch
from torch import Tensor, nn

from brittle.arguments import seen
from brittle.classifiers.sizes import check_sizes
from brittle.errors import BoundsError, BrittleError, ForwardFailed, InputError, LabelError, ModelError
from brittle.plugins.own_code import raised
from brittle.tolerance import in_range
from brittle.training.outputs import device_of, logits_of
from brittle.types import Images, Labels


def check_shape(name: str, wanted: tuple[int, int, int], images: Images) -> None:
    """Refuses images of another shape than an architecture's.

    Args:
        name: of the architecture.
        wanted: channels, height, width.
        images: n x c x h x w.

    Raises:
        InputError: with both shapes.
    """
    if tuple(images.shape[1:]) != tuple(wanted):
        seen, shape = ("x".join(map(str, sides)) for sides in (images.shape[1:], wanted))
        raise InputError(f"{name} takes images of {shape} (channels, height, width), but these are {seen}")


def check_trainable(module: nn.Module, images: Images, labels: Labels) -> int:
    """Refuses what cannot be trained on.

    Args:
        module: the network, which is in eval mode afterwards.
        images: n x c x h x w in [0, 1].
        labels: int64, n.

    Returns:
        The number of the network's classes.

    Raises:
        InputError: no images, or images of another type; BoundsError and LabelError are kinds of it.
        ModelError: a network that fails on such images, outputs that are not logits or no gradient leads through, and
            weights that are no numbers or in half precision.
    """
    check_images(images, labels)
    _check_weights(module)
    module.eval()
    with torch.enable_grad():
        logits = first_logits(module, images[:1])
    if not logits.requires_grad:
        raise ModelError(
            "the network's outputs do not depend on its weights in a way that torch can differentiate; look in its "
            "forward for detach(), torch.no_grad() or an argmax"
        )
    classes = logits.shape[1]
    check_classes(labels, classes)
    return classes


def check_classes(labels: Labels, classes: int) -> None:
    """Refuse labels that are no class of a network.

    Raises:
        LabelError: with the lowest and the highest.
    """
    first, last = labels.aminmax()
    if first < 0 or last >= classes:
        raise LabelError(
            f"labels reach from {first} to {last}, but the network has {classes} classes (0 to {classes - 1})"
        )


def first_logits(module: nn.Module, images: Images) -> Tensor:
    """Return what a network says of the first images it is asked about, with what is wrong said in a sentence.

    Raises:
        ForwardFailed: it raises an error of its own; ModelError: its outputs are not logits.
    """
    try:
        return logits_of(module, images.to(device_of(module)))
    except BrittleError:
        raise
    except Exception as error:
        shape = "x".join(map(str, images.shape[1:]))
        raise ForwardFailed(
            f"the network cannot take images of {shape} (channels, height, width) ({raised(error)}); expected one made "
            "for such images: give images of its size, or look at the sizes of its layers"
        ) from error


def check_images(images: Images, labels: Labels) -> None:
    """Refuse images and labels that no network is trained on, or measured by after an epoch.

    Raises:
        InputError: no images, or something else; BoundsError and LabelError are kinds of it.
    """
    if not all(isinstance(one, Tensor) for one in (images, labels)):  # pyright: ignore[reportUnnecessaryIsInstance]
        what = f"images are {seen(images)} and labels {seen(labels)}"
        raise InputError(f"{what}; expected tensors: torch.as_tensor(...) makes one of an array or a list")
    if images.ndim != 4 or not images.is_floating_point():
        raise InputError(f"images are {tuple(images.shape)} of {images.dtype}; give floats, n x c x h x w in [0, 1]")
    if not len(images):
        raise InputError("there are no images to train on")
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        wanted = f"give int64, one for each of the {len(images):,} images"
        raise LabelError(f"labels are {tuple(labels.shape)} of {labels.dtype}; {wanted}")
    low, high = images.aminmax()
    if not in_range(float(low), float(high)):
        raise BoundsError(f"images reach from {low:.4g} to {high:.4g}; give [0, 1], the network normalises inside")


def _check_weights(module: nn.Module) -> None:
    check_sizes(module)
    halves = sorted({str(one.dtype)[6:] for one in module.parameters() if one.is_floating_point() and one.itemsize < 4})
    if halves:
        raise ModelError(
            f"the network has weights in {' and '.join(halves)}, in which small steps of a training round to nothing; "
            "train it in float32 (module.float()) and convert it afterwards"
        )
    named = ((name, one) for name, one in module.named_parameters() if one.is_floating_point())
    broken = [name for name, one in named if not bool(torch.isfinite(one).all())]
    if broken:
        raise ModelError(
            f"the network has NaN or infinite weights before the first step ({', '.join(broken[:3])}); begin with "
            "others: first ones, or those of an earlier epoch"
        )
