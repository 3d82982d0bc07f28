"""The contract on data, enforced at the door: floats within the bounds or uint8, int64 labels within the classes."""

import math

import numpy as np
import torch
from torch import Tensor

from brittle.arguments import seen
from brittle.base.bounds import Bounds
from brittle.classifiers.classifier import Classifier
from brittle.errors import BoundsError, InputError, LabelError
from brittle.maths.quantization import values_of
from brittle.threats import Threat
from brittle.tolerance import TOLERANCE, in_range
from brittle.types import Images, Labels

LONGEST_NUMBER = 8
"""Bytes of NumPy's longest numbers that torch knows too."""


def as_images(images: Tensor | np.ndarray, bounds: Bounds) -> Images:
    """Return images as floats within the bounds, without copying where they are so already.

    Args:
        images: (n, c, h, w), floats within the bounds (tolerance 1e-6 of their span) or uint8 (0..255 is the span).
        bounds: of the classifier.

    Raises:
        InputError: another shape or type.
        BoundsError: values outside the bounds, NaN or infinite.
    """
    tensor = plain_numbers(images, InputError, "images", "a tensor (n, channels, height, width)")
    if tensor.ndim != 4:
        hint = "; a single image needs images[None]" if tensor.ndim == 3 else ""
        raise InputError(f"the images have shape {tuple(tensor.shape)}; expected (n, channels, height, width){hint}")
    if 0 in tensor.shape[1:]:
        raise InputError(f"the images have shape {tuple(tensor.shape)}; expected at least one channel, row and column")
    if tensor.dtype == torch.uint8:
        return values_of(tensor.to(torch.float32), bounds.lower, bounds.span)
    if not tensor.is_floating_point():
        box = f"{bounds.lower:g}..{bounds.upper:g}"
        raise InputError(f"the images are {tensor.dtype}; expected floats in {box}, or uint8")
    tensor = tensor.detach()
    tensor = tensor.to(torch.float32) if tensor.itemsize == 1 else tensor  # torch does not compare float8
    if tensor.numel():
        _check_range(tensor, bounds)
    return tensor


def plain_numbers(values: object, error: type[InputError], what: str, expected: str) -> Tensor:
    """Return a tensor whose numbers can be read, or an array as one; refuse everything else.

    A read-only or flipped array, and one of another byte order, which torch does not take, are copied.
    """
    if isinstance(values, np.ndarray):
        array: np.ndarray = values
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > LONGEST_NUMBER:
            raise error(
                f"the {what} are an array of {array.dtype}; expected numbers: give array.astype(...) of what is meant"
            )
        if isinstance(array, np.ma.MaskedArray):
            raise error(f"the {what} are a masked array, whose mask would be lost; give array.filled(...)")
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        return torch.from_numpy(np.require(native, requirements=["C", "W"]))
    if not isinstance(values, Tensor):
        mend = "; give torch.as_tensor(...) of them" if isinstance(values, list | tuple) else ""
        mend = "; give numpy.asarray(...) of it" if hasattr(values, "__array_interface__") else mend
        raise error(f"the {what} are {seen(values)}; expected {expected}{mend}")
    if values.layout != torch.strided or values.is_quantized or values.is_meta or values.is_nested:
        kind = f"{values.dtype}, {values.layout}, on {values.device}" + (", nested" if values.is_nested else "")
        raise error(f"the {what} are a tensor ({kind}); expected plain numbers: dense, not quantised, not on meta")
    return values


def _check_range(images: Images, bounds: Bounds) -> None:
    lowest, highest = (float(value) for value in images.aminmax())
    box = f"{bounds.lower:g}..{bounds.upper:g}"
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        bad = int((~torch.isfinite(images)).flatten(1).any(1).nonzero()[0, 0])
        raise BoundsError(f"image {bad} holds NaN or infinite values; expected {box}")
    if in_range(lowest, highest, bounds.lower, bounds.upper):
        return
    slack = TOLERANCE * bounds.span
    outside = (images < bounds.lower - slack) | (images > bounds.upper + slack)
    first = int(outside.flatten(1).any(1).nonzero()[0, 0])
    if lowest < bounds.lower - slack and highest - lowest < 10 * bounds.span:
        mend = "they look normalised: give them as they were before, and put the normalisation inside the network"
    elif lowest >= 0 and 1.5 < highest <= 255 and bounds.upper == 1:
        mend = "divide them by 255, give them as uint8, or say Classifier(module, bounds=(0, 255))"
    else:
        mend = "clamp them, or say the network's bounds with Classifier(module, bounds=(lowest, highest))"
    seen = f"the images reach from {lowest:.4g} to {highest:.4g}"
    raise BoundsError(f"{seen} (image {first} is the first outside {box}); {mend}")


def check_radius(threat: Threat, images: Images, bounds: Bounds) -> None:
    """Refuse a radius that no change of such images can reach: it is one in other units, and would allow everything.

    Radii given image by image are taken as they are.

    Raises:
        InputError: with the radius and the largest change.
    """
    radius = threat.radius
    if isinstance(radius, Tensor) or not math.isfinite(radius) or not len(images):
        return
    corner = torch.full_like(images[:1], bounds.lower, dtype=torch.float64)
    largest = float(threat.max_size(corner, bounds)[0])
    if radius <= largest * (1 + TOLERANCE):
        return
    levels = threat.levels and bounds.span == 1 and radius <= 255
    unit = threat.unit or "the units of the images"
    mend = f"write {radius:g}/255 for {radius:g} levels of 255" if levels else f"give it in {unit}"
    raise InputError(
        f"the {threat.name} radius {radius:g} allows more than any change of such images can be (at most {largest:g}); "
        f"{mend}, or leave it out where a search needs none"
    )


def as_labels(labels: Tensor | np.ndarray, images: Images, what: str = "labels") -> Labels:
    """Return labels as int64 beside the images.

    Raises:
        LabelError: another number of labels, or labels that are not whole numbers, such as one-hot rows.
    """
    count = len(images)
    tensor = plain_numbers(labels, LabelError, what, f"an int64 tensor ({count},)")
    if tensor.shape == (count, 1):
        raise LabelError(f"the {what} have shape {tuple(tensor.shape)}; expected ({count},): give their [:, 0]")
    if tensor.ndim == 2:
        raise LabelError(f"the {what} have shape {tuple(tensor.shape)}: one-hot rows? give their argmax(1)")
    if tensor.shape != (count,):
        seen = f"{tensor.numel()} {what} of shape {tuple(tensor.shape)}"
        raise LabelError(f"there are {seen} for {count} images; expected one per image")
    if tensor.dtype == torch.bool or tensor.is_floating_point() or tensor.is_complex():
        raise LabelError(f"the {what} are {tensor.dtype}; expected whole numbers (int64), each image's class")
    return tensor.to(torch.int64)


def check_range_of_labels(labels: Labels, classes: int, what: str = "labels", places: Labels | None = None) -> None:
    """Refuse labels that are no class of the network.

    Args:
        labels: int64, (n,).
        classes: number of the network's outputs.
        what: they are called.
        places: number of the image that each belongs to; by default its position.

    Raises:
        LabelError: with the first offender and the number of classes.
    """
    wrong = ((labels < 0) | (labels >= classes)).nonzero()[:, 0]
    if len(wrong):
        first = int(wrong[0])
        place = first if places is None else int(places[first])
        raise LabelError(
            f"{len(wrong)} of the {what} are no class of the network: image {place} has {int(labels[first])}, the "
            f"network has {classes} outputs, 0 to {classes - 1}; are they another network's, or counted from 1?"
        )


def placed(tensor: Tensor, classifier: Classifier) -> Tensor:
    """Bring a batch to the classifier's device and type, clamped so that the tolerance leaves no trace."""
    return classifier.bounds.clamp(tensor.to(classifier.device, classifier.dtype))
