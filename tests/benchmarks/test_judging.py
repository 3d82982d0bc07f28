import math

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.judge import judge


class Brightness(nn.Module):
    """Class 1 where the image is brighter than a half."""

    def forward(self, images):
        mean = images.flatten(1).mean(1, keepdim=True)
        return torch.cat([0.5 - mean, mean - 0.5], 1)


@pytest.fixture
def images():
    return torch.tensor([0.4, 0.4, 0.6])[:, None, None, None].expand(3, 1, 2, 2).clone()


LABELS = torch.tensor([0, 0, 0])


def test_success_is_right_before_and_wrong_after(images):
    verdict = judge(Brightness(), images, LABELS, torch.full_like(images, 0.7), math.inf, 1.0)
    assert verdict.right.tolist() == [True, True, False]
    assert verdict.success.tolist() == [True, True, False]
    assert np.allclose(verdict.size[:2], 0.3)
    assert verdict.size[2] == math.inf


def test_doing_nothing_is_no_success(images):
    assert not judge(Brightness(), images, LABELS, images, math.inf, 1.0).success.any()


def test_leaving_the_radius_or_the_box_is_no_success(images):
    far, outside = images.clone(), images.clone()
    far[0] = 0.7
    outside[1] = 1.1
    assert not judge(Brightness(), images, LABELS, far, math.inf, 0.2).success.any()
    assert not judge(Brightness(), images, LABELS, outside, math.inf, 1.0).success.any()


def test_a_failure_is_infinitely_large_in_the_median(images):
    moved = images.clone()
    moved[0] = 0.7
    verdict = judge(Brightness(), images, LABELS, moved, 2, math.inf)
    assert verdict.median() == math.inf
    assert verdict.median(1) == pytest.approx(0.6)


def test_another_number_of_images_is_refused(images):
    with pytest.raises(ValueError, match="returned shape"):
        judge(Brightness(), images, LABELS, images[:2], 2, math.inf)
