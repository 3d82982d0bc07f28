"""Memetic ascent: what children are made of, what it costs, and that it finds what climbs alone do not."""

from dataclasses import replace

import pytest
import torch
from affine import affine, convolutional, middle
from torch import nn

from brittle import BoundaryDescent, Classifier, Lp, MemeticAscent, Polish, Problem, Restarts, Untargeted, run
from brittle.attacks import memetic_ascent
from brittle.base.seeds import Streams
from brittle.core.record import Record


def problem_of(classifier, images, threat):
    clean = classifier.logits(images).detach()
    ids = torch.arange(len(images))
    record, streams = Record(threat.zero(images)), Streams(0, ids, images.dtype)
    return Problem(classifier, images, clean, Untargeted(clean.argmax(1)), threat, ids, record, streams, 100)


def test_children_are_patches_of_two_parents():
    images = torch.full((2, 1, 14, 14), 0.5, dtype=torch.float64)
    problem = problem_of(Classifier(nn.Flatten()), images, Lp("inf", 0.2))
    attack = MemeticAscent(population=6, fresh=0.0)
    parents = torch.arange(12, dtype=torch.float64).reshape(2, 6, 1, 1, 1).expand(2, 6, 1, 14, 14)
    children = attack._children(problem, parents)
    assert children.shape == parents.shape
    for image in range(2):
        for child in children[image]:
            names = set(child.unique().tolist())
            assert 1 <= len(names) <= 2
            assert names <= set(parents[image, :, 0, 0, 0].tolist())
            patches = child[0].reshape(7, 2, 7, 2).permute(0, 2, 1, 3).reshape(49, 4)
            assert (patches == patches[:, :1]).all()
    assert any(len(child.unique()) == 2 for child in children[0])


def test_a_fraction_of_the_entries_is_drawn_afresh():
    images = torch.full((3, 1, 14, 14), 0.5, dtype=torch.float64)
    problem = problem_of(Classifier(nn.Flatten()), images, Lp("inf", 0.2))
    parents = images[:, None].expand(3, 8, 1, 14, 14)
    children = MemeticAscent(population=8, fresh=0.25)._children(problem, parents)
    assert float((children != 0.5).double().mean()) == pytest.approx(0.25, abs=0.03)
    assert float((children - 0.5).abs().max()) <= 0.2


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_an_image_that_stands_costs_what_is_said(norm):
    attack = MemeticAscent(population=3, generations=2, steps=4)
    result = run(attack, convolutional(), middle(4), threat=Lp(norm, 1e-4))
    assert not result.success.any()
    assert (result.backward == (5 + 2) * 3 * 4).all()
    assert (result.forward - result.backward == 7 + 2).all(), "one for each round, the clean image and the verdict"


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_broken_image_leaves(norm):
    radius = {"linf": 1.0, "l2": 12**0.5, "l1": 12.0}[norm]
    result = run(MemeticAscent(population=2, steps=5), affine(), middle(5), threat=Lp(norm, radius))
    assert result.success.all()
    assert (result.backward < 2 * 5).all(), "within its first climb"


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_of_all_points_seen_the_smallest_that_breaks_is_returned(norm):
    """An audit's health check looks for such points on the path."""
    classifier, images, seen = convolutional(classes=4), middle(6), []
    threat = Lp(norm, {"linf": 0.03, "l2": 0.09, "l1": 0.3}[norm])
    labels = classifier.logits(images).argmax(1)
    hook = classifier.module.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    for place in range(6):
        seen.clear()
        one, label = images[place : place + 1], labels[place]
        result = run(MemeticAscent(population=5, generations=2, steps=10), classifier, one, threat=threat)
        shown = torch.cat(seen)
        size, wrong = threat.size(one.expand_as(shown), shown), classifier.logits(shown).argmax(1) != label
        allowed = wrong & threat.allows(size, 1.0)
        assert bool(allowed.any()) == bool(result.success)
        if bool(result.success):
            assert float(result.size) <= float(size[allowed].min()) * (1 + 1e-9)
    hook.remove()


class Rugged(nn.Module):
    """Its second class wins where four patches of the image are near a value of their own among many local maxima."""

    def forward(self, images):
        patches = images.unfold(2, 7, 7).unfold(3, 7, 7).mean((1, 4, 5)).flatten(1)
        wanted = torch.tensor([0.31, 0.72, 0.55, 0.43], dtype=images.dtype)
        far = (patches - wanted).abs()
        lead = (torch.cos(40 * far) - 8 * far).sum(1)
        return torch.stack([torch.full_like(lead, 3.4), lead], 1)


def test_mixing_finds_what_climbs_alone_do_not():
    images, threat = torch.full((6, 1, 14, 14), 0.5, dtype=torch.float64), Lp("inf", 0.3)
    attack = MemeticAscent(population=8, generations=20, steps=20)
    mixed = run(attack, Classifier(Rugged()), images, threat=threat)
    climbs = run(Restarts(replace(attack, generations=0), 5), Classifier(Rugged()), images, threat=threat)
    assert mixed.success.sum() >= climbs.success.sum() + 4
    assert (climbs.backward >= mixed.backward).all()


def test_those_that_are_kept_differ():
    images, threat = torch.full((1, 1, 14, 14), 0.5, dtype=torch.float64), Lp("inf", 0.2)
    problem = problem_of(Classifier(nn.Flatten()), images, threat)
    one, other, third = (threat.draw(images, problem.streams, problem.ids, problem.classifier.bounds) for _ in range(3))
    points = torch.stack([third, one, one + 1e-4, other, one - 1e-4, other], 1)
    margin = torch.tensor([[0.1, 0.9, 0.8, 0.7, 0.6, 0.5]], dtype=torch.float64)
    attack = MemeticAscent(population=3)
    assert attack._chosen(problem, margin, points).tolist() == [[1, 3, 0]]
    assert replace(attack, population=4)._chosen(problem, margin, points).tolist() == [[1, 3, 0, 2]]


class Bent(nn.Module):
    """ReLUs in a row, drawn at random; a climb within a radius that just suffices ends before the boundary."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 3)).double()
        with torch.no_grad():
            for weight in self.parameters():
                nn.init.normal_(weight)
            self.layers[1].bias.copy_(-self.layers[1].weight.sum(1) / 2)
            self.layers[3].bias.zero_()

    def forward(self, images):
        return self.layers(images)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_polished_points_cross_the_boundary_that_climbs_do_not_come_to(norm):
    torch.manual_seed(1)
    images, classifier = torch.rand(12, 1, 3, 3, dtype=torch.float64), Classifier(Bent())
    smallest = run(Polish(BoundaryDescent(60)), classifier, images, threat=Lp(norm)).size
    threat = Lp(norm, float(smallest.median()) * 1.001)
    climbs = MemeticAscent(population=2, generations=0, steps=1)
    plain, fine = (run(replace(climbs, polished=count), classifier, images, threat=threat) for count in (0, 2))
    assert plain.success.sum() + 2 <= fine.success.sum() <= (smallest <= threat.radius).sum() + 1
    assert torch.equal(fine.forward[plain.success], plain.forward[plain.success]), "what is broken is left alone"
    once = run(replace(climbs, polished=1), classifier, images, threat=threat)
    assert (fine.forward[~once.success] > once.forward[~once.success]).all(), "of each image two points"


def test_points_are_polished_only_where_images_are_small_and_seen_once(monkeypatch):
    monkeypatch.setattr(memetic_ascent, "ENTRIES", 8)
    images, attack = torch.rand(3, 1, 3, 3, dtype=torch.float64), MemeticAscent(population=2, generations=1, steps=2)
    plain, large = (
        run(replace(attack, polished=count), Classifier(Bent()), images, threat=Lp("inf", 1e-6)) for count in (0, 2)
    )
    assert torch.equal(plain.forward, large.forward)
