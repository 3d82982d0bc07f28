import pytest
import torch
from scipy import ndimage
from torch import nn

from brittle.maths.filters import along_both, beyond, filtered, gaussians, padded

SCIPY = {"nearest": "nearest", "mirror": "mirror", "reflect": "reflect"}


@pytest.mark.parametrize("border", SCIPY)
def test_borders_are_those_of_scipy(border):
    for size in (1, 2, 5):
        line = torch.arange(float(size))
        expected = ndimage.correlate1d(line.numpy(), [1.0, 0, 0, 0, 0, 0, 0, 0, 0], mode=SCIPY[border])
        assert line[beyond(size, 4, 0, border)][:size].tolist() == expected.tolist()


@pytest.mark.parametrize("border", SCIPY)
@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_gaussian_matrices_blur_as_scipy_does(border, sigma):
    images = torch.rand(2, 3, 13, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sigmas = torch.tensor([sigma, 0.0], dtype=torch.float64)
    found = along_both(images, *(gaussians(size, sigmas, border) for size in (13, 11)))
    expected = ndimage.gaussian_filter(images[0].numpy(), sigma, axes=(1, 2), mode=SCIPY[border])
    torch.testing.assert_close(found[0], torch.from_numpy(expected))
    assert torch.equal(found[1], images[1])


@pytest.mark.parametrize("border", SCIPY)
def test_filtering_is_correlating(border):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 13, 11, generator=generator, dtype=torch.float64)
    kernels = torch.rand(2, 5, 7, generator=generator, dtype=torch.float64)
    found = filtered(images, kernels, border)
    for number in range(2):
        expected = ndimage.correlate(images[number].numpy(), kernels[number, None].numpy(), mode=SCIPY[border])
        torch.testing.assert_close(found[number], torch.from_numpy(expected))


def test_a_margin_may_be_wider_than_the_image():
    narrow = torch.arange(3.0).reshape(1, 1, 1, 3)
    assert padded(narrow, (0, 5), "mirror").flatten().tolist() == [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]


def test_a_matrix_may_change_the_size():
    images = torch.rand(2, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    halves = [torch.eye(size // 2).repeat_interleave(2, 1)[None] / 2 for size in (4, 6)]
    torch.testing.assert_close(along_both(images, *halves), nn.functional.avg_pool2d(images, 2))
    assert along_both(images[:0], *halves).shape == (0, 1, 2, 3)
