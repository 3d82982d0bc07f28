"""Whether a network can be trained on images: what is refused before anything is changed or written."""

import torch
from torch import nn

from brittle.errors import BoundsError, InputError, LabelError, ModelError
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
        ModelError: outputs that are not logits, or weights in half precision.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise InputError(f"images are {tuple(images.shape)} of {images.dtype}; give floats, n x c x h x w in [0, 1]")
    if not len(images):
        raise InputError("there are no images to train on")
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        raise LabelError(f"labels are {tuple(labels.shape)} of {labels.dtype}; give int64, one for each image")
    low, high = images.aminmax()
    if not in_range(float(low), float(high)):
        raise BoundsError(f"images reach from {low:.4g} to {high:.4g}; give [0, 1], the network normalises inside")
    halves = sorted({str(one.dtype)[6:] for one in module.parameters() if one.is_floating_point() and one.itemsize < 4})
    if halves:
        raise ModelError(
            f"the network has weights in {' and '.join(halves)}, in which small steps of a training round to nothing; "
            "train it in float32 (module.float()) and convert it afterwards"
        )
    module.eval()
    with torch.no_grad():
        classes = logits_of(module, images[:1].to(device_of(module))).shape[1]
    first, last = labels.aminmax()
    if first < 0 or last >= classes:
        raise LabelError(
            f"labels reach from {first} to {last}, but the network has {classes} classes (0 to {classes - 1})"
        )
    return classes
