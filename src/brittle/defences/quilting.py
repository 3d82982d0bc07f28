"""Images put together anew from patches of clean images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor

from brittle.arguments import Count, Within, check_fields
from brittle.classifiers.classifier import Classifier
from brittle.defences.defence import Masking
from brittle.defences.patches import load_patches, save_patches
from brittle.defences.transformation import InputTransformation
from brittle.errors import InputError
from brittle.identity.parts import Memory
from brittle.maths.nearest import nearest
from brittle.maths.seams import cheapest_seam
from brittle.types import Images

BANK = 20_000
"""Patches of a bank."""
SEED = 0
"""Of the places that the patches of the bank are taken from."""


@dataclass(frozen=True)
class Quilting(InputTransformation):
    """Image quilting: every patch becomes one of the most similar patches of clean training images.

    Guo, Rana, Cissé & van der Maaten, ICLR 2018, section 4 (arXiv:1711.00117), after Efros & Freeman, SIGGRAPH 2001:
    patches of 5 x 5 that overlap by 2 are laid in raster order, each drawn from the 10 nearest ones of a bank, and cut
    along the cheapest seam through the overlap. Broken through the identity in its place, averaged over the draws
    (Athalye, Carlini & Wagner, ICML 2018, section 5).

    Which of the nearest is taken is drawn once a pass for every place, for all images alike. Patches that do not touch
    are laid at the same time, which changes nothing. The nearest are found by a matrix product over the whole bank:
    in 75 dimensions a tree of scikit-learn or scipy looks at nearly all of it too. A protected network keeps those of
    the last images, as an adversary who averages over draws asks again and again for the same ones.

    Args:
        patch: side of a patch.
        overlap: by which neighbours overlap; less than a patch.
        neighbours: nearest patches, of which one is drawn.
        bank: patches, taken from random places of the clean images; 20,000 by default (the paper has a million, with
            which a photograph takes 50 times as long).
        file: a bank that `save` wrote; then no clean images are needed, and `bank` is the number of its patches.

    Raises:
        InputError: settings that do not fit each other; images that are smaller than a patch or have other channels
            than the bank's; no clean images; a file that is no bank, or of patches of another size or number.

    Example:
        >>> clean = torch.rand(64, 1, 12, 12)
        >>> defence = Quilting(bank=500).prepare(Classifier(torch.nn.Flatten()), clean)
        >>> defence.transform(clean[:2]).shape
        torch.Size([2, 1, 12, 12])
    """

    title: ClassVar[str] = "Image quilting"
    masking: ClassVar[Masking] = Masking.SHATTERED
    images_needed: ClassVar[int] = 64
    draws: ClassVar[int] = 10

    patch: Annotated[int, Within(2)] = 5
    overlap: Annotated[int, Within(1)] = 2
    neighbours: Count = 10
    bank: Count = BANK
    file: str = ""
    patches: Tensor | None = field(default=None, repr=False, compare=False)

    def __post_init__(self):
        check_fields(self)
        if self.overlap >= self.patch:
            raise InputError(f"the overlap is {self.overlap} and the patch {self.patch}; expected a smaller overlap")
        if self.file:
            self._take(load_patches(self.file))
        if self.neighbours > self.bank:
            raise InputError(f"{self.neighbours} neighbours of a bank of {self.bank} patches; expected a larger bank")

    def _take(self, patches: Tensor) -> None:
        """Take the patches of a file for the bank."""
        count, side = len(patches), patches.shape[-1]
        if side != self.patch:
            raise InputError(
                f"{self.file!r} holds patches of {side} x {side}, and the defence lays patches of {self.patch} x "
                f"{self.patch}; give patch={side}, or another file"
            )
        if self.bank not in (BANK, count):
            raise InputError(f"{self.file!r} holds {count} patches, and bank is {self.bank}; leave one of them out")
        for name, value in (("patches", patches), ("bank", count), ("images_needed", 0)):
            object.__setattr__(self, name, value)

    @property
    def ready(self) -> bool:
        """Whether it has a bank."""
        return self.patches is not None

    def prepare(self, classifier: Classifier, images: Images | None) -> Self:
        """Fill the bank from clean images; one from a file stays as it is."""
        super().prepare(classifier, images)
        if images is None or self.file:
            return self
        self._check_size(*images.shape[-2:])
        clean = (images - classifier.bounds.lower) / classifier.bounds.span
        generator = torch.Generator().manual_seed(SEED)
        which = torch.randint(len(clean), (self.bank,), generator=generator)
        rows, columns = (
            torch.randint(side - self.patch + 1, (self.bank,), generator=generator)[:, None] + torch.arange(self.patch)
            for side in clean.shape[-2:]
        )
        taken = clean.cpu()[which[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return replace(self, patches=taken.permute(0, 3, 1, 2).float().contiguous())

    def save(self, path: Path | str) -> None:
        """Write the bank into a file, to be given as `file` again.

        Raises:
            InputError: there is no bank yet.
            RunError: the file cannot be written.

        Example:
            >>> import tempfile
            >>> clean, place = torch.rand(64, 1, 12, 12), Path(tempfile.mkdtemp()) / "bank.safetensors"
            >>> Quilting(bank=500).prepare(Classifier(torch.nn.Flatten()), clean).save(place)
            >>> Quilting(file=str(place)).transform(clean[:2]).shape
            torch.Size([2, 1, 12, 12])
        """
        save_patches(Path(path), self._filled())

    def image_shape(self, shape: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        """Return the shape, which stays as it is; refuse one that the patches do not fit."""
        if shape is not None:
            self._check_size(*shape[1:])
            self._check_channels(shape[0])
        return shape

    def stage(self) -> Callable[[Images], Images]:
        """Return `transform`, with a memory of what it found for the last images."""
        return _Remembering(self)

    def transform(self, images: Images) -> Images:
        """Return the images, put together from the bank's patches."""
        return self.laid(images, self.nearest(images))

    def nearest(self, images: Images) -> Tensor:
        """Return which patches of the bank are nearest to those of the images, (n, places, neighbours)."""
        self._check_size(*images.shape[-2:])
        self._check_channels(images.shape[1])
        pieces = self._grid(images).cut(images).flatten(2)
        bank = self._filled().to(images.device).flatten(1)
        return nearest(pieces.flatten(0, 1).float(), bank, self.neighbours).unflatten(0, pieces.shape[:2])

    def laid(self, images: Images, likely: Tensor) -> Images:
        """Return images put together, at every place of one of the patches that are likely there (`nearest`)."""
        bank, grid = self._filled().to(images.device), self._grid(images)
        drawn = torch.randint(self.neighbours, (len(grid.rows), len(grid.columns))).to(images.device)
        index = drawn.flatten()[None, :, None].expand(len(images), -1, 1)
        chosen = bank[likely.gather(2, index)[..., 0]].to(images.dtype)
        canvas = torch.zeros_like(images)
        for places in grid.waves():
            _lay(canvas, chosen, places, grid)
        return canvas

    def _grid(self, images: Images) -> "_Grid":
        return _Grid(images.shape[-2], images.shape[-1], self.patch, self.overlap)

    def _filled(self) -> Tensor:
        if self.patches is None:
            raise InputError(f"{self.title} has no bank of patches; call `prepare` with clean images first")
        return self.patches

    def _check_channels(self, channels: int) -> None:
        if self.patches is not None and channels != self.patches.shape[1]:
            raise InputError(
                f"the images have {channels} channels and the bank of patches {self.patches.shape[1]}; expected "
                "clean images of the same kind"
            )

    def _check_size(self, height: int, width: int) -> None:
        if min(height, width) < self.patch:
            raise InputError(
                f"the images have {height} x {width} pixels, and the patches {self.patch} x "
                f"{self.patch}; expected images of at least that size, or a smaller patch"
            )


class _Remembering:
    """Quilting of a protected network: the nearest patches of the last images are sought once."""

    def __init__(self, defence: Quilting):
        self.defence = defence
        self.last: Memory[tuple[Images, Tensor]] = Memory()

    def __call__(self, images: Images) -> Images:
        kept = self.last.value
        if kept is None or not _same(kept[0], images):
            kept = images.detach().clone(), self.defence.nearest(images)
            self.last.value = kept
        return self.defence.laid(images, kept[1])


def _same(one: Tensor, other: Tensor) -> bool:
    return (one.dtype, one.device) == (other.dtype, other.device) and torch.equal(one, other)


@dataclass(frozen=True)
class _Grid:
    """The places of the patches; the last ones of a row and a column end at the image's edge."""

    height: int
    width: int
    patch: int
    overlap: int

    @cached_property
    def rows(self) -> list[int]:
        return self._starts(self.height)

    @cached_property
    def columns(self) -> list[int]:
        return self._starts(self.width)

    def _starts(self, side: int) -> list[int]:
        starts = list(range(0, side - self.patch + 1, self.patch - self.overlap))
        return starts if starts[-1] + self.patch == side else [*starts, side - self.patch]

    def cut(self, images: Images) -> Tensor:
        """All patches of images, (n, places, c, patch, patch) in raster order."""
        tall = images.unfold(2, self.patch, 1)[:, :, self.rows]
        wide = tall.unfold(3, self.patch, 1)[:, :, :, self.columns]
        return wide.permute(0, 2, 3, 1, 4, 5).flatten(1, 2)

    def waves(self) -> Iterator[list[tuple[int, int]]]:
        """Yield places whose patches touch no other one of the same wave, and only patches of earlier ones."""
        reach = -(-self.patch // (self.patch - self.overlap)) + 1  # columns that a patch may touch, the last one too
        for wave in range(reach * (len(self.rows) - 1) + len(self.columns)):
            places = [(row, wave - reach * row) for row in range(len(self.rows))]
            yield from _alike([one for one in places if 0 <= one[1] < len(self.columns)], self)

    def overlaps(self, row: int, column: int) -> tuple[int, int]:
        """By how many rows and columns a patch lies on earlier ones."""
        return self._overlap(self.rows, row), self._overlap(self.columns, column)

    def _overlap(self, starts: list[int], at: int) -> int:
        return starts[at - 1] + self.patch - starts[at] if at else 0


def _alike(places: list[tuple[int, int]], grid: _Grid) -> Iterator[list[tuple[int, int]]]:
    """Group places by how far they overlap earlier ones."""
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for place in places:
        groups.setdefault(grid.overlaps(*place), []).append(place)
    yield from groups.values()


def _lay(canvas: Tensor, chosen: Tensor, places: list[tuple[int, int]], grid: _Grid) -> None:
    """Lay the patches of some places on the canvas (n, c, h, w), cut along the cheapest seams."""
    above, left = grid.overlaps(*places[0])
    steps = torch.arange(grid.patch)
    rows = torch.tensor([grid.rows[row] for row, _ in places])[:, None, None] + steps[:, None]
    columns = torch.tensor([grid.columns[column] for _, column in places])[:, None, None] + steps
    under = canvas[:, :, rows, columns]  # (n, c, places, patch, patch)
    over = chosen[:, [row * len(grid.columns) + column for row, column in places]].transpose(1, 2)
    costs = (under - over).square().sum(1)
    steps = steps.to(canvas.device)
    beside, below = costs[..., :left], costs[..., :above, :].transpose(-1, -2)
    if left == above != 0:  # nearly everywhere
        beside, below = cheapest_seam(torch.stack([beside, below]))
    else:
        beside, below = (
            cheapest_seam(one) if one.shape[-1] else one.new_zeros(one.shape[:-1]) for one in (beside, below)
        )
    taken = (steps >= beside[..., None]) & (steps[:, None] >= below[..., None, :])
    canvas[:, :, rows, columns] = torch.where(taken[:, None], over, under)
