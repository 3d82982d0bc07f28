"""Errors of the user's own attack, threat, network or source: whose they are, where, and what was raised."""

import inspect
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from brittle import FGSM, PGD, Attack, Classifier, InputError, Lp, ModelError, OwnCodeFailed, Restarts, run
from brittle.cli import main
from brittle.core.attack import State, Stepwise
from brittle.data.source import Item, Source
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.train import train
from brittle.evaluation.universal import universal
from brittle.universal_attacks.ascent import UniversalAscent

HERE = Path(__file__).name
DATA = (np.linspace(0, 255, 4 * 4).reshape(4, 2, 2).astype(np.uint8), np.zeros(4, int))


class Kept(nn.Module):
    """Class 0 for every image, by a margin that depends on it."""

    def forward(self, images):
        return torch.stack([2 + images.flatten(1).sum(1), 1 - images.flatten(1).sum(1)], 1)


@dataclass(frozen=True)
class Fails(Attack):
    """An attack that raises an error."""

    def perturb(self, problem):
        {}["missing"]


@dataclass(frozen=True)
class ReturnsNothing(Stepwise):
    """An attack whose step returns no state."""

    def start(self, problem):
        return State(problem.images)

    def step(self, problem, state, probe):
        return None

    def length(self, problem):
        return 2


@dataclass(frozen=True)
class Cuts(Attack):
    """An attack that asks about a part of the images."""

    def perturb(self, problem):
        problem.probe(problem.images[:, :, :1])


@dataclass(frozen=True)
class Falls(UniversalAscent):
    """A universal attack that raises an error."""

    def start(self, problem):
        raise ZeroDivisionError("nought")


class OddThreat(Lp):
    """A threat that raises an error."""

    name, generic = "odd", True

    def __init__(self, radius, p="inf"):
        super().__init__(p, radius)

    def project(self, clean, moved):
        raise ZeroDivisionError("nought")


class Flat(OddThreat):
    """A threat that loses a side of the images."""

    def apply(self, clean, moved, bounds):
        return moved[:, :, 0]


class Fallen(nn.Module):
    """A network that raises an error."""

    def forward(self, images):
        return {}["weights"]


class Gone(Source):
    """A source that raises an error."""

    def __init__(self):
        super().__init__("gone")
        self.total = 3

    def items(self, start, stop):
        yield Item(0, "a", 0, lambda: np.zeros((1, 2, 2), np.float32))
        raise OSError("the disk is gone")

    def content(self):
        yield b""


def line_of(function, text):
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


def audited(out, *attacks, data=DATA, network=Kept, norm="linf"):
    return audit(network(), data, out, attacks=attacks, norm=norm, eps=None if isinstance(norm, Lp) else 0.1)


def trained(out):
    return train("digits-lenet", (np.zeros((10, 28, 28), np.uint8), np.arange(10)), out, attack=Fails(), eps=0.1)


@pytest.mark.usefixtures("few_checks")
@pytest.mark.parametrize(
    ("call", "whose", "what", "place"),
    [
        (lambda out: audited(out, Fails()), "attack Fails", "KeyError: 'missing'", Fails.perturb),
        (lambda out: audited(out, Restarts(Fails())), "attack Fails", "KeyError: 'missing'", Fails.perturb),
        (lambda out: attack(Kept(), DATA, out, attack=Fails()), "attack Fails", "KeyError: 'missing'", Fails.perturb),
        (trained, "attack Fails", "KeyError: 'missing'", Fails.perturb),
        (lambda out: universal(Kept(), DATA, out, attack=Falls()), "universal attack Falls", "Zero", Falls.start),
        (lambda out: audited(out, PGD(), norm=OddThreat(0.1)), "threat OddThreat", "Zero", OddThreat.project),
        (lambda out: audited(out, FGSM(), data=Gone()), "source Gone", "OSError: the disk is gone", Gone.items),
    ],
)
def test_the_error_names_whose_it_is_where_and_what(call, whose, what, place, tmp_path):
    with pytest.raises(OwnCodeFailed) as caught:
        call(tmp_path / "out")
    said = str(caught.value)
    line = line_of(place, "raise" if "raise" in inspect.getsource(place) else "{}")
    assert said.startswith(f"the {whose} raised {what}")
    assert f"{HERE}, line {line}, in {place.__qualname__}; mend it there" in said


def test_an_attack_whose_method_returns_the_wrong_thing_is_named_with_its_class(tmp_path):
    with pytest.raises(OwnCodeFailed, match=r"^the attack ReturnsNothing \(.*, line \d+\) does not work \(Attr"):
        audited(tmp_path / "out", ReturnsNothing())


def test_a_network_that_fails_is_named_with_its_line(tmp_path):
    line = line_of(Fallen.forward, "{}")
    with pytest.raises(ModelError, match=rf"KeyError: 'weights', in .*{HERE}, line {line}, in Fallen.forward"):
        audited(tmp_path / "out", FGSM(), network=Fallen)
    with pytest.raises(ModelError, match=rf"\(Fallen\).*KeyError: .*{HERE}, line {line}, in Fallen.forward"):
        Classifier(Fallen()).logits(torch.zeros(1, 1, 2, 2))


def test_who_asks_about_points_of_another_shape_is_named_and_not_the_network():
    images, labels = torch.rand(2, 1, 2, 2), torch.zeros(2, dtype=torch.int64)
    line = line_of(Cuts.perturb, "problem.probe")
    with pytest.raises(
        InputError, match=rf"^Cuts asked .* \(2, 1, 1, 2\); expected \(2, 1, 2, 2\).*{HERE}, line {line}"
    ):
        run(Restarts(Cuts()), Classifier(Kept()), images, labels, threat=Lp(2))
    with pytest.raises(InputError, match=r"^Flat.apply turned points of shape \(2, 1, 2, 2\) into \(2, 1, 2\)"):
        run(PGD(steps=1), Classifier(Kept()), images, labels, threat=Flat(0.1))


def test_an_error_of_nobodys_stays_as_it_is(tmp_path, monkeypatch):
    def broken(self, problem):
        {}["a fault of brittle's"]

    broken.__globals__["__name__"], before = "brittle.attacks.fgsm", __name__
    try:
        monkeypatch.setattr(FGSM, "perturb", broken)
        with pytest.raises(KeyError, match="a fault of brittle's"):
            audited(tmp_path / "out", FGSM())
    finally:
        broken.__globals__["__name__"] = before


@pytest.mark.parametrize("debug", [False, True])
def test_the_command_ends_as_refused_and_shows_the_way_where_that_is_asked_for(debug, tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(
        "from brittle import Attack\nclass Mine(Attack):\n    def perturb(self, problem):\n        {}['x']\n"
    )
    monkeypatch.chdir(tmp_path)
    words = [
        "audit",
        "digits-lenet",
        "--data",
        "digits",
        "--max-images",
        "2",
        "--attack",
        "mine.py:Mine",
        "--eps",
        "0.1",
    ]
    monkeypatch.setattr("sys.argv", ["brittle", *["--debug"] * debug, *words, "--out", "out"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "error: the attack Mine raised KeyError: 'x', in mine.py, line 4, in Mine.perturb; mend it there" in said
    assert ("Traceback" in said) == debug
