"""The LID detector: what it measures, where it refuses, and that it leaves the network as it is."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, fx, nn

from brittle import FGSM, PGD, Classifier, DeepFool, Lp, run
from brittle.classifiers.refusals import of_classes, refused
from brittle.defences.bit_depth import BitDepth
from brittle.defences.chain import Chain
from brittle.defences.lid import LID, _distances, _noisy
from brittle.errors import InputError
from brittle.evaluation.defended import Defended, defence_of, spelled_defence

K = 8


class Small(nn.Module):
    """A small smooth network with a convolution, an activation and a linear layer."""

    def __init__(self):
        super().__init__()
        self.layer, self.active, self.last = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Linear(4 * 36, 3)

    def forward(self, images: Tensor) -> Tensor:
        return 6 * self.last(self.active(self.layer(images - 0.5)).flatten(1))


def images_of(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((count, 1, 3, 3), generator=generator)
    return nn.functional.interpolate(coarse, (8, 8), mode="bilinear")


@pytest.fixture(scope="module")
def inner() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier(Small().eval())


@pytest.fixture(scope="module")
def ready(inner: Classifier) -> LID:
    return LID(k=K).prepare(inner, images_of(300))


def slow_features(inner: Classifier, neighbours: Tensor, image: Tensor) -> list[float]:
    """One image, one layer and one neighbour at a time."""
    module = inner.module
    found: list[float] = []
    for layer in (lambda x: module.active(module.layer(x - 0.5)), module):
        with torch.no_grad():
            own, theirs = layer(image[None]).flatten().double(), layer(neighbours).flatten(1).double()
        distances = sorted(math.dist(own.tolist(), one.tolist()) for one in theirs)[:K]
        found.append(-1 / (sum(math.log(one / distances[-1]) for one in distances) / K))
    return found


def test_features_are_the_published_sums_layer_by_layer(inner: Classifier, ready: LID):
    images = images_of(4, seed=5)
    assert ready.learnt is not None
    assert ready.learnt.measure.names == ("active",)
    with torch.no_grad():
        found = ready.learnt.measure.all_of(inner, images)
    neighbours = images_of(300)[:100]
    slow = torch.tensor([slow_features(inner, neighbours, one) for one in images], dtype=torch.float64)
    torch.testing.assert_close(found, slow, rtol=1e-4, atol=1e-4)


def test_the_last_output_is_the_largest_class_and_the_log_odds(inner: Classifier, ready: LID):
    images = images_of(9, seed=6)
    guarded = ready.protect(inner)
    with torch.no_grad():
        outputs, logits = guarded.logits(images), inner.logits(images)
        assert ready.learnt is not None
        odds = ready.learnt.measure.all_of(inner, images) @ ready.learnt.weights + ready.learnt.offset
    assert torch.equal(of_classes(guarded, outputs), logits)
    torch.testing.assert_close(outputs[:, -1], (logits.amax(1) + odds).float())
    assert torch.equal(refused(guarded, outputs), odds >= 0)


def test_so_many_clean_images_are_refused_as_was_asked_for(inner: Classifier):
    for rate in (0.02, 0.2):
        ready = LID(k=K, false_alarms=rate).prepare(inner, images_of(300))
        guarded = ready.protect(inner)
        with torch.no_grad():
            on = refused(guarded, guarded.logits(images_of(300)[200:])).double().mean()
            fresh = refused(guarded, guarded.logits(images_of(500, seed=9))).double().mean()
        assert float(on) == pytest.approx(rate, abs=0.011), "on the images that set the threshold"
        assert float(fresh) == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) * (1 / 100 + 1 / 500)))


def test_no_hook_stays_and_nobody_else_counts(inner: Classifier, ready: LID):
    guarded, images = ready.protect(inner), images_of(5, seed=7)
    with torch.no_grad():
        together = guarded.logits(images)
        torch.testing.assert_close(guarded.logits(images[3:4]), together[3:4], rtol=1e-5, atol=1e-5)
    parts = list(inner.module.modules())
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in parts)
    assert all(weights.grad is None and weights.requires_grad for weights in inner.module.parameters())


def test_nobody_hooks_a_graph(inner: Classifier):
    exported = torch.export.export(
        inner.module, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: torch.export.Dim("n", min=1, max=1000)},)
    )
    graph = Classifier(exported.module())
    assert isinstance(graph.module, fx.GraphModule)
    ready = LID(k=K).prepare(graph, images_of(300))
    assert ready.learnt is not None
    assert len(ready.learnt.measure.names) == 1
    images = images_of(4, seed=5)
    of_module = LID(k=K).prepare(inner, images_of(300)).protect(inner)
    with torch.no_grad():
        torch.testing.assert_close(ready.protect(graph).logits(images), of_module.logits(images), rtol=1e-3, atol=1e-3)


def test_a_network_without_activations_is_measured_by_its_logits():
    plain = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)))
    ready = LID(k=K).prepare(plain, images_of(300))
    assert ready.learnt is not None
    assert ready.learnt.measure.names == ()
    assert ready.protect(plain).logits(images_of(2)).shape == (2, 4)


def test_it_has_a_gradient_that_is_that_of_differences(ready: LID):
    torch.manual_seed(0)
    double = Classifier(Small().double().eval())
    guarded = LID(k=K).prepare(double, images_of(300)).protect(double)
    image, step = images_of(1, seed=8).double(), 1e-6
    leaf = image.clone().requires_grad_()
    (slope,) = torch.autograd.grad(guarded.logits(leaf)[0, -1], leaf)
    way = slope / slope.norm()
    with torch.no_grad():
        ahead, behind = (guarded.logits(image + sign * step * way)[0, -1] for sign in (1, -1))
    assert float((ahead - behind) / (2 * step)) == pytest.approx(float(slope.norm()), rel=1e-3)


def test_noise_is_as_large_as_the_changes(inner: Classifier):
    middle, changes = torch.full((6, 1, 8, 8), 0.5), 0.01 * torch.randn(6, 1, 8, 8)
    noise = _noisy(middle, changes, inner) - middle
    torch.testing.assert_close(noise.flatten(1).norm(dim=1), changes.flatten(1).norm(dim=1))


def test_distances_are_euclidean_also_far_from_the_origin():
    points, others = 1e4 + torch.randn(5, 30).double(), 1e4 + torch.randn(7, 30).double()
    torch.testing.assert_close(_distances(points, others), torch.cdist(points, others), rtol=1e-8, atol=1e-8)


def test_an_image_of_the_minibatch_is_not_its_own_neighbour(inner: Classifier, ready: LID):
    own, points = images_of(300)[:4], torch.randn(4, 30)
    found = _distances(points, torch.cat([points[:1], points + 1e-9, points + 1]))
    assert torch.isinf(found).sum(1).tolist() == [2, 1, 1, 1]
    guarded = ready.protect(inner)
    with torch.no_grad():
        alone = torch.cat([guarded.logits(image[None]) for image in own])
        torch.testing.assert_close(alone, guarded.logits(own), rtol=1e-5, atol=1e-5)


def test_who_knows_of_it_breaks_what_who_does_not_is_refused(inner: Classifier):
    clean, images = images_of(300), images_of(40, seed=3)
    defence = LID(k=K, false_alarms=0.2)
    threat, attack = Lp("inf", 0.15), PGD(steps=30)
    naive, adaptive = (Defended.of(defence, inner, clean, naive=way) for way in (True, False))
    assert (naive.classifier.oblivious, adaptive.classifier.oblivious) == (True, False)
    assert (naive.confidence, adaptive.confidence) == (0, 1)
    assert "margin" in adaptive.attacked
    found = [run(attack, one.classifier, images, threat=threat, confidence=one.confidence) for one in (naive, adaptive)]
    assert int(found[1].success.sum()) >= int(found[0].success.sum())
    assert not (found[0].success & found[0].refused).any()


def test_what_it_needs_is_said(inner: Classifier, ready: LID):
    with pytest.raises(InputError, match="needs 300 clean training images, and none were given"):
        LID().prepare(inner, None)
    with pytest.raises(InputError, match="there are 20"):
        LID().prepare(inner, images_of(20))
    with pytest.raises(InputError, match="seen no clean images"):
        LID().protect(inner)
    with pytest.raises(InputError, match="has a detector already"):
        ready.protect(ready.protect(inner))
    with pytest.raises(InputError, match="FGSM broke 0 of 100"):
        LID(attack=FGSM(), radius=1e-9).prepare(inner, images_of(300))
    with pytest.raises(InputError, match="no layer 'nowhere'"):
        LID(layers=("nowhere",)).prepare(inner, images_of(300))
    for setting in ({"k": 2}, {"k": 51}, {"false_alarms": 0.6}, {"radius": -1.0}, {"confidence": -1.0}):
        with pytest.raises(InputError, match=next(iter(setting))):
            LID(**setting)


def test_it_is_written_with_its_attack():
    assert defence_of("lid:k=10") == LID(k=10)
    learnt = defence_of("lid(pgd:steps=7):radius=0.1")
    assert learnt == LID(attack=PGD(steps=7), radius=0.1)
    assert spelled_defence(learnt) == "lid(pgd:steps=7):radius=0.1"
    assert spelled_defence(replace(learnt, attack=DeepFool())) == "lid:radius=0.1"
    with pytest.raises(InputError, match="one attack"):
        defence_of("lid(pgd;fgsm)")


def test_it_stands_behind_another_defence(inner: Classifier):
    chain = Chain((BitDepth(4), LID(k=K))).prepare(inner, images_of(300))
    guarded = chain.adaptive(inner)
    assert guarded.classifier.rejects
    assert guarded.confidence == 1
    assert guarded.classifier.logits(images_of(2)).shape == (2, 4)
