"""The artefact: one perturbation for all images, with how it was made."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from brittle.arguments import Count, check_fields, checked, seen
from brittle.base.bounds import Bounds
from brittle.errors import InputError, RunError, quoted
from brittle.files import check_names, write_atomically
from brittle.names import stored_within
from brittle.reading import open_tensors, own_header
from brittle.remote import made_at
from brittle.runs.checkpoint import checksum
from brittle.runs.kinds import PERTURBATION_FILE
from brittle.threats import Lp, SharedThreat, parse_threat
from brittle.types import Images

FORMAT = 1
"""Version of the file's layout; a file of another version is refused."""


@dataclass(frozen=True)
class Perturbation:
    """A universal perturbation.

    Attributes:
        tensor: (c, h, w), in the units of the images: what is added; or, of a patch (c, side, side) and a frame, what
            they show.
        threat: the norm and the radius that it was made within; or `Patch` or `Frame`.
        made: how it was made, as JSON can hold it: method, network, images, seed, fooling rate after every pass.
        more: perturbations made beside it, (m, c, h, w), in the order of `made`: by other seeds, or to fool the images
            that it leaves; None for none.

    Raises:
        InputError: a tensor of another shape, or that holds NaN or infinite values.

    Example:
        >>> change = Perturbation(torch.full((1, 2, 2), 0.1), Lp("inf", 0.1))
        >>> change.apply(torch.full((3, 1, 2, 2), 0.95)).amax()
        tensor(1.)
    """

    tensor: Tensor
    threat: SharedThreat
    made: Mapping[str, object] = field(default_factory=dict[str, object])
    more: Tensor | None = None

    def __post_init__(self):
        check_fields(self)
        _check(self.tensor)
        if self.more is not None and self.more.shape[1:] != self.tensor.shape:
            raise InputError(
                f"more has the shape {tuple(self.more.shape)}; expected (m, ...) of {tuple(self.tensor.shape)}"
            )
        for other in () if self.more is None else self.more:
            _check(other)
        if not isinstance(self.threat, Lp) and self.size > float(self.threat.radius):
            raise InputError(
                f"the {self.threat.name} is {self.size:g} pixels large, more than its radius {self.threat.radius:g}"
            )

    @property
    def every(self) -> tuple["Perturbation", ...]:
        """This perturbation and those made beside it, each alone."""
        tensors = [self.tensor, *([] if self.more is None else self.more)]
        return tuple(replace(self, tensor=tensor, more=None) for tensor in tensors)

    @property
    def size(self) -> float:
        """Its size as the threat measures it."""
        return self.threat.change_size(self.tensor)

    @property
    def id(self) -> str:
        """The sha256 of tensor, norm and radius, by which a file is seen to be whole."""
        return checksum(self._within(), self._tensors())

    def _within(self) -> dict[str, object]:
        """How a file says norm and radius."""
        norm = {"p": self.threat.name[1:]} if isinstance(self.threat, Lp) else {"threat": self.threat.name}
        return {**norm, "radius": float(self.threat.radius)}

    def _tensors(self) -> dict[str, Tensor]:
        """What the file holds, by name."""
        tensors = {"perturbation": self.tensor} | ({} if self.more is None else {"more": self.more})
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}

    @checked
    def apply(self, images: Tensor, bounds: Bounds | None = None, *, seed: int = 0) -> Images:
        """Add it to images and clamp them to the bounds; a patch is put at a random place of each.

        Args:
            images: (n, c, h, w) floats; where they have another height or width, the perturbation is resampled first.
            bounds: of the images; 0..1 by default.
            seed: of the places.

        Raises:
            InputError: another number of channels.
        """
        if images.ndim != 4 or not images.is_floating_point():
            raise InputError(f"the images are {seen(images)}; expected floats (n, channels, height, width)")
        if images.shape[1] != self.tensor.shape[0]:
            raise InputError(
                f"the perturbation has {self.tensor.shape[0]} channels and the images have {images.shape[1]}; "
                "it can only be added to images of its own kind"
            )
        change = self.resampled(images.shape[2], images.shape[3]).tensor
        return self.threat.put_on(images, change.to(images), bounds or Bounds(), seed=seed)

    @checked
    def resampled(self, height: Count, width: Count) -> "Perturbation":
        """Return it for images of another size in pixels, bilinearly; `made` says that it was.

        Its largest value does not grow thereby; its 2-norm changes with the number of pixels and is not put back, so
        that the change of a pixel is as strong as before. A patch and a frame stay the same fraction of the image that
        `made` says they are for; of one that nobody made for an image the side stays.
        """
        threat, image = self.threat, cast("list[int]", self.made.get("image", list(self.tensor.shape[1:])))
        whole = threat.change_shape((self.tensor.shape[0], height, width)) == self.tensor.shape
        if tuple(image) == (height, width) or (whole and "image" not in self.made):
            return self
        if not isinstance(threat, Lp):
            threat = threat.within(float(max(1, round(float(threat.radius) * min(height, width) / min(image)))))
        sides = threat.change_shape((self.tensor.shape[0], height, width))[1:]
        shrinks = any(after < before for after, before in zip(sides, self.tensor.shape[1:], strict=True))
        every = torch.stack([one.tensor for one in self.every])
        moved = functional.interpolate(every, sides, mode="bilinear", align_corners=False, antialias=shrinks)
        made = {**self.made, "resampled_from": image, "image": [height, width]}
        return replace(self, tensor=moved[0], threat=threat, made=made, more=None if self.more is None else moved[1:])

    def _kept(self) -> "Perturbation":
        """Return it if it is no larger than its own radius; resampling may change a 2-norm.

        Raises:
            ValueError: it is larger.
        """
        resampled = "resampled_from" in self.made and not math.isinf(self.threat.exponent)
        largest = max(one.size for one in self.every)
        if not resampled and not bool(self.threat.allows(torch.tensor(largest, dtype=torch.float64))):
            raise ValueError(f"it has the size {largest:.6g}, more than its radius {self.threat.radius:.6g}")
        return self

    @checked
    def save(self, path: Path | str) -> None:
        """Write it as safetensors: the tensors `perturbation` and `more`, the rest in the header's `brittle` as JSON.

        Raises:
            InputError: an address, or what no file can be called.
            RunError: the file cannot be written.
        """
        check_names(Path(path))
        header = {
            "format": FORMAT,
            "id": self.id,
            **self._within(),
            "made": stored_within(self.made),
        }
        write_atomically(Path(path), save(self._tensors(), {"brittle": json.dumps(header, sort_keys=True)}))

    @classmethod
    @checked
    def load(cls, path: Path | str) -> "Perturbation":
        """Read what `save` wrote.

        Args:
            path: the file, or the folder of `brittle universal`; or its address.

        Raises:
            RunError: there is no such file, it is none of `save`, it is larger than its own radius, or the folder is of
                something else, not finished or damaged.
            OverLimit: it would take more than the limits allow.
        """
        with made_at(path) as there:
            return cls._read(there)

    @classmethod
    def _read(cls, path: Path) -> "Perturbation":
        if path.is_dir():
            from brittle.runs.results import UniversalFolder  # manifests take longer to import than all the rest

            path = UniversalFolder.open(path).file(PERTURBATION_FILE)
        try:
            with open_tensors(path) as file:
                header = own_header(file, path)
                tensor = file.get_tensor("perturbation")
                more = file.get_tensor("more") if "more" in file.keys() else None  # noqa: SIM118  # it is no mapping
            if not isinstance(header, dict) or header["format"] != FORMAT:
                raise ValueError(f"its header is of another format than {FORMAT}, which this version reads")
            found = cls(tensor, _threat_of(header), header["made"], more)._kept()
            if header["id"] != found.id:
                raise ValueError("its id is not that of its content: it was damaged")
            return found
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{str(path)!r} is no perturbation of brittle ({quoted(error)}); expected what `brittle universal` left"
            ) from error


def _check(tensor: Tensor) -> None:
    """Refuse what is no perturbation (c, h, w).

    Raises:
        InputError: another shape or type, or NaN or infinite values.
    """
    if tensor.ndim != 3:
        raise InputError(f"the perturbation has shape {tuple(tensor.shape)}; expected (channels, h, w)")
    if not tensor.is_floating_point() or tensor.is_meta or 0 in tensor.shape:
        raise InputError(f"the perturbation is {seen(tensor)}; expected floats (channels, h, w)")
    if not bool(torch.isfinite(tensor).all()):
        raise InputError("the perturbation holds NaN or infinite values")


def _threat_of(header: Mapping[str, Any]) -> SharedThreat:
    """Return the threat that a file's header tells.

    Raises:
        ValueError: it is none that one change for all images can be made within.
    """
    if "p" in header:
        return Lp(header["p"], header["radius"])
    threat = parse_threat(header["threat"], header["radius"])
    if not isinstance(threat, SharedThreat):
        raise ValueError(f"its threat is {threat.name}, of which no change is shared by images")
    return threat
