import pytest
import torch

from brittle.physical.photograph import Photograph

PICTURES = (
    torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)).repeat_interleave(4, 2).repeat_interleave(4, 3)
)


def test_changes_more_with_more_strength():
    changes = [
        float((Photograph(strength=strength)(PICTURES) - PICTURES).abs().mean()) for strength in (0.25, 0.5, 1, 2, 4)
    ]
    assert changes == sorted(changes)
    assert changes[0] > 0.001


def test_each_image_is_photographed_in_another_way():
    same = PICTURES[:1].expand(3, -1, -1, -1)
    found = Photograph()(same)
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[1], found[2])


@pytest.mark.parametrize("strength", [0.01, 5])
def test_parts_stay_within_what_they_allow(strength):
    extreme = Photograph(
        strength, perspective=0.3, sharpness=4, blur=20, gain=1, offset=1, vignetting=1, noise=1, quality=1
    )
    assert len(extreme.links()) == 7


def test_the_way_back_passes_the_file_by():
    leaf = PICTURES[:1].clone().requires_grad_()
    out = Photograph(quality=1, noise=0)(leaf)
    gradient = torch.autograd.grad(out.sum(), leaf)[0]
    assert 0.5 < float(gradient.mean()) < 1.2  # about what goes in comes out
