"""The losses, against figures worked out by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brittle.maths import losses

LOGITS = torch.tensor([[1.0, 4.0, 2.0, 0.0], [3.0, 3.0, -1.0, 1.0]], dtype=torch.float64)


def test_others_hide_the_label_alone():
    hidden = losses.others(LOGITS, torch.tensor([1, 3]))
    assert hidden.tolist() == [[1, -math.inf, 2, 0], [3, 3, -1, -math.inf]]


def test_lead_by_hand():
    assert losses.logit_margin(LOGITS, torch.tensor([1, 3])).tolist() == [2, -2]
    assert losses.logit_margin(LOGITS, torch.tensor([0, 0])).tolist() == [-3, 0]


def test_cross_entropy_by_hand():
    fractions = [
        math.log(sum(math.exp(z - row[y]) for z in row)) for row, y in zip(LOGITS.tolist(), (1, 2), strict=True)
    ]
    assert losses.cross_entropy(LOGITS, torch.tensor([1, 2])).tolist() == pytest.approx(fractions)


def test_divergence_by_hand():
    clean, other = torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([[math.log(2.0), 0.0]])
    expected = 0.25 * math.log(0.25 / (2 / 3)) + 0.75 * math.log(0.75 / (1 / 3))
    assert losses.divergence(clean, other).item() == pytest.approx(expected)
    assert losses.divergence(clean, clean + 5).item() == pytest.approx(0, abs=1e-6)


def test_dlr_by_hand():
    """Equation 6: -(Z_y - max of the others) / (first - third)."""
    found = losses.difference_of_logits_ratio(LOGITS, torch.tensor([1, 2]))
    assert found.tolist() == pytest.approx([-(4 - 2) / (4 - 1), -(-1 - 3) / (3 - 1)])


def test_targeted_dlr_by_hand():
    """Equation 7: -(Z_y - Z_t) / (first - (third + fourth) / 2)."""
    found = losses.targeted_difference_of_logits_ratio(LOGITS, torch.tensor([1, 0]), torch.tensor([3, 2]))
    assert found.tolist() == pytest.approx([-(4 - 0) / (4 - 0.5), -(3 + 1) / (3 - 0)])


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    st.lists(st.floats(-9, 9), min_size=4, max_size=4, unique=True),
    st.floats(1e-2, 1e3),
    st.floats(-50, 50),
    st.integers(0, 3),
)
def test_dlr_does_not_change_when_logits_are_scaled_or_shifted(row, scale, shift, label):
    logits = torch.tensor([row], dtype=torch.float64)
    ordered = sorted(row)
    if ordered[3] - ordered[1] < 1e-3:
        return
    labels, targets = torch.tensor([label]), torch.tensor([(label + 1) % 4])
    for loss in (
        lambda z: losses.difference_of_logits_ratio(z, labels),
        lambda z: losses.targeted_difference_of_logits_ratio(z, labels, targets),
    ):
        torch.testing.assert_close(loss(scale * logits + shift), loss(logits), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "loss", [losses.cross_entropy, losses.difference_of_logits_ratio, lambda z, y: -losses.logit_margin(z, y)]
)
def test_every_loss_grows_as_the_label_falls_behind(loss):
    labels = torch.tensor([1])
    values = [float(loss(torch.tensor([[1.0, own, 0.0]]), labels)) for own in (5.0, 3.0, 1.5, 0.5)]
    assert values == sorted(values)
    assert values[0] < values[-1]
