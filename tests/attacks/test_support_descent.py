"""Support descent: the fewest entries of affine networks by counting, pixels, and what may change."""

import itertools

import pytest
import torch
from affine import affine, convolutional, middle
from torch import nn

from brittle import Classifier, InputError, Lp, Pixels, SupportDescent, Targeted, run


def fewest(classifier, images):
    """By trying all sets of entries of an affine classifier, each moved to the better end of the box."""
    weight, bias = (tensor.detach() for tensor in (classifier.module[1].weight, classifier.module[1].bias))
    flat = images.flatten(1)
    labels = (flat @ weight.T + bias).argmax(1)
    counts = []
    for x, label in zip(flat, labels, strict=True):
        slopes = weight - weight[label]
        gaps = slopes @ x + bias - bias[label]
        gains = torch.where(slopes > 0, slopes * (1 - x), -slopes * x)
        counts.append(
            next(
                size
                for size in range(1, len(x) + 1)
                if any(
                    (gaps + gains[:, list(chosen)].sum(1))[torch.arange(len(gaps)) != label].max() > 0
                    for chosen in itertools.combinations(range(len(x)), size)
                )
            )
        )
    return torch.tensor(counts, dtype=images.dtype)


def test_the_fewest_entries_of_affine_networks_are_found():
    classifier, images = affine(seed=3), middle()
    with torch.no_grad():
        classifier.module[1].bias[0] += 4
    least = fewest(classifier, images)
    assert least.max() > 1, "the network is too easy to tell"
    result = run(SupportDescent(steps=30), classifier, images, threat=Lp(0))
    assert (result.size <= least + 1).all()
    assert (result.size == least).float().mean() > 0.9


def test_what_is_not_chosen_is_untouched():
    images = middle()
    result = run(SupportDescent(steps=20), convolutional(), images, threat=Lp(0))
    assert result.success.all()
    assert torch.equal((result.adversarial != images).flatten(1).sum(1).to(result.size.dtype), result.size)
    assert (result.size < 12).all()


def test_a_pixel_counts_once_whatever_its_channels_do():
    classifier, images = convolutional(channels=3), middle(8, (3, 4, 4))
    pixels = run(SupportDescent(steps=30), classifier, images, threat=Pixels(float("inf")))
    entries = run(SupportDescent(steps=30), classifier, images, threat=Lp(0))
    assert pixels.success.all()
    assert (pixels.size <= entries.size).all()
    assert (pixels.l0 > pixels.size).any()


def folded(seed: int = 0) -> Classifier:
    """A deep random network whose many kinks mislead the linear model."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Flatten()]
        for entries in (192, *[64] * 7):
            layers += [nn.Linear(entries, 64), nn.ReLU()]
            nn.init.normal_(layers[-2].weight, 0, 3.5 / entries**0.5)
        return Classifier(nn.Sequential(*layers, nn.Linear(64, 4)).double().eval())


def test_no_change_is_left_that_is_not_needed():
    classifier, images = (
        folded(),
        torch.rand(20, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(5)),
    )
    result = run(SupportDescent(steps=60), classifier, images, threat=Lp(0))
    assert result.success.all()
    rows, entries = (result.adversarial != images).flatten(1).nonzero(as_tuple=True)
    without = result.adversarial.flatten(1)[rows]
    without[torch.arange(len(rows)), entries] = images.flatten(1)[rows, entries]
    back = classifier.logits(without.reshape(-1, 3, 8, 8)).argmax(1)
    assert torch.equal(back, classifier.logits(images).argmax(1)[rows])


def test_targets_are_reached_and_steps_are_forward_passes():
    classifier, images = convolutional(), middle()
    targets = (classifier.logits(images).argmax(1) + 1) % 4
    result = run(SupportDescent(steps=30), classifier, images, goal=Targeted(targets), threat=Lp(0))
    assert result.success.float().mean() > 0.9
    assert (result.prediction[result.success] == targets[result.success]).all()
    assert (result.backward == 25).all(), "24 steps, and one to tell what is worth least"
    assert (result.forward <= 33).all()
    assert (result.forward > 27).all()
    few = run(SupportDescent(steps=9), classifier, images, threat=Lp(0))
    assert (few.backward == 9).all()


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"momentum": 1.0}, {"smoothing": -1}])
def test_hyper_parameters_are_checked(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SupportDescent(**wrong)


def test_later_descents_begin_far_from_the_image():
    classifier, images = convolutional(classes=6), middle(12)
    seen: list[torch.Tensor] = []
    handle = classifier.module.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    result = run(SupportDescent(steps=50, runs=2, spread=0.3), classifier, images, threat=Lp(0))
    handle.remove()
    once = run(SupportDescent(steps=20, runs=1), classifier, images, threat=Lp(0))
    moved = (seen[22] - images)[(images > 0.3) & (images < 0.7)]  # after the clean images and 21 points
    assert torch.equal(seen[1], images)
    assert 0.29 < moved.abs().max() <= 0.3 * (1 + 1e-6)
    assert (result.backward <= 40 + 1).all()
    assert (result.size <= once.size + 1).all()
