"""Images put together anew from patches of clean images."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor

from brittle.arguments import Count, Within, check_fields
from brittle.classifiers.classifier import Classifier
from brittle.defences.defence import Masking
from brittle.defences.transformation import InputTransformation
from brittle.errors import InputError
from brittle.maths.nearest import nearest
from brittle.maths.seams import cheapest_seam
from brittle.types import Images

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
    in 75 dimensions a tree of scikit-learn or scipy looks at nearly all of it too. Those of the last images are kept,
    as an adversary who averages over draws asks again and again for the same ones.

    Args:
        patch: side of a patch.
        overlap: by which neighbours overlap; less than a patch.
        neighbours: nearest patches, of which one is drawn.
        bank: patches, taken from random places of the clean images; 20,000 by default (the paper has a million, with
            which a photograph takes 50 times as long).

    Raises:
        InputError: settings that do not fit each other; images that are smaller than a patch or have other channels
            than the bank's; no clean images.

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
    bank: Count = 20_000
    patches: Tensor | None = field(default=None, repr=False, compare=False)
    last: list[tuple[Images, Tensor]] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self):
        check_fields(self)
        if self.overlap >= self.patch:
            raise InputError(f"the overlap is {self.overlap} and the patch {self.patch}; expected a smaller overlap")
        if self.neighbours > self.bank:
            raise InputError(f"{self.neighbours} neighbours of a bank of {self.bank} patches; expected a larger bank")

    @property
    def ready(self) -> bool:
        """Whether it has a bank."""
        return self.patches is not None

    def prepare(self, classifier: Classifier, images: Images | None) -> Self:
        """Fill the bank from clean images."""
        super().prepare(classifier, images)
        if images is None:
            return self
        self._check_size(images)
        clean = (images - classifier.bounds.lower) / classifier.bounds.span
        generator = torch.Generator().manual_seed(SEED)
        which = torch.randint(len(clean), (self.bank,), generator=generator)
        rows, columns = (
            torch.randint(side - self.patch + 1, (self.bank,), generator=generator)[:, None] + torch.arange(self.patch)
            for side in clean.shape[-2:]
        )
        taken = clean.cpu()[which[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return replace(self, patches=taken.permute(0, 3, 1, 2).float().contiguous())

    def transform(self, images: Images) -> Images:
        """Return the images, put together from the bank's patches."""
        bank = self._fitting(images)
        grid = _Grid(images.shape[-2], images.shape[-1], self.patch, self.overlap)
        likely = self._nearest(images, grid, bank)
        drawn = torch.randint(self.neighbours, (len(grid.rows), len(grid.columns))).to(images.device)
        index = drawn.flatten()[None, :, None].expand(len(images), -1, 1)
        chosen = bank[likely.gather(2, index)[..., 0]].to(images.dtype)
        canvas = torch.zeros_like(images)
        for places in grid.waves():
            _lay(canvas, chosen, places, grid)
        return canvas

    def _nearest(self, images: Images, grid: "_Grid", bank: Tensor) -> Tensor:
        """The nearest patches of the bank for every patch (n, places, neighbours)."""
        for known, found in self.last:
            if torch.equal(known, images):
                return found
        pieces = grid.cut(images).flatten(2)
        found = nearest(pieces.flatten(0, 1).float(), bank.flatten(1), self.neighbours)
        found = found.unflatten(0, (len(images), pieces.shape[1]))
        self.last[:] = [(images.detach().clone(), found)]
        return found

    def _fitting(self, images: Images) -> Tensor:
        if self.patches is None:
            raise InputError(f"{self.title} has no bank of patches; call `prepare` with clean images first")
        self._check_size(images)
        if images.shape[1] != self.patches.shape[1]:
            raise InputError(
                f"the images have {images.shape[1]} channels and the bank of patches {self.patches.shape[1]}; expected "
                "clean images of the same kind"
            )
        return self.patches.to(images.device)

    def _check_size(self, images: Images) -> None:
        if min(images.shape[-2:]) < self.patch:
            raise InputError(
                f"the images have {images.shape[-2]} x {images.shape[-1]} pixels, and the patches {self.patch} x "
                f"{self.patch}; expected images of at least that size, or a smaller patch"
            )


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
