import pytest
import torch
from torch import nn

from brittle.maths.geometry import rigid, warp
from brittle.maths.resampling import perspectives, tents, there_and_back


@pytest.mark.parametrize(("before", "after"), [(12, 5), (5, 12), (9, 9), (7, 1)])
def test_tents_resample_as_torch_does(before, after):
    line = torch.rand(before, generator=torch.Generator().manual_seed(0))
    scale = before / after
    places = (torch.arange(after) + 0.5) * scale - 0.5
    found = tents(places[None], before, max(scale, 1.0))[0] @ line
    expected = nn.functional.interpolate(line[None, None, None], (1, after), mode="bilinear", antialias=True)
    if scale > 1:
        torch.testing.assert_close(found, expected.flatten())
    else:  # beyond the border torch goes on with the outermost pixel, as a place at the border does here
        torch.testing.assert_close(found, expected.flatten(), atol=1e-5, rtol=1e-4)


def test_nothing_is_lost_on_the_way_there_and_back_without_a_change():
    assert torch.equal(there_and_back(7, torch.ones(2), torch.zeros(2)), torch.eye(7).expand(2, 7, 7))


def test_a_shift_of_half_a_pixel_blurs():
    (found,) = there_and_back(9, torch.ones(1), torch.tensor([0.5]))
    torch.testing.assert_close(found[4, 3:6], torch.tensor([0.25, 0.5, 0.25]))


def test_corners_show_what_they_are_told_to():
    corners = torch.tensor([[[0.1, 0.2], [0.05, -0.1], [-0.2, -0.1], [0.0, 0.15]]])
    field = perspectives(corners, 21, 11)[0]
    found = field[:, [0, 0, 20, 20], [0, 10, 10, 0]].T
    torch.testing.assert_close(found, corners[0] * torch.tensor([20.0, 10.0]))


def test_straight_lines_stay_straight():
    corners = torch.tensor([[[0.1, 0.2], [0.05, -0.1], [-0.2, -0.1], [0.0, 0.15]]], dtype=torch.float64)
    field = perspectives(corners, 21, 21)[0]
    places = field + torch.stack(torch.meshgrid(torch.arange(21.0), torch.arange(21.0), indexing="ij"))
    line = places[:, torch.arange(21), torch.arange(21)].T  # the diagonal
    steps = line - line[0]
    torch.testing.assert_close(steps[:, 0] * steps[-1, 1], steps[:, 1] * steps[-1, 0])


def test_a_turned_square_is_a_turn():
    angle = torch.tensor([10.0])
    field = rigid(angle, torch.zeros(1, 2), 15, 15)
    corners = field[0, :, [0, 0, 14, 14], [0, 14, 14, 0]].T[None] / 14
    torch.testing.assert_close(perspectives(corners, 15, 15), field, atol=1e-4, rtol=1e-4)
    images = torch.rand(1, 1, 15, 15, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(warp(images, perspectives(corners, 15, 15)), warp(images, field), atol=1e-3, rtol=0)
