"""Total-variation minimisation as a defence."""

import pytest
import torch

from brittle.defences.total_variation import TotalVariation
from brittle.errors import InputError


def test_a_random_half_of_the_values_is_dropped_anew_in_every_pass():
    images = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    defence = TotalVariation(weight=0.0)
    torch.manual_seed(0)
    first, second = defence.transform(images), defence.transform(images)
    for found in (first, second):
        assert 0.4 < float((found == images).double().mean()) < 0.6
    assert not torch.equal(first, second)


def test_all_kept_without_weight_is_the_image():
    images = torch.rand(2, 1, 6, 7)
    assert torch.equal(TotalVariation(keep=1.0, weight=0.0).transform(images), images)


@pytest.mark.parametrize("wrong", [{"keep": 1.5}, {"keep": -0.1}, {"weight": -1.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError):
        TotalVariation(**wrong)
