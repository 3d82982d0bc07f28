"""The fast solver: its optimum where it is known, its losses, its crops."""

import math

import pytest
import torch
from affine import affine, convolutional
from torch import nn

from brittle import Classifier, InputError, Lp, ModelError
from brittle.universal_attacks.ascent import UniversalAscent
from brittle.universal_attacks.crops import cropped
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.objective import away, towards
from brittle.universal_attacks.search import UniversalProblem, find_universal


def one_sided() -> tuple[ImageSet, torch.Tensor]:
    """Images of one class of an affine network of two classes, and the direction that leaves it fastest."""
    classifier = affine(classes=2, shape=(1, 3, 4))
    images = 0.5 + 0.02 * torch.randn(30, 1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    every = ImageSet(classifier, images)
    label = int(every.clean[0])
    weight = classifier.module[1].weight.detach()
    return ImageSet(classifier, images[every.clean == label]), (weight[1 - label] - weight[label]).reshape(1, 3, 4)


@pytest.mark.parametrize("loss", ["cosine", "cross_entropy", "margin"])
@pytest.mark.parametrize("p", ["inf", 2])
def test_on_an_affine_network_it_goes_straight_away(loss, p):
    some, normal = one_sided()
    problem = UniversalProblem(some.classifier, some.shape, Lp(p, 0.3), some)
    v = find_universal(
        UniversalAscent(passes=6, batch=5, loss=loss, clip=1e9, step=0.3), problem, lambda v: float((v * normal).sum())
    ).tensor
    best = 0.3 * normal.sign() if p == "inf" else 0.3 * normal / normal.norm()
    assert float((v * normal).sum()) == pytest.approx(float((best * normal).sum()), rel=0.02)


def test_a_target_is_reached():
    classifier = convolutional()
    images = torch.rand(12, 1, 6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    some = ImageSet(classifier, images)
    target = 3
    problem = UniversalProblem(classifier, some.shape, Lp("inf", 0.6), some)
    for loss in ("margin", "cross_entropy"):
        v = find_universal(
            UniversalAscent(passes=10, batch=4, target=target, loss=loss), problem, lambda v: hits(some, v, target)
        ).tensor
        assert hits(some, v, target) > max(0.5, hits(some, torch.zeros_like(v), target))


def test_with_a_target_the_pass_that_leads_most_images_to_it_is_kept():
    classifier, target = convolutional(), 3
    images = torch.rand(20, 1, 6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    some = ImageSet(classifier, images)
    problem = UniversalProblem(classifier, some.shape, Lp("inf", 0.4), some)
    found = find_universal(UniversalAscent(passes=4, batch=5, target=target), problem)
    scores = [one["score"] for one in found.made["passes"]]
    others = some.clean != target
    reached = (some.predictions(found.tensor)[others] == target).double().mean()
    assert float(reached) == max(scores) == some.reaching_rate(found.tensor, target)
    assert {one["target"] for one in found.made["passes"]} == {target}


def test_a_target_that_all_images_have_is_refused():
    classifier = convolutional()
    images = torch.rand(20, 1, 6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    every = ImageSet(classifier, images)
    target = int(every.clean[0])
    some = ImageSet(classifier, images[every.clean == target])
    problem = UniversalProblem(classifier, some.shape, Lp("inf", 0.4), some)
    with pytest.raises(InputError, match=f"takes all {len(some)} images for class {target} already"):
        find_universal(UniversalAscent(passes=1, target=target), problem)


def hits(some: ImageSet, v: torch.Tensor, target: int) -> float:
    return float((some.predictions(v) == target).double().mean())


def test_losses_grow_as_the_class_is_left():
    clean, near, far = torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([[2.0, 1.5, 0.0]]), torch.tensor([[0.0, 4.0, 0.0]])
    for name in ("cosine", "cross_entropy", "margin"):
        loss = away(name, 100.0)
        assert float(loss(clean, clean)) < float(loss(near, clean)) < float(loss(far, clean))
        reach = towards(name, 1, 100.0)
        assert float(reach(clean, clean)) < float(reach(near, clean)) < float(reach(far, clean))
    assert float(away("cosine", 1.0)(near + 7, clean)) == pytest.approx(
        float(away("cosine", 1.0)(near, clean)), abs=1e-6
    )
    assert float(away("margin", 1.0)(far, clean)) == 1.0


def test_a_done_image_pulls_no_more():
    moved = torch.tensor([[0.0, 9.0], [1.0, 0.0]], requires_grad=True)
    away("margin", 2.0)(moved, torch.tensor([[1.0, 0.0], [1.0, 0.0]])).sum().backward()
    assert moved.grad[0].abs().sum() == 0
    assert moved.grad[1].abs().sum() > 0


def test_crops_are_views_of_the_image():
    ramp = torch.linspace(0, 1, 32).expand(6, 1, 32, 32).contiguous()
    seen = cropped(ramp, 0.5, torch.Generator().manual_seed(0))
    slopes = (seen[:, 0, :, 20] - seen[:, 0, :, 10]) / 10 * 31
    assert bool(((slopes.abs() > 0.45) & (slopes.abs() < 1.01)).all())
    assert {math.copysign(1, float(slope)) for slope in slopes[:, 0]} == {1.0, -1.0}
    assert bool((seen >= 0).all() & (seen <= 1).all())
    whole = cropped(ramp, 1.0, torch.Generator().manual_seed(0))
    assert all(
        torch.allclose(one, ramp[0], atol=1e-5) or torch.allclose(one, ramp[0].flip(2), atol=1e-5) for one in whole
    )


def test_the_crops_are_for_photographs():
    classifier = convolutional()
    images = torch.rand(12, 1, 6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    some = ImageSet(classifier, images)
    problem = UniversalProblem(classifier, some.shape, Lp(2, 0.3), some)
    by_default, without, with_crops = (
        find_universal(UniversalAscent(passes=2, crops=crops), problem).tensor for crops in (None, False, True)
    )
    assert torch.equal(by_default, without)
    assert not torch.equal(by_default, with_crops)


def test_uint8_images_are_the_same_images():
    classifier = convolutional()
    levels = torch.randint(0, 256, (9, 1, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    first, second = ImageSet(classifier, levels), ImageSet(classifier, levels.double() / 255)
    v = torch.full((1, 6, 5), 0.1, dtype=torch.float64)
    assert torch.equal(first.predictions(v), second.predictions(v))
    assert torch.allclose(first.at(torch.arange(9)), second.at(torch.arange(9)))


def test_wrong_settings_are_refused():
    for wrong in ({"passes": 0}, {"batch": 0}, {"momentum": 1.0}, {"scale": 0.0}, {"target": -1}, {"step": -0.1}):
        with pytest.raises(InputError):
            UniversalAscent(**wrong)


def test_a_network_that_passes_no_gradient_on_is_told_by_every_method():
    inner = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(12, 3))

    class Silent(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return inner(images)

    classifier = Classifier(Silent())
    some = ImageSet(classifier, torch.rand(8, 1, 4, 4))
    with pytest.raises(ModelError, match=r"needs gradients and the network gives none .*; make it on a network"):
        find_universal(UniversalAscent(passes=1), UniversalProblem(classifier, some.shape, Lp("inf", 0.1), some))


@pytest.mark.parametrize(
    ("asked", "forward"),
    [({"crops": False}, 12 + 2 * 12), ({"crops": True}, 2 * 24), ({"crops": True, "target": 2}, 2 * 12)],
)
def test_whole_images_are_asked_about_once_and_crops_each_time(asked, forward):
    classifier = convolutional()
    images = torch.rand(12, 1, 6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    some = ImageSet(classifier, images)
    problem = UniversalProblem(classifier, some.shape, Lp("inf", 0.3), some)
    last = find_universal(UniversalAscent(passes=2, **asked), problem).made["passes"][-1]
    assert [last["forward"], last["backward"]] == [forward, 24]
