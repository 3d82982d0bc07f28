"""Random resizing and padding: sizes, places and their odds, and the way back."""

from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from brittle import Classifier
from brittle.defences.randomise import Randomise
from brittle.errors import InputError


def pattern(height: int, width: int, defence: Randomise) -> tuple[int, int, int, int]:
    """Top, left, height and width of the image within the frame, read off an image of ones."""
    seen = defence.transform(torch.ones(1, 1, height, width))[0, 0]
    rows, columns = seen.any(1).nonzero()[:, 0], seen.any(0).nonzero()[:, 0]
    assert bool(seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all())
    return int(rows[0]), int(columns[0]), len(rows), len(columns)


@pytest.mark.parametrize(("side", "frame"), [(299, 331), (224, 248), (32, 35), (28, 31)])
def test_the_frame_grows_in_proportion(side: int, frame: int):
    assert Randomise().frame(side, side) == (frame, frame)


def test_every_size_and_every_place_is_as_likely_as_published():
    torch.manual_seed(0)
    drawn = Counter(pattern(32, 32, Randomise()) for _ in range(3000))
    expected = {
        (top, left, side, side): 1 / 3 / (36 - side) ** 2
        for side in (32, 33, 34)
        for top in range(36 - side)
        for left in range(36 - side)
    }
    assert drawn.keys() == expected.keys()
    statistic = sum((drawn[key] - 3000 * odds) ** 2 / (3000 * odds) for key, odds in expected.items())
    assert statistic < 58.3  # 99.9 % of chi-square with 29 - 1 degrees of freedom is 56.9


def test_sizes_are_those_of_the_paper_at_299():
    torch.manual_seed(0)
    drawn = [pattern(299, 299, Randomise()) for _ in range(300)]
    assert {side for *_, side in drawn} == set(range(299, 331))
    assert all(top + side <= 331 and left + side <= 331 for top, left, side, _ in drawn)


def test_the_nearest_pixel_is_taken():
    images = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(3)
    seen = Randomise().transform(images)[0, 0]
    torch.manual_seed(3)
    top, left, side, _ = pattern(32, 32, Randomise())
    expected = torch.stack(
        [torch.stack([images[0, 0, i * 32 // side, j * 32 // side] for j in range(side)]) for i in range(side)]
    )
    assert torch.equal(seen[top : top + side, left : left + side], expected)


def test_the_gradient_counts_how_often_a_pixel_is_shown():
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    Randomise().transform(images).sum().backward()
    assert images.grad is not None
    assert float(images.grad.min()) == 1
    assert float(images.grad.sum()) / 6 in {32**2, 33**2, 34**2}


def test_a_frame_can_be_brought_back():
    assert Randomise(keep_size=True).transform(torch.rand(2, 3, 32, 30)).shape == (2, 3, 32, 30)


def of_one_size(side: int = 28) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(side**2, 3))


def test_a_network_of_one_size_says_what_to_do():
    images, classifier = torch.rand(2, 1, 28, 28), Classifier(of_one_size())
    with pytest.raises(InputError, match=r"31 x 31.*keep_size"):
        Randomise().protect(classifier).logits(images)
    assert Randomise(keep_size=True).protect(classifier).logits(images).shape == (2, 3)


def test_other_failures_of_a_network_stay_as_they_are():
    def fails(images: Tensor) -> Tensor:
        raise RuntimeError("the disk is full")

    with pytest.raises(Exception, match="the disk is full"):
        Randomise().protect(Classifier(fails)).logits(torch.rand(2, 1, 28, 28))


def test_an_exported_network_is_shown_the_larger_frame():
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    images = torch.rand(2, 1, 32, 32)
    program = torch.export.export(module.eval(), (images,), dynamic_shapes=({0: torch.export.Dim("n")},))
    exported = program.module(check_guards=False)  # as brittle opens it
    with pytest.raises(Exception, match="32"):
        exported(torch.rand(2, 1, 35, 35))
    found = []
    for one in (module, exported):
        torch.manual_seed(0)
        found.append(Randomise().protect(Classifier(one)).logits(images))
    torch.testing.assert_close(found[0], found[1])
    with pytest.raises(InputError, match="keep_size"):
        Randomise().protect(Classifier(program.module())).logits(images)


@pytest.mark.parametrize("growth", [0.9, 2.5])
def test_settings_out_of_range_are_refused(growth: float):
    with pytest.raises(InputError, match="growth"):
        Randomise(growth=growth)


def test_images_too_small_to_grow_are_refused():
    with pytest.raises(InputError, match="4 x 12 are too small"):
        Randomise().transform(torch.rand(1, 1, 4, 12))
    with pytest.raises(InputError, match="too small"):
        Randomise(growth=1.0).transform(torch.rand(1, 1, 32, 32))
