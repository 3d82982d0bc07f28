"""The baselines: random noise and random directions."""

import pytest
import torch
from affine import affine, convolutional, distance, middle
from torch import nn

from brittle import Classifier, Lp, RandomDirection, RandomNoise, run


def test_noise_stops_at_the_first_success_of_each_image():
    images, threat = middle(20), Lp("inf", 0.2)
    result = run(RandomNoise(draws=30), convolutional(), images, threat=threat)
    assert result.success.any()
    assert (result.forward == result.iterations + 2).all()
    assert (result.backward == 0).all()
    assert (result.iterations[~result.success] == 30).all()
    assert (result.iterations[result.success] < 30).any()


def test_noise_finds_next_to_nothing_where_fgsm_breaks_all():
    from brittle import FGSM

    classifier, images = affine(shape=(1, 16, 16)), middle(20, (1, 16, 16))
    radius = 1.5 * distance(classifier, images, classifier.logits(images).argmax(1), 1)
    threat = Lp("inf", radius)
    assert run(FGSM(loss="margin"), classifier, images, threat=threat).success.all()
    assert run(RandomNoise(20), classifier, images, threat=threat).success.double().mean() < 0.3


@pytest.mark.parametrize("p", [1, 2, "inf"])
def test_a_random_direction_ends_at_the_boundary(p):
    """In one dimension there is one direction; the boundary is at 0.7."""
    layer = nn.Linear(1, 2).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0], [1.0]]))
        layer.bias.copy_(torch.tensor([0.0, -0.7]))
    image = torch.full((1, 1, 1, 1), 0.4, dtype=torch.float64)
    result = run(
        RandomDirection(directions=8, bisections=14),
        Classifier(nn.Sequential(nn.Flatten(), layer)),
        image,
        threat=Lp(p),
    )
    assert result.success
    assert result.size == pytest.approx(0.3, rel=1e-4)


def test_more_directions_are_never_worse_and_stay_above_the_distance():
    classifier, images = affine(), middle(10)
    few, many = (run(RandomDirection(n), classifier, images, threat=Lp(2)) for n in (2, 10))
    assert (many.size <= few.size).all()
    assert (many.size < few.size).any()
    assert (many.size >= distance(classifier, images, classifier.logits(images).argmax(1), 2)).all()


def test_random_direction_takes_as_many_looks_as_it_says():
    result = run(RandomDirection(directions=1, doublings=4, bisections=6), convolutional(), middle(), threat=Lp(2))
    assert result.success.any()
    assert (result.iterations[~result.success] == 5).all()
    assert (result.iterations[result.success] == 11).all()
