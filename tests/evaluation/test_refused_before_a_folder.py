"""What can be known to be wrong is refused before a folder is made; one in which nothing was done gives way."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from brittle import FGSM, Attack, DataError, LabelError
from brittle.data import open_source
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.train import train
from brittle.evaluation.universal import universal
from brittle.universal_attacks.ascent import UniversalAscent

pytestmark = pytest.mark.usefixtures("few_checks")

IMAGES = np.linspace(0, 255, 70 * 4).reshape(70, 2, 2).astype(np.uint8)
LABELS = np.arange(70) % 2
WRONG = np.where(np.arange(70) == 66, 12, LABELS)
QUICK = {"attacks": [FGSM()], "eps": 0.1}


def network() -> nn.Module:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    nn.init.constant_(module[1].weight, 0.0)
    nn.init.constant_(module[1].bias, 0.0)
    module[1].weight.data[1] = 1.0
    module[1].bias.data[1] = -2.0
    return module


@dataclass(frozen=True)
class Fails(Attack):
    """Finds nothing, as it ends with an error."""

    def perturb(self, problem):
        raise LabelError("nothing comes of this")


@dataclass(frozen=True)
class FailingAscent(UniversalAscent):
    """Makes nothing, as it ends with an error."""

    def start(self, problem):
        raise LabelError("nothing comes of this")


def digits(tmp_path: Path, labels: Callable[[np.ndarray], np.ndarray] = lambda labels: labels) -> str:
    block = next(open_source("digits").blocks(20))
    path = tmp_path / "digits.npz"
    np.savez(path, images=(block.images.numpy() * 255).astype(np.uint8), labels=labels(block.labels.numpy()))
    return str(path)


@pytest.mark.parametrize(
    "asked",
    [
        lambda out: audit(network(), (IMAGES, WRONG), out, **QUICK),
        lambda out: attack(network(), (IMAGES, WRONG), out, attack="fgsm"),
        lambda out: attack(network(), (IMAGES, LABELS), out, attack="fgsm", target=12),
    ],
)
def test_classes_that_the_network_does_not_have(asked, tmp_path):
    with pytest.raises(LabelError, match=r"image 66 has 12, the network has 2 outputs|the target is 12.*2 outputs"):
        asked(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_labels_of_no_class_of_their_own(tmp_path):
    source = open_source("digits", max_images=9)
    source.classes = source.classes[:5]
    with pytest.raises(LabelError, match=r"has label 7; expected 0..4"):
        source.kinds()


def test_labels_are_counted_as_the_network_does():
    source = open_source("digits", max_images=3).with_classes(range(9, -1, -1), [str(number) for number in range(10)])
    assert [one.tolist() for one in source.labels()] == [[5, 2, 8], [0, 1, 2]]


@pytest.mark.parametrize(
    ("trained", "tested", "error", "message"),
    [
        (lambda labels: labels + 10, None, LabelError, "labels reach from 10"),
        (lambda labels: labels, lambda labels: labels + 1, LabelError, "of the labels are no class of the network"),
        (lambda labels: labels, "noise:3", DataError, "noise:3 has 3 images and no labels; a test needs both"),
    ],
)
def test_labels_that_cannot_be_trained_or_tested_on(trained, tested, error, message, tmp_path):
    (tmp_path / "test").mkdir()
    test = digits(tmp_path / "test", tested) if callable(tested) else tested
    with pytest.raises(error, match=message):
        train("digits-lenet", digits(tmp_path, trained), tmp_path / "out", test=test, epochs=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "call",
    [
        lambda out, own: audit(network(), (IMAGES[:4], LABELS[:4]), out, attacks=[own or FGSM()], eps=0.1),
        lambda out, own: attack(network(), (IMAGES[:4], LABELS[:4]), out, attack=own or FGSM(), eps=0.1),
        lambda out, own: train(
            "digits-lenet",
            (np.zeros((10, 28, 28), np.uint8), np.arange(10)),
            out,
            attack=own or FGSM(),
            eps=0.1,
            epochs=1,
        ),
        lambda out, own: universal(
            *(network(), (IMAGES[:4], LABELS[:4]), out),
            attack=FailingAscent() if own else UniversalAscent(passes=1),
            eps=0.1,
        ),
    ],
)
def test_a_folder_in_which_nothing_was_finished_gives_way(call, tmp_path):
    with pytest.raises(LabelError, match="nothing comes of this"):
        call(tmp_path / "out", Fails())
    call(tmp_path / "out", None)
