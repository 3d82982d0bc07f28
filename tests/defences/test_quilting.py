"""Images put together from patches: against the algorithm written patch by patch."""

import itertools

import pytest
import torch
from affine import convolutional, middle

from brittle import Classifier
from brittle.defences import quilting
from brittle.defences.quilting import Quilting, _Grid
from brittle.errors import InputError
from brittle.identity.walk import reach
from brittle.maths.nearest import nearest
from brittle.maths.seams import cheapest_seam

PLAIN = Classifier(torch.nn.Flatten())


def clean(count: int = 64, shape: tuple[int, int, int] = (1, 13, 12)) -> torch.Tensor:
    return torch.rand((count, *shape), generator=torch.Generator().manual_seed(count))


def one_by_one(defence: Quilting, image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """The published algorithm, one patch after the other in raster order."""
    side, bank = defence.patch, defence.patches
    grid = _Grid(image.shape[1], image.shape[2], side, defence.overlap)
    canvas, steps = torch.zeros_like(image), torch.arange(side)
    for at_row, row in enumerate(grid.rows):
        for at_column, column in enumerate(grid.columns):
            piece = image[:, row : row + side, column : column + side]
            order = (bank - piece).square().sum((1, 2, 3)).argsort()
            new = bank[order[drawn[at_row, at_column]]]
            old = canvas[:, row : row + side, column : column + side]
            costs, taken = (old - new).square().sum(0), torch.ones(side, side, dtype=torch.bool)
            above, left = grid.overlaps(at_row, at_column)
            if left:
                taken &= steps >= cheapest_seam(costs[:, :left])[:, None]
            if above:
                taken &= steps[:, None] >= cheapest_seam(costs[:above].T)
            canvas[:, row : row + side, column : column + side] = torch.where(taken, new, old)
    return canvas


@pytest.mark.parametrize("shape", [(1, 13, 12), (3, 14, 9), (1, 5, 5), (2, 15, 17)])
@pytest.mark.parametrize("sides", [(5, 2), (4, 3), (3, 1)])
def test_patches_laid_at_once_are_those_laid_in_raster_order(shape, sides):
    patch, overlap = sides
    defence = Quilting(patch, overlap, neighbours=4, bank=200).prepare(PLAIN, clean(64, shape))
    images = clean(2, shape)
    torch.manual_seed(3)
    found = defence.transform(images)
    torch.manual_seed(3)
    grid = _Grid(shape[1], shape[2], patch, overlap)
    drawn = torch.randint(4, (len(grid.rows), len(grid.columns)))
    for image, one in zip(images, found, strict=True):
        torch.testing.assert_close(one, one_by_one(defence, image, drawn))


def test_an_image_of_the_bank_comes_back_as_it_is():
    images = clean(64, (1, 5, 5))  # every patch of the bank is a whole image
    defence = Quilting(neighbours=1, bank=2000).prepare(PLAIN, images)
    assert torch.equal(defence.transform(images[:8]), images[:8])


def test_every_place_is_covered_and_all_ends_at_the_edge():
    for side in range(5, 30):
        rows = _Grid(side, 5, 5, 2).rows
        assert rows[0] == 0
        assert rows[-1] + 5 == side
        assert all(0 < second - first <= 3 for first, second in itertools.pairwise(rows))


def test_the_bank_is_the_same_each_time_and_in_the_units_of_0_to_1():
    wide = convolutional(scale=255.0)
    one, other = (Quilting(bank=50).prepare(wide, middle(64, (1, 8, 8), span=255.0)) for _ in range(2))
    assert torch.equal(one.patches, other.patches)
    assert float(one.patches.min()) >= 0
    assert float(one.patches.max()) <= 1


def test_what_does_not_fit_is_refused():
    defence = Quilting(bank=50).prepare(PLAIN, clean())
    with pytest.raises(InputError, match="3 channels and the bank of patches 1"):
        defence.transform(torch.rand(1, 3, 8, 8))
    with pytest.raises(InputError, match="4 x 9 pixels, and the patches 5 x 5"):
        defence.transform(torch.rand(1, 1, 4, 9))
    with pytest.raises(InputError, match="needs 64 clean training images, and there are 3"):
        Quilting().prepare(PLAIN, clean(3))
    with pytest.raises(InputError, match="none were given; name them with --defence-data"):
        Quilting().prepare(PLAIN, None)
    with pytest.raises(InputError, match="has no bank of patches"):
        Quilting().transform(clean(1))
    with pytest.raises(InputError, match="expected a smaller overlap"):
        Quilting(patch=3, overlap=3)
    with pytest.raises(InputError, match="expected a larger bank"):
        Quilting(neighbours=10, bank=5)


def test_the_same_images_are_looked_up_once_and_others_anew(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []

    def counted(points: torch.Tensor, bank: torch.Tensor, count: int) -> torch.Tensor:
        asked.append(len(points))
        return nearest(points, bank, count)

    monkeypatch.setattr(quilting, "nearest", counted)
    defence, images = Quilting(bank=50).prepare(PLAIN, clean()), clean(2)
    protected = defence.protect(PLAIN)
    one, other = protected.logits(images), protected.logits(images.clone())
    assert len(asked) == 1
    assert not torch.equal(one, other)  # drawn anew
    images[0, 0, 0, 0] += 0.5
    protected.logits(images)
    assert len(asked) == 2
    defence.protect(PLAIN).logits(images)
    assert len(asked) == 3  # the defence itself remembers nothing


def test_what_is_remembered_is_no_part_of_the_network():
    module = Quilting(bank=50).prepare(PLAIN, clean()).adaptive(PLAIN).classifier.module
    before = reach(module)
    module(clean(2))
    after = before.settled(reach(module))
    assert not after.unseen
    assert after.digest() == before.digest()
