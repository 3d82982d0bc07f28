"""A network that may refuse images is fooled where an image is misclassified and not refused."""

from dataclasses import replace

import pytest
import torch
from affine import affine, middle
from cases import CASES, Case
from torch import Tensor, nn

from brittle import FGSM, PGD, Attack, Classifier, DeepFool, Lp, Problem, SmallestRadius, Targeted, run
from brittle.classifiers.refusals import folded, of_classes, refused
from brittle.errors import InputError, ModelError


class Window(nn.Module):
    """Class 1 where the first pixel is above 0.5, and refused where it is between 0.5 and 0.7, or above 0.9."""

    def forward(self, images: Tensor) -> Tensor:
        first = images[:, 0, 0, 0]
        odd = torch.maximum(0.1 - (first - 0.6).abs(), first - 0.9)
        logits = torch.stack([1 - first, first], 1)
        return torch.cat([logits, (logits.amax(1) + odd)[:, None]], 1)


class Guarded(nn.Module):
    """A network with a detector of images beyond a plane."""

    def __init__(self, module: nn.Module, plane: Tensor, at: float):
        super().__init__()
        self.module, self.at = module, at
        self.register_buffer("plane", plane)

    def forward(self, images: Tensor) -> Tensor:
        logits = self.module(images)
        odd = ((images - 0.5).flatten(1) * self.plane).sum(1) - self.at
        return torch.cat([logits, (logits.amax(1) + odd)[:, None]], 1)


def window(oblivious: bool = False) -> Classifier:
    return Classifier(Window(), rejects=True, oblivious=oblivious)


def pixels(*first: float) -> Tensor:
    made = torch.full((len(first), 1, 2, 2), 0.5)
    made[:, 0, 0, 0] = torch.tensor(first)
    return made


def guarded(**options: bool) -> Classifier:
    """An affine network in 4 classes, whose detector takes every third of the directions for odd."""
    inner = affine()
    plane = 6 * torch.randn(12, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return Classifier(Guarded(inner.module, plane, 0.6), rejects=True, **options)


def test_another_class_leads_exactly_where_it_is_predicted_and_not_refused():
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(500, 5, generator=generator)
    labels = torch.randint(0, 4, (500,), generator=generator)
    classifier = Classifier(nn.Flatten(), rejects=True)
    whole = outputs.argmax(1)
    assert torch.equal(folded(classifier, outputs, labels).argmax(1) != labels, (whole != labels) & (whole != 4))
    assert torch.equal(refused(classifier, outputs), whole == 4)
    goal = Targeted(labels)
    homes = goal.homes(of_classes(classifier, outputs))
    assert bool((homes != labels).all())
    assert torch.equal(goal.reached(folded(classifier, outputs, homes)), whole == labels)
    several = torch.stack([outputs, outputs.flip(0)])
    assert torch.equal(folded(classifier, several, labels)[1], folded(classifier, outputs.flip(0), labels))


def test_other_networks_are_read_as_they_are():
    outputs = torch.randn(3, 4)
    plain = Classifier(nn.Flatten())
    assert folded(plain, outputs, torch.zeros(3, dtype=torch.int64)) is outputs
    assert of_classes(plain, outputs) is outputs
    assert not refused(plain, outputs).any()
    assert run(FGSM(), affine(), middle(2), threat=Lp("inf", 0.1)).refused is None


def test_the_step_of_known_length_succeeds_where_the_detector_lets_it_pass():
    images, labels = pixels(0.45, 0.45, 0.45, 0.6, 0.8, 0.95), torch.tensor([0, 0, 0, 1, 1, 1])
    found = [run(FGSM(), window(), images[:3], labels[:3], threat=Lp("inf", radius)) for radius in (0.1, 0.3, 0.5)]
    assert [one.success.tolist() for one in found] == [[False] * 3, [True] * 3, [False] * 3]
    assert [one.refused.tolist() for one in found] == [[True] * 3, [False] * 3, [True] * 3]
    every = run(FGSM(), window(), images, labels, threat=Lp("inf", 0.35))
    assert every.clean_refused.tolist() == [False, False, False, True, False, True]
    assert every.clean_prediction.tolist() == labels.tolist(), "the class is that of the network"
    assert every.success.tolist() == [True, True, True, False, True, False], "a false alarm is not right"
    assert every.forward.tolist()[3] == 2, "and is not attacked"
    assert torch.isinf(every.size[[3, 5]]).all()


def test_the_smallest_change_leads_past_the_detector():
    found = run(SmallestRadius(FGSM(), steps=16), window(), pixels(0.45), torch.tensor([0]), threat=Lp("inf"))
    assert found.success.all()
    assert float(found.size[0]) == pytest.approx(0.25, abs=2e-3)


def test_one_who_knows_nothing_of_the_detector_is_judged_with_it():
    found = run(DeepFool(), window(oblivious=True), pixels(0.45), torch.tensor([0]), threat=Lp("inf"))
    assert found.refused.tolist() == [True]
    assert found.success.tolist() == [False]
    assert found.prediction.tolist() == [1]
    assert torch.isinf(found.size).all()


def test_a_margin_that_the_search_asks_for_leads_past_a_detector_that_it_does_not_know():
    """The margin is 2 x - 1, so that 0.5 of it is won at 0.75, where nothing is refused."""
    images, labels = pixels(0.45), torch.tensor([0])
    found = run(
        PGD(steps=40, step_size=0.01, random_start=False),
        window(oblivious=True),
        images,
        labels,
        threat=Lp("inf", 0.4),
        confidence=0.5,
    )
    assert found.success.all()
    assert 0.75 <= float(found.adversarial[0, 0, 0, 0]) <= 0.77
    with pytest.raises(InputError, match="confidence"):
        run(FGSM(), window(), images, labels, threat=Lp("inf", 0.1), confidence=-1.0)


def test_where_the_margin_cannot_be_won_less_of_it_counts():
    classifier, images = affine(), middle(6)
    radius = 0.35
    bare = run(PGD(steps=40), classifier, images, threat=Lp(2, radius))
    much = run(PGD(steps=40), classifier, images, threat=Lp(2, radius), confidence=1e6)
    assert int(bare.success.sum()) > 0
    assert torch.equal(bare.success, much.success)
    assert (much.margin[much.success] >= bare.margin[bare.success] - 1e-9).all()
    assert (much.size[much.success] <= radius + 1e-6).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_attack_counts_a_refused_image_as_a_success(case: Case):
    images = middle(6)
    outputs = guarded().logits(images)
    labels = of_classes(guarded(), outputs).argmax(1)
    clean = outputs.argmax(1) == 4
    for oblivious, confidence in ((False, 0.0), (True, 0.2)):
        classifier = guarded(oblivious=oblivious)
        found = run(case.attack, classifier, images, labels, threat=case.threat, confidence=confidence)
        whole = classifier.logits(found.adversarial).argmax(1)
        assert torch.equal(found.refused, whole == 4)
        assert torch.equal(found.clean_refused, clean)
        assert not (found.success & (found.refused | clean)).any()
        assert not (found.success & (whole == labels)).any()
        inside = torch.isfinite(found.size)
        assert torch.equal(found.success, ~clean & inside & (whole != labels) & (whole != 4))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_attack_wins_by_the_margin_where_it_can(case: Case):
    """With one direction for all, 10 logits apart, whoever breaks an image at all does so by some margin."""
    classifier, images = affine(), middle(4)
    found = run(case.attack, classifier, images, threat=case.threat, confidence=0.05)
    logits = classifier.logits(found.adversarial)
    labels = found.clean_prediction
    assert torch.equal(found.success, (logits.argmax(1) != labels) & torch.isfinite(found.size))
    bare = run(case.attack, classifier, images, threat=case.threat)
    assert int(found.success.sum()) >= int(bare.success.sum()) - 1
    won = found.margin[found.success]
    assert len(won) == 0 or float(won.median()) >= min(0.05, float(bare.margin[bare.success].amax()))


def test_a_targeted_search_ends_at_its_target_and_not_refused():
    classifier, images = guarded(), middle(6)
    outputs = classifier.logits(images)
    targets = of_classes(classifier, outputs).topk(2).indices[:, 1]
    found = run(PGD(steps=60), classifier, images, goal=Targeted(targets), threat=Lp(2, 2.0))
    whole = classifier.logits(found.adversarial).argmax(1)
    assert torch.equal(found.success, ~found.clean_refused & (whole == targets))
    assert found.success.any()


def test_means_over_draws_and_a_grid_are_judged_with_refusals():
    classifier, images = guarded(), middle(6)
    labels = of_classes(classifier, classifier.logits(images)).argmax(1)
    for options in ({"eot_samples": 3}, {"quantization": 64}, {"budget": 9}, {"budget": 40, "quantization": 64}):
        found = run(PGD(steps=20), classifier, images, labels, threat=Lp(2, 1.0), **options)
        whole = classifier.logits(found.adversarial).argmax(1)
        assert torch.equal(found.success, ~found.clean_refused & (whole != labels) & (whole != 4)), options


def test_class_numbers_and_copies_of_a_classifier_keep_the_refusals():
    said = Classifier(lambda images: torch.full((len(images),), 3), labels=3, rejects=True)
    assert said.logits(pixels(0.1, 0.2)).tolist() == [[0, 0, 0, 1]] * 2
    around = window(oblivious=True).around(nn.Identity())
    assert (around.rejects, around.oblivious) == (True, True)
    with pytest.raises(ModelError, match="one for a refusal"):
        Classifier(nn.Identity(), binary=True, rejects=True)
    with pytest.raises(ModelError, match="refuse images and has 2 outputs"):
        run(FGSM(), Classifier(affine(2).module, rejects=True), middle(1), threat=Lp("inf", 0.1))


class Peeks(Attack):
    """Keeps what a problem shows of a network."""

    def perturb(self, problem: Problem) -> None:
        shapes.append((problem.clean.shape[1], problem.probe(problem.images).logits.shape[1]))


shapes: list[tuple[int, int]] = []


@pytest.mark.parametrize("oblivious", [False, True])
def test_attacks_see_the_classes_alone(oblivious: bool):
    shapes.clear()
    run(Peeks(), window(oblivious), pixels(0.4), torch.tensor([0]), threat=Lp("inf", 0.1))
    assert shapes == [(2, 2)]


def test_a_goal_keeps_its_own_margin():
    classifier, images = affine(), middle(4)
    goal = replace(Targeted(classifier.logits(images).topk(2).indices[:, 1]), confidence=0.3)
    found = run(PGD(steps=40), classifier, images, goal=goal, threat=Lp(2, 1.5), confidence=0.1)
    assert (found.margin[found.success] >= 0.3).all()
