"""What `run_dense` is asked of each image's pixels, looked at before anything is attacked."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from brittle.arguments import fitted
from brittle.core.inputs import plain_numbers
from brittle.dense.depth_goal import DepthsAway, DepthsTo
from brittle.dense.goal import PixelGoal, PixelsAway, PixelsTo, needed_of
from brittle.errors import InputError, LabelError
from brittle.metrics.depth import THRESHOLD, checked_ratio
from brittle.types import Images

Given = Tensor | np.ndarray | None


@dataclass(frozen=True)
class Asked:
    """What `run_dense` was given, as it describes each."""

    labels: Given
    targets: Given
    counted: Given
    void: int | None
    share: float
    ratio: float | None


@dataclass(frozen=True)
class Question(ABC):
    """Which pixels of all images are to change, and how.

    Attributes:
        given: (n, h, w), the labels to leave or the targets to reach; None for what the clean images are answered with.
        targeted: whether they are targets.
        counted: (n, h, w) bool; None for all.
        share: of the counted pixels that must be wrong (or on target), above 0, at most 1.
    """

    given: Tensor | None
    targeted: bool
    counted: Tensor | None
    share: float

    @property
    def name(self) -> str:
        """What the maps given are called."""
        return "targets" if self.targeted else "labels"

    def goal(self, rows: slice, clean: Tensor) -> PixelGoal:
        """Return the goal of some images, once their clean outputs (m, k, h, w) are known.

        Raises:
            LabelError: maps of another height or width than the outputs', or with what the network cannot say.
            InputError: a mask of another height or width, or an image of which no pixel counts.
        """
        like = clean[:, 0]
        mask = torch.ones_like(like, dtype=torch.bool)
        if self.counted is not None:
            mask = self.counted[rows].to(clean.device)
            _same_size(mask, like, "counted", InputError)
        given = None
        if self.given is not None:
            given = self.given[rows].to(clean.device)
            _same_size(given, like, self.name, LabelError)
        maps, mask = self.read(given, clean, mask, rows.start or 0)
        counts = mask.flatten(1).any(1)
        if not bool(counts.all()):
            first = (rows.start or 0) + int((~counts).nonzero()[0, 0])
            raise InputError(f"no pixel of image {first} counts; expected at least one: leave such images out")
        return self.goal_of(maps.flatten(1), mask.flatten(1))

    @abstractmethod
    def read(self, given: Tensor | None, clean: Tensor, mask: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Return what pixels are to leave or to reach, and which count, both (m, h, w).

        Args:
            given: maps of these images, as large as the outputs; None for what the clean images are answered with.
            clean: their outputs (m, k, h, w).
            mask: which pixels count so far.
            first: number of the first image.
        """

    @abstractmethod
    def goal_of(self, maps: Tensor, counted: Tensor) -> PixelGoal:
        """Return the goal for such maps of the pixels that count, both (m, p)."""


@dataclass(frozen=True)
class ClassQuestion(Question):
    """Of classes of pixels."""

    @classmethod
    def of(cls, images: Images, asked: Asked) -> "ClassQuestion":
        """Take in what was asked; arguments and errors as of `run_dense`."""
        name, given = chosen(asked)
        share, void = checked_share(asked.share), fitted("void", asked.void, int | None)
        if asked.ratio is not None:
            raise InputError(f"ratio={asked.ratio} was given, by which depths are compared; say task='depth' too")
        if void is not None and given is None:
            raise InputError(f"void={void} was given without labels or targets that could have this value")
        classes = None if given is None else _classes(given, images, name).to(torch.int64)
        mask = mask_of(asked.counted, images)
        if classes is not None and void is not None:
            inside = classes != void
            if mask is not None and mask.shape != inside.shape:
                raise InputError(
                    f"counted has shape {tuple(mask.shape)} and the {name} {tuple(inside.shape)}; expected the same"
                )
            mask = inside if mask is None else mask & inside
        return cls(classes, name == "targets", mask, share)

    def read(self, given: Tensor | None, clean: Tensor, mask: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Return classes, and the mask as it is.

        Raises:
            LabelError: classes that the network does not have.
        """
        if given is None:
            return clean.argmax(1), mask
        count = clean.shape[1]
        wrong = (((given < 0) | (given >= count)) & mask).nonzero()
        if len(wrong):
            row, y, x = (int(place) for place in wrong[0])
            raise LabelError(
                f"{len(wrong)} of the {self.name} that count are no class of the network: pixel ({y}, {x}) of image "
                f"{first + row} has {int(given[row, y, x])}, the network has {count} classes, 0 to {count - 1}; say "
                "void=255 if this value marks pixels that do not count, or give a mask as counted="
            )
        return given.where(mask, 0), mask

    def goal_of(self, maps: Tensor, counted: Tensor) -> PixelGoal:
        """Return the goal of leaving, or reaching, classes."""
        kind = PixelsTo if self.targeted else PixelsAway
        return kind(labels=maps, counted=counted, needed=needed_of(counted, self.share))


@dataclass(frozen=True)
class DepthQuestion(Question):
    """Of depths of pixels; those that have none, in the map that is compared with, do not count.

    Attributes:
        ratio: from which a depth is wrong.
    """

    ratio: float

    @classmethod
    def of(cls, images: Images, asked: Asked) -> "DepthQuestion":
        """Take in what was asked; arguments and errors as of `run_dense`."""
        name, given = chosen(asked)
        share, ratio = checked_share(asked.share), checked_ratio(THRESHOLD if asked.ratio is None else asked.ratio)
        if asked.void is not None:
            raise InputError(
                f"void={asked.void} was given, which marks classes; depths that are not finite or not above 0 never "
                "count: leave it out, or give a mask as counted="
            )
        depths = None if given is None else _depths(given, images, name)
        return cls(depths, name == "targets", mask_of(asked.counted, images), share, ratio)

    def read(self, given: Tensor | None, clean: Tensor, mask: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Return depths, 1 where there is none, and which pixels have one and count."""
        depths = clean[:, 0] if given is None else given.to(clean.dtype)
        mask = mask & torch.isfinite(depths) & (depths > 0)
        return depths.where(mask, 1.0), mask

    def goal_of(self, maps: Tensor, counted: Tensor) -> PixelGoal:
        """Return the goal of leaving, or reaching, depths."""
        kind = DepthsTo if self.targeted else DepthsAway
        return kind(labels=maps, counted=counted, needed=needed_of(counted, self.share), ratio=self.ratio)


def chosen(asked: Asked) -> tuple[str, Given]:
    """Return which maps were given, by their name, and the maps; "labels" and None for none.

    Raises:
        InputError: both labels and targets.
    """
    if asked.labels is not None and asked.targets is not None:
        raise InputError(
            "both labels and targets were given; expected what pixels are to leave, or what they are to reach"
        )
    return ("labels", asked.labels) if asked.targets is None else ("targets", asked.targets)


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


def _classes(given: Tensor | np.ndarray, images: Images, name: str) -> Tensor:
    """Return maps of classes as a tensor (n, h, w) of whole numbers."""
    tensor = plain_numbers(given, LabelError, name, "an int64 tensor (n, height, width)").detach()
    if tensor.dtype == torch.bool or tensor.is_floating_point() or tensor.is_complex():
        mend = "; for depths say task='depth'" if tensor.is_floating_point() else ""
        raise LabelError(f"the {name} are {tensor.dtype}; expected whole numbers (int64), each pixel's class{mend}")
    _check_shape(tensor, images, name, LabelError)
    return tensor


def _depths(given: Tensor | np.ndarray, images: Images, name: str) -> Tensor:
    """Return maps of depths as a tensor (n, h, w) of floats."""
    tensor = plain_numbers(given, LabelError, name, "a tensor of floats (n, height, width)").detach()
    if not tensor.is_floating_point():
        raise LabelError(
            f"the {name} are {tensor.dtype}; expected floats, each pixel's depth in the network's unit; for classes "
            "say task='segmentation'"
        )
    _check_shape(tensor, images, name, LabelError)
    return tensor


def mask_of(given: Given, images: Images) -> Tensor | None:
    """Return a mask as a tensor (n, h, w) of truth values; None for none."""
    if given is None:
        return None
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
