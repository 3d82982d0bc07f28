"""How ALMA's weights grow over the steps, and when a class counts as another name of the label."""

from dataclasses import replace

import pytest
import torch
from affine import affine, middle
from torch import Tensor

from brittle import ALMA, Lp, Problem, Targeted, Untargeted
from brittle.attacks.alma import ALMAState
from brittle.base.seeds import Streams
from brittle.core.record import Record


def begun(attack: ALMA) -> ALMAState:
    images, classifier, ids = middle(3), affine(), torch.arange(3)
    clean = classifier.logits(images).detach()
    goal, record = Untargeted(clean.argmax(1)), Record(images)
    return attack.start(Problem(classifier, images, clean, goal, Lp(2), ids, record, Streams(0, ids, images.dtype), 9))


def followed(attack: ALMA, values: list[Tensor]) -> list[ALMAState]:
    """Return the weights after each of the constraint's values."""
    state, seen = begun(attack), []
    for step, value in enumerate(values):
        state = attack._weighed(replace(state, done=step), value)
        seen.append(state)
    return seen


def slope(value: float, rho: float, mu: float) -> float:
    """The derivative of the penalty P_2 (equation 8)."""
    if value >= 0:
        return mu + 2 * mu * rho * value + (rho * value) ** 2 / 2
    return mu / (1 - rho * value) ** 2


def test_weights_grow_as_in_the_paper():
    """One image gets nowhere, one lowers the constraint by more than is asked for, one meets the goal at the start."""
    attack = ALMA(steps=12, check_every=3, growth=1.5, improvement=0.9, smoothing=0.8, penalty=2.0, multiplier=0.5)
    courses = ([1.0] * 12, [0.8**step for step in range(12)], [-0.5, *[1.0] * 11])
    states = followed(attack, list(torch.tensor(courses, dtype=torch.float64).T))
    for row, values in enumerate(courses):
        rho, mu, before, found = 2.0, 0.5, values[0], False
        for step, value in enumerate(values):
            if step and (step + 1) % 3 == 0:
                rho, before = rho * (1.5 if not found and value >= 0.9 * before else 1.0), value
            if step:
                mu = min(max(0.8 * mu + 0.2 * slope(value, rho, mu), 1e-6), 1e12)
            found = found or value < 0
            assert float(states[step].penalty[row]) == pytest.approx(rho, rel=1e-12), (row, step)
            assert float(states[step].multiplier[row]) == pytest.approx(mu, rel=1e-12), (row, step)
            assert bool(torch.isfinite(states[step].found[row])) == found
    assert states[-1].penalty.tolist() == pytest.approx([2 * 1.5**4, 2.0, 2.0])


def test_the_stride_falls_from_the_first_success_to_its_last_share():
    attack = ALMA(steps=10, last_stride=0.01)
    state = replace(begun(attack), stride=torch.full((3,), 4.0, dtype=torch.float64))
    found = torch.tensor([torch.inf, 2.0, 9.0], dtype=torch.float64)
    for done in (2, 6, 10):
        strides = attack._stride(replace(state, found=found, done=done)).tolist()
        fallen = [0.0, (done - 2) / 8, max(done - 9, 0) / 1]
        assert strides == pytest.approx([4 * 0.01**fraction for fraction in fallen])


@pytest.mark.parametrize("kind", [Untargeted, Targeted])
def test_a_class_is_a_copy_where_it_was_one_and_still_is(kind: type[Untargeted]):
    labels = torch.tensor([1, 1, 1])
    clean = torch.tensor([[0.0, 3.0, 3.0, 1.0], [0.0, 3.0, 2.0, 1.0], [0.0, 3.0, 3.0, 3.0]])
    now = torch.tensor([[0.0, 2.0, 2.5, 2.0], [0.0, 2.0, 2.0, 1.0], [0.0, 2.0, 2.0, 2.5]])
    goal = kind(labels).beside(clean)
    assert goal.distinct(clean).tolist() == [[0, 3, 0, 1], [0, 3, 2, 1], [0, 3, 0, 0]]
    assert goal.distinct(now).tolist() == [[0, 2, 2.5, 2], [0, 2, 2, 1], [0, 2, 0, 2.5]]
    assert kind(labels).beside(clean[1:2].expand(3, 4)).copies is None
