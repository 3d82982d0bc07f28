"""Invalid radii are refused before anything is written, and unusual ones are said to be."""

import numpy as np
import pytest
import torch

from brittle import InputError, Lp
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.radius import unusual_radius
from brittle.evaluation.universal import universal
from brittle.models import Network
from brittle.report import write_report
from brittle.runs.summary import summarise


def refused(norm, eps, match, tmp_path, command):
    with pytest.raises(InputError, match=match):
        command("digits-lenet", "digits", tmp_path / "out", norm=norm, eps=eps, max_images=20)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [audit, universal])
def test_more_than_any_change_is_refused_before_anything_is_written(tmp_path, command):
    refused("linf", 8.0, "write 8/255 for 8 levels of 255", tmp_path, command)
    refused("l2", 28.1, r"at most 28\)", tmp_path, command)


def test_no_change_at_all_is_refused(tmp_path):
    refused("linf", 0.0, "allows no change.*above 0", tmp_path, audit)
    refused("linf", 0.0, "allows no change.*above 0", tmp_path, lambda *a, **k: attack(*a, attack="pgd", **k))
    refused("linf", float("nan"), "eps is nan; expected a number", tmp_path, audit)
    with pytest.raises(InputError, match="radius above 0"):
        universal("digits-lenet", "digits", tmp_path / "v", eps=0.0, max_images=20)


def test_a_radius_unlike_the_usual_one_is_said(tmp_path):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 2))
    np.savez(tmp_path / "grey.npz", images=np.full((4, 1, 28, 28), 128, np.uint8), labels=np.array([0, 1, 0, 1]))
    network = Network("test", module, "0" * 64, (1, 28, 28), ("a", "b"))
    folder = audit(network, str(tmp_path / "grey.npz"), tmp_path / "run", attacks=["fgsm"])
    (said,) = summarise(folder).notes
    assert said.startswith("the linf radius 8/255 is 9.6 times smaller than 0.3")
    assert "9.6 times smaller" in write_report(folder.path).read_text()


@pytest.mark.parametrize(
    ("radius", "shape", "said"),
    [
        (8 / 255, (1, 28, 28), "9.6 times smaller than 0.3, the usual one for images of 1x28x28 such as MNIST"),
        (0.3, (3, 32, 32), "9.6 times larger than 8/255"),
        (0.07, (3, 224, 224), "4.5 times larger than 4/255"),
        (0.3, (1, 28, 28), None),
        (8 / 255, (3, 32, 32), None),
        (4 / 255, (3, 227, 227), None),
        (0.1, (1, 28, 28), None),
        (8 / 255, (1, 8, 8), None),
    ],
)
def test_the_usual_radius_of_well_known_data(radius, shape, said):
    told = unusual_radius(Lp("inf"), radius, shape)
    assert (said in told[0]) if said else told == []


@pytest.mark.parametrize(
    ("norm", "radius", "shape", "said"),
    [
        ("l2", 0.3, (1, 28, 28), "6.7 times smaller than 2, the usual one for images of 1x28x28 such as MNIST"),
        ("l2", 4 / 255, (3, 224, 224), "such as ImageNet: --eps 3; 4/255 is usual in linf: --norm linf"),
        ("l1", 8 / 255, (3, 32, 32), "such as CIFAR-10: --eps 12; 8/255 is usual in linf: --norm linf"),
        ("l1", 1.0, (1, 28, 28), "10 times smaller than 10"),
        ("l1", 1.0, (3, 224, 224), None),
        ("l2", 1.5, (1, 28, 28), None),
        ("l0", 100, (1, 28, 28), None),
    ],
)
def test_the_usual_radii_of_other_norms(norm, radius, shape, said):
    told = unusual_radius(Lp(norm), radius, shape)
    assert (said in told[0]) if said else told == []


def test_a_radius_that_nobody_asked_for_is_compared_strictly():
    (told,) = unusual_radius(Lp("inf"), 8 / 255, (3, 224, 224), asked=False)
    assert "2 times larger than 4/255" in told
    assert unusual_radius(Lp("inf"), 8 / 255, (3, 32, 32), asked=False) == []
