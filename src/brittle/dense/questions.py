"""What `run_dense` is asked of each image's pixels, looked at before anything is attacked."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from brittle.arguments import fitted
from brittle.core.inputs import plain_numbers
from brittle.dense.goal import PixelGoal, PixelsAway, PixelsTo, needed_of
from brittle.errors import InputError, LabelError
from brittle.types import Images

Given = Tensor | np.ndarray | None


@dataclass(frozen=True)
class Question:
    """Which pixels of all images are to change, and how.

    Attributes:
        classes: (n, h, w) int64, the labels to leave or the targets to reach; None for the clean segmentations.
        targeted: whether they are targets.
        counted: (n, h, w) bool; None for all.
        share: of the counted pixels that must be wrong (or on target), above 0, at most 1.
    """

    classes: Tensor | None
    targeted: bool
    counted: Tensor | None
    share: float

    @classmethod
    def of(
        cls, images: Images, labels: Given, targets: Given, counted: Given, void: int | None, share: float
    ) -> "Question":
        """Take in what was asked; arguments and errors as of `run_dense`."""
        if labels is not None and targets is not None:
            raise InputError(
                "both labels and targets were given; expected the classes that pixels are to leave, or those that they "
                "are to reach"
            )
        share = checked_share(share)
        void = fitted("void", void, int | None)
        name, given = ("targets", targets) if targets is not None else ("labels", labels)
        if void is not None and given is None:
            raise InputError(f"void={void} was given without labels or targets that could have this value")
        classes = None if given is None else _maps(given, images, name).to(torch.int64)
        mask = None if counted is None else _mask(counted, images)
        if classes is not None and void is not None:
            inside = classes != void
            if mask is not None and mask.shape != inside.shape:
                raise InputError(
                    f"counted has shape {tuple(mask.shape)} and the {name} {tuple(inside.shape)}; expected the same"
                )
            mask = inside if mask is None else mask & inside
        return cls(classes, targets is not None, mask, share)

    def goal(self, rows: slice, clean: Tensor) -> PixelGoal:
        """Return the goal of some images, once their clean outputs (m, k, h, w) are known.

        Raises:
            LabelError: classes of another height or width than the outputs', or that the network does not have.
            InputError: a mask of another height or width, or an image of which no pixel counts.
        """
        like = clean[:, 0]
        mask = torch.ones_like(like, dtype=torch.bool)
        if self.counted is not None:
            mask = self.counted[rows].to(clean.device)
            _same_size(mask, like, "counted", InputError)
        counts = mask.flatten(1).any(1)
        if not bool(counts.all()):
            first = (rows.start or 0) + int((~counts).nonzero()[0, 0])
            raise InputError(f"no pixel of image {first} counts; expected at least one: leave such images out")
        if self.classes is None:
            classes = clean.argmax(1)
        else:
            classes = self.classes[rows].to(clean.device)
            name = "targets" if self.targeted else "labels"
            _same_size(classes, like, name, LabelError)
            self._check_range(classes, mask, clean.shape[1], name, rows.start or 0)
            classes = classes.where(mask, 0)
        kind, counted = PixelsTo if self.targeted else PixelsAway, mask.flatten(1)
        return kind(
            labels=classes.flatten(1),
            counted=counted,
            needed=needed_of(counted, self.share),
        )

    def _check_range(self, classes: Tensor, mask: Tensor, count: int, name: str, first: int) -> None:
        wrong = (((classes < 0) | (classes >= count)) & mask).nonzero()
        if len(wrong):
            row, y, x = (int(place) for place in wrong[0])
            raise LabelError(
                f"{len(wrong)} of the {name} that count are no class of the network: pixel ({y}, {x}) of image "
                f"{first + row} has {int(classes[row, y, x])}, the network has {count} classes, 0 to {count - 1}; say "
                "void=255 if this value marks pixels that do not count, or give a mask as counted="
            )


def checked_share(share: float) -> float:
    """Return a share of pixels.

    Raises:
        InputError: it is not above 0 and at most 1.

    Example:
        >>> checked_share(0.99)
        0.99
    """
    share = fitted("share", share, float)
    if not 0 < share <= 1:
        raise InputError(f"share is {share}; expected a fraction of the pixels, above 0, at most 1")
    return share


def _maps(given: Tensor | np.ndarray, images: Images, name: str) -> Tensor:
    """Return maps of classes as a tensor (n, h, w) of whole numbers."""
    tensor = plain_numbers(given, LabelError, name, "an int64 tensor (n, height, width)").detach()
    if tensor.dtype == torch.bool or tensor.is_floating_point() or tensor.is_complex():
        raise LabelError(f"the {name} are {tensor.dtype}; expected whole numbers (int64), each pixel's class")
    _check_shape(tensor, images, name, LabelError)
    return tensor


def _mask(given: Tensor | np.ndarray, images: Images) -> Tensor:
    """Return a mask as a tensor (n, h, w) of truth values."""
    tensor = plain_numbers(given, InputError, "counted pixels", "a bool tensor (n, height, width)").detach()
    if tensor.dtype != torch.bool:
        raise InputError(f"counted is {tensor.dtype}; expected truth values (bool): give counted != 0")
    _check_shape(tensor, images, "counted", InputError)
    return tensor


def _check_shape(tensor: Tensor, images: Images, name: str, error: type[InputError]) -> None:
    if tensor.ndim != 3 or len(tensor) != len(images):
        hint = "; leave out the axis of one channel" if tensor.ndim == 4 and tensor.shape[1] == 1 else ""
        raise error(
            f"{name}: shape {tuple(tensor.shape)} for {len(images)} images; expected ({len(images)}, height, width)"
            f"{hint}"
        )


def _same_size(tensor: Tensor, like: Tensor, name: str, error: type[InputError]) -> None:
    if tensor.shape != like.shape:
        raise error(
            f"{name}: height and width {tuple(tensor.shape[1:])}; expected the network's output, "
            f"{tuple(like.shape[1:])}: resize the map to it, or the output to the map inside the network"
        )
