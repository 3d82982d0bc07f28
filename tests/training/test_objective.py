"""What an adversarial training minimises, by hand."""

import math

import pytest
import torch
from torch import nn

from brittle import PGD, InputError, Lp
from brittle.training import AdversarialTraining, CrossEntropy, Mixed, PlainTraining, Trades, fit

CLEAN = torch.tensor([[[[0.0, 2.0, 1.0]]], [[[1.0, 0.0, 0.0]]]])
ATTACKED = torch.tensor([[[[1.0, 1.0, 1.0]]], [[[0.0, 1.0, 0.0]]]])
LABELS = torch.tensor([1, 0])
MODULE = nn.Flatten()


def softmax(row):
    whole = sum(map(math.exp, row))
    return [math.exp(one) / whole for one in row]


def entropy(images, temperature=1.0):
    rows = [softmax([value / temperature for value in row]) for row in images.flatten(1).tolist()]
    return -sum(math.log(row[label]) for row, label in zip(rows, LABELS.tolist(), strict=True)) / len(rows)


def divergence():
    pairs = zip(CLEAN.flatten(1).tolist(), ATTACKED.flatten(1).tolist(), strict=True)
    both = [(softmax(clean), softmax(attacked)) for clean, attacked in pairs]
    return sum(p * math.log(p / q) for clean, after in both for p, q in zip(clean, after, strict=True)) / len(both)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (CrossEntropy(), entropy(ATTACKED)),
        (Mixed(0.25), 0.25 * entropy(CLEAN) + 0.75 * entropy(ATTACKED)),
        (Trades(beta=3.0), entropy(CLEAN) + 3 * divergence()),
        (Trades(beta=0.0), entropy(CLEAN)),
    ],
    ids=str,
)
def test_the_loss_is_the_published_one(objective, expected):
    loss, logits = objective.loss(MODULE, CLEAN, ATTACKED, LABELS)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert torch.equal(logits, ATTACKED.flatten(1)), "what is counted are the attacked images"


def test_the_temperature_divides_every_logit():
    loss, logits = Mixed(0.5).loss(MODULE, CLEAN, ATTACKED, LABELS, 2.0)
    assert loss.item() == pytest.approx((entropy(CLEAN, 2.0) + entropy(ATTACKED, 2.0)) / 2, rel=1e-6)
    assert torch.equal(logits, ATTACKED.flatten(1))
    loss, _ = Trades(1.0).loss(MODULE, 2 * CLEAN, 2 * ATTACKED, LABELS, 2.0)
    assert loss.item() == pytest.approx(entropy(CLEAN) + divergence(), rel=1e-6)


def test_what_needs_every_image_takes_no_fraction():
    for objective in (Trades(), Mixed()):
        with pytest.raises(InputError, match="needs every image clean and attacked"):
            AdversarialTraining(PGD(steps=1), Lp("inf", 0.1), fraction=0.5, objective=objective)
    assert AdversarialTraining(PGD(steps=1), Lp("inf", 0.1), fraction=0.5).objective == CrossEntropy()


@pytest.mark.parametrize("wrong", [lambda: Trades(-1.0), lambda: Trades(float("nan")), lambda: Mixed(1.5)])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()


@pytest.mark.parametrize("objective", [Trades(beta=1.0), Mixed(0.5)])
def test_a_training_on_it_goes_another_way(objective):
    torch.manual_seed(0)
    images, labels = torch.rand(24, 1, 2, 2), torch.arange(24) % 2
    ends = []
    for chosen in (CrossEntropy(), objective):
        module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        with torch.no_grad():
            module[1].weight.copy_(torch.arange(8.0).reshape(2, 4) / 8)
            module[1].bias.zero_()
        hard = AdversarialTraining(PGD(steps=2, loss="divergence"), Lp("inf", 0.1), objective=chosen)
        history = fit(module, images, labels, settings=PlainTraining(epochs=1, batch=8), adversarial=hard)
        assert history.epochs[0].adversarial_accuracy is not None
        ends.append(module[1].weight.detach().clone())
    assert not torch.equal(*ends)
