import torch

from brittle.training.augmentation import flip, shift


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_shift_moves_the_whole_image_and_fills_with_zeros():
    images = torch.zeros(200, 2, 5, 7)
    images[:, :, 2, 3] = 1
    moved = shift(images, 2, generator())
    assert moved.shape == images.shape
    assert torch.equal(moved[:, 0], moved[:, 1])
    places = {tuple(place) for place in moved[:, 0].nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in range(5) for column in range(1, 6)}
    assert torch.equal(moved.sum((2, 3)), torch.ones(200, 2))


def test_a_shift_keeps_the_order_of_images_and_channels():
    images = torch.arange(1.0, 7).reshape(3, 2, 1, 1).expand(3, 2, 9, 9)
    assert torch.equal(shift(images, 2, generator())[:, :, 4, 4], images[:, :, 4, 4])


def test_half_of_the_images_are_mirrored():
    images = torch.tensor([[0.0, 1.0]]).expand(1000, 1, 1, 2)
    first = flip(images, generator())[:, 0, 0, 0]
    assert 400 < first.sum() < 600
    assert torch.equal(flip(images, generator()).sum(3), torch.ones(1000, 1, 1))


def test_the_generator_decides():
    images = torch.rand(9, 1, 4, 4)
    assert torch.equal(shift(images, 2, generator(1)), shift(images, 2, generator(1)))
    assert not torch.equal(shift(images, 2, generator(1)), shift(images, 2, generator(2)))
