"""Several perturbations at once: each image needs one of them; order, passes, checkpoints, and the way to the page."""

import json
from dataclasses import replace

import pytest
import torch
from affine import convolutional
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from brittle import Classifier, InputError, Lp, ModelError
from brittle.cli import app
from brittle.evaluation.universal import universal
from brittle.evaluation.universal_several import several_rates
from brittle.evaluation.universal_split import Split
from brittle.report.universal_page import write_universal
from brittle.universal_attacks.ascent import UniversalAscent
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.joint_ascent import JointAscent, by_gain
from brittle.universal_attacks.perturbation import Perturbation
from brittle.universal_attacks.search import UniversalProblem, find_universal


def two_ways() -> UniversalProblem:
    """Half of the images leave their class upwards, half downwards; no single change of this size fools both halves."""

    class Band(torch.nn.Module):
        def forward(self, x):
            mean = x.mean((1, 2, 3))
            return torch.stack([0.05 - (mean - 0.5).abs(), (mean - 0.5).abs() - 0.05], 1) * 50

    levels = torch.tensor([0.53, 0.47] * 8)
    images = levels[:, None, None, None].expand(16, 1, 4, 4).contiguous()
    some = ImageSet(Classifier(Band()), images)
    return UniversalProblem(some.classifier, some.shape, Lp("inf", 0.04), some)


def test_two_perturbations_fool_what_one_cannot():
    problem = two_ways()
    one = find_universal(UniversalAscent(passes=20, batch=4), problem)
    assert problem.given().fooling_rate(one.tensor) == 0.5
    both = find_universal(JointAscent(count=2, passes=20, batch=4), problem)
    assert problem.given().best_rate(torch.stack([one.tensor for one in both.every])) == 1.0
    assert all(one.size <= 0.04 * (1 + 1e-6) for one in both.every)
    assert both.made["passes"][-1]["score"] == 1.0


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=4))
def test_each_next_perturbation_adds_most(rows):
    fooled = torch.tensor(rows)
    order = by_gain(fooled)
    assert sorted(order) == list(range(len(rows)))
    left = torch.ones(5, dtype=torch.bool)
    for place, one in enumerate(order):
        gains = [int((fooled[other] & left).sum()) for other in order[place:]]
        assert gains[0] == max(gains)
        left &= ~fooled[one]


def test_passes_are_those_that_a_hook_counts():
    classifier = convolutional()
    images = torch.rand(12, 1, 6, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    some = ImageSet(classifier, images)
    some.clean  # noqa: B018  # asked once, by whoever judges
    seen = [0, 0]

    def count(module, given, logits):
        seen[0] += len(logits)
        seen[1] += len(logits) * logits.requires_grad

    handle = classifier.module.register_forward_hook(count)
    problem = UniversalProblem(classifier, some.shape, Lp("inf", 0.1), some)
    found = find_universal(JointAscent(count=3, passes=4, warm=1, batch=5), problem, judge=lambda v: 0.0)
    handle.remove()
    last = found.made["passes"][-1]
    assert [last["forward"], last["backward"]] == seen
    assert last["backward"] == 4 * 12


def test_a_search_that_was_interrupted_ends_with_the_same_bits(tmp_path):
    problem, method = two_ways(), JointAscent(count=2, passes=5, batch=4)
    whole = find_universal(method, problem)

    def stop(line):
        if line.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_universal(method, problem, checkpoint=tmp_path / "c", watch=stop)
    rest = find_universal(method, problem, checkpoint=tmp_path / "c")
    assert torch.equal(rest.tensor, whole.tensor)
    assert torch.equal(rest.more, whole.more)


def test_the_choice_is_learnt_on_x_and_judged_on_others():
    """Where the logits say on which side an image lies, the right one of two perturbations is chosen for all."""
    problem = two_ways()

    class Sided(torch.nn.Module):
        def forward(self, x):
            mean = x.mean((1, 2, 3))
            return torch.stack([3 - 50 * (mean - 0.5).abs(), 0.5 + (mean - 0.5), 0.5 - (mean - 0.5)], 1)

    images = problem.given().images
    some = ImageSet(Classifier(Sided()), images)
    up = Perturbation(torch.full((1, 4, 4), 0.04), Lp("inf", 0.04), {}, torch.full((1, 1, 4, 4), -0.04))
    split = Split(some, some, ([], []), ([], []))
    by_count, by_choice = several_rates(up, split)
    assert [one.value for one in by_count] == [0.5, 1.0]
    assert by_choice.value == 1.0
    by_count, by_choice = several_rates(up, replace(split, held_out=None))
    assert [one.value for one in by_count] == [0.5, 1.0]
    assert by_choice is None


def test_command_page_and_file(tmp_path):
    words = ["universal", "digits-lenet", "--data", "digits", "--eps", "0.15", "--max-images", "120", "--out"]
    words += [str(tmp_path / "v"), "--attack", "joint-ascent:count=3,passes=3"]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    assert "of 3 tried" in ran.output
    assert "one chosen" in ran.output
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)
    rates = [one["value"] for one in told["by_count"]]
    assert rates == sorted(rates)
    assert rates[0] == told["fooling"]["held_out"]["value"]
    assert len(Perturbation.load(tmp_path / "v").every) == 3
    assert "By the number of perturbations" in write_universal(tmp_path / "v", force=True).read_text()


def test_outputs_that_a_change_pushes_into_0_to_1_are_no_probabilities():
    """What looks like probabilities is refused of clean images; an attack may lead a single output there."""

    class Single(torch.nn.Module):
        def forward(self, x):
            return 40 * x.mean((1, 2, 3))[:, None] - 19.5

    images = torch.linspace(0.2, 0.8, 30)[:, None, None, None].expand(30, 1, 4, 4)
    some = ImageSet(Classifier(Single(), binary=True), images.contiguous())
    assert len(some.clean.unique()) == 2
    middle = 0.5 + 0.005 * torch.linspace(-1, 1, 30)[:, None, None, None].expand(30, 1, 4, 4)
    assert some.logits(middle, torch.zeros(1, 4, 4), torch.arange(30)).shape == (30, 2)
    with pytest.raises(ModelError, match="probabilit"):
        some.logits(middle, None, torch.arange(30))


def test_what_cannot_be_meant_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 2"):
        JointAscent(count=1)
    with pytest.raises(InputError, match="leave out the seeds"):
        universal("digits-lenet", "digits", tmp_path / "v", attack="joint-ascent", seeds=2, eps=0.1, max_images=40)


def test_photographs_are_seen_through_crops():
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 5), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(14400, 3)
    )
    images = torch.rand(6, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    some = ImageSet(Classifier(module), images)
    problem = UniversalProblem(some.classifier, some.shape, Lp("inf", 0.1), some)
    by_default, with_crops, without = (
        find_universal(JointAscent(count=2, passes=2, crops=crops), problem).tensor for crops in (None, True, False)
    )
    assert torch.equal(by_default, with_crops)
    assert not torch.equal(by_default, without)
