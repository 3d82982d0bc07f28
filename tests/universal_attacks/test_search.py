"""The loop: passes, the best one, checkpoints; and what every method must keep."""

import signal
from dataclasses import dataclass, replace

import pytest
import torch
from affine import affine, convolutional
from forked import ending, kill

from brittle import DeepFool, InputError, Lp, RunError, UnsupportedThreat
from brittle.evaluation.spec import parse_universal
from brittle.evaluation.universal import universal
from brittle.universal_attacks.ascent import UniversalAscent
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.pull import direction
from brittle.universal_attacks.search import UniversalAttack, UniversalProblem, UniversalState, find_universal
from brittle.universal_attacks.sga import SGA
from brittle.universal_attacks.uap import UniversalDeepFool

METHODS = {
    "ascent": UniversalAscent(passes=3, batch=4),
    "uap": UniversalDeepFool(DeepFool(steps=10), rate=1.0, passes=3),
    "sga": SGA(passes=3, batch=4, small=2),
    "aggregating ascent": UniversalAscent(passes=3, batch=2, large=4),
}


def problem(seed: int = 0, p: float | str = "inf", radius: float = 0.1, count: int = 6) -> UniversalProblem:
    classifier = convolutional()
    images = torch.rand(count, 1, 6, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    some = ImageSet(classifier, images, 4)
    return UniversalProblem(classifier, some.shape, Lp(p, radius), some, seed)


@dataclass(frozen=True)
class Listed(UniversalAttack):
    """Takes the perturbations of a list, one after the other."""

    values: tuple[float, ...]

    @property
    def needs_images(self):
        return False

    @property
    def most_passes(self) -> int:
        return len(self.values)

    def start(self, problem):
        return UniversalState(problem.zeros())

    def advance(self, problem, state, number):
        return UniversalState(torch.full_like(state.perturbation, self.values[number]), forward=number + 1)


@pytest.mark.parametrize("name", ["ascent", "sga", "aggregating ascent"])
def test_in_l1_few_values_change_and_none_by_more_than_the_box_holds(name):
    asked = problem(p=1, radius=4.0)
    found = find_universal(METHODS[name], asked)
    assert 0 < found.size <= 4 * (1 + 1e-6)
    assert found.tensor.abs().amax() <= 1
    assert asked.given().fooling_rate(found.tensor) >= 0.3
    with pytest.raises(UnsupportedThreat, match="works with l2, linf, not with l1"):
        find_universal(METHODS["uap"], asked)


def test_a_step_in_l1_is_along_the_largest_hundredth():
    velocity = torch.arange(-200.0, 0.0).reshape(2, 10, 10)
    step = direction(velocity, Lp(1, 1.0))
    assert step.flatten().tolist() == [-0.5, -0.5] + [0.0] * 198


def test_the_pass_that_the_judge_likes_best_is_kept():
    found = find_universal(Listed((0.01, 0.03, 0.02)), problem(), lambda v: float(v.mean()))
    assert found.tensor.unique().tolist() == pytest.approx([0.03])
    assert [one["forward"] for one in found.made["passes"]] == [1, 2, 3]
    last = find_universal(replace_keeps(Listed((0.01, 0.03, 0.02))), problem(), lambda v: float(v.mean()))
    assert last.tensor.unique().tolist() == pytest.approx([0.02])


def replace_keeps(method: Listed) -> Listed:
    class Last(Listed):
        keeps_best = False

    return Last(method.values)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("p", ["inf", 2])
def test_every_method_stays_within_the_radius_and_fools_more_than_nothing(method, p):
    asked = problem(p=p, radius=0.2 if p == "inf" else 1.0)
    found = find_universal(method, asked)
    assert 0 < found.size <= asked.radius * (1 + 1e-6)
    assert asked.given().fooling_rate(found.tensor) >= 0.3
    rates = [one["score"] for one in found.made["passes"]]
    assert asked.given().fooling_rate(found.tensor) == (max(rates) if method.keeps_best else rates[-1])


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_killed_after_any_pass_it_ends_with_the_same_bits(method, tmp_path):
    whole = find_universal(method, problem())

    class Killed(Exception):
        pass

    def kill(line):
        raise Killed

    path, lines = tmp_path / "checkpoint", []
    for _ in range(2):
        with pytest.raises(Killed):
            find_universal(method, problem(), checkpoint=path, watch=kill)
    again = find_universal(method, problem(), checkpoint=path, watch=lines.append)
    assert [line.number for line in lines] == [3]
    assert torch.equal(again.tensor, whole.tensor)
    strip = [{**one, "seconds": 0} for one in whole.made["passes"]]
    assert [{**one, "seconds": 0} for one in again.made["passes"]] == strip


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_seed_alone_decides(method):
    first, second, other = (find_universal(method, problem(seed)).tensor for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_network_is_left_as_it_was(method):
    asked = problem()
    module = asked.classifier.module.train()
    module[1].weight.requires_grad_(True)
    state, before = torch.get_rng_state(), {name: one.clone() for name, one in module.state_dict().items()}
    find_universal(method, asked)
    assert module.training
    assert module[1].weight.requires_grad
    assert module[1].weight.grad is None
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one, before[name]) for name, one in module.state_dict().items())


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_passes_are_those_that_the_network_made(method):
    asked, seen = problem(), [0]
    hook = asked.classifier.module.register_forward_hook(
        lambda module, args, out: seen.__setitem__(0, seen[0] + len(out))
    )
    found = find_universal(method, asked, judge=lambda v: 0.0)
    hook.remove()
    assert found.made["passes"][-1]["forward"] == seen[0]


def test_a_checkpoint_of_another_search_is_refused(tmp_path):
    path = tmp_path / "checkpoint"
    find_universal(METHODS["ascent"], problem(), checkpoint=path, identity="a")
    for method, asked, identity in (
        (METHODS["ascent"], problem(), "b"),
        (METHODS["ascent"], problem(seed=1), "a"),
        (METHODS["ascent"], problem(radius=0.2), "a"),
        (replace(METHODS["ascent"], passes=4), problem(), "a"),
    ):
        with pytest.raises(RunError, match="of another search"):
            find_universal(method, asked, checkpoint=path, identity=identity)
    path.write_bytes(b"something else")
    with pytest.raises(RunError, match="not a checkpoint"):
        find_universal(METHODS["ascent"], problem(), checkpoint=path, identity="a")


def test_what_cannot_be_meant_is_refused():
    method = METHODS["ascent"]
    with pytest.raises(UnsupportedThreat, match="l1, l2, linf, patch, frame, not with l0"):
        find_universal(method, problem(p=0, radius=3))
    with pytest.raises(InputError, match="one radius above 0"):
        find_universal(method, problem(radius=float("inf")))
    with pytest.raises(InputError, match="given none"):
        find_universal(method, replace(problem(), images=None))
    with pytest.raises(InputError, match="shape"):
        ImageSet(affine(), torch.rand(0, 1, 3, 4))
    with pytest.raises(InputError, match="classes 0 to 3"):
        find_universal(UniversalAscent(passes=1, target=9), problem())


def test_killed_with_kill_9_it_goes_on(tmp_path):
    """A real process, killed in its second pass, started again: the passes done are not done again."""
    path, out = tmp_path / "v" / "checkpoint", tmp_path / "v"

    def search(watch) -> None:
        universal("digits-lenet", "digits", out, attack="ascent:passes=3", max_images=40, eps=0.2, watch=watch)

    assert ending(lambda: search(lambda line: kill() if line.number == 2 else None)) == -signal.SIGKILL
    assert path.exists()
    passes = []
    search(lambda line: passes.append(line.number))
    assert passes == [3]
    assert (out / "perturbation.safetensors").exists()
    assert not path.exists()


@pytest.mark.parametrize("name", ["ascent", "sga", "joint-ascent", "activation-ascent", "gd-uap", "trm-uap", "psp-uap"])
@pytest.mark.parametrize("value", ["inf", "nan", "-1"])
def test_a_step_without_a_length_is_refused_before_a_search(name, value):
    with pytest.raises(InputError, match=r"step is .*number"):
        parse_universal(f"{name}:step={value}")
