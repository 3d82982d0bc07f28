from argparse import Namespace

import pytest
import torch
from torch import nn

import brittle
from benchmarks import blackbox, classics
from benchmarks.contest import Contest, measure, ours, table


class Brightness(nn.Module):
    """Class 1 where the image is brighter than a half."""

    def forward(self, images):
        mean = images.flatten(1).mean(1, keepdim=True)
        return torch.cat([0.5 - mean, mean - 0.5], 1)


OPTIONS = Namespace(skip="left out", slow="lazy", slow_images=1, clock="cpu")
IMAGES, LABELS = torch.tensor([0.4, 0.3])[:, None, None, None].expand(2, 1, 2, 2).clone(), torch.tensor([0, 0])


def lighter(module, images, labels, targets):
    module(images)
    return images + 0.3


def idle(module, images, labels, targets):
    return images


@pytest.mark.parametrize("name", [*classics.contests(), *blackbox.contests()])
def test_everybody_is_compared_with_us(name):
    first, *others = (classics.contests() | blackbox.contests())[name].contenders
    assert first.startswith("brittle")
    assert others


def test_a_contest_judges_counts_and_compares_on_the_same_images():
    contest = Contest(2, "brighter", {"ours": lighter, "lazy": lighter, "idle": idle, "left out": idle})
    first, lazy, nothing = measure(contest, Brightness(), IMAGES, LABELS, OPTIONS)
    assert (first.images, first.success, first.forward) == (2, 1.0, 1.0)
    assert first.median == pytest.approx(0.6)
    assert (lazy.images, lazy.median, lazy.ours) == (1, pytest.approx(0.6), pytest.approx(0.6))
    assert (nothing.success, nothing.median) == (0.0, float("inf"))
    assert "| lazy | 1 | 100.0% | 0.6 | 0.6 | 0.6 |" in table(contest, [first, lazy, nothing])


def test_an_aimed_contest_wants_the_class_after_the_label():
    wanted, wrong = (
        measure(Contest(2, "aimed", {"ours": lighter}, aimed=True), Brightness(), images, labels, OPTIONS)[0]
        for images, labels in ((IMAGES, LABELS), (IMAGES - 0.3, LABELS))
    )
    assert (wanted.success, wrong.success) == (1.0, 0.0)


def test_an_attack_of_ours_takes_part():
    contest = Contest(2, "DeepFool", {"brittle": ours(brittle.DeepFool(), brittle.Lp(2))})
    (line,) = measure(contest, Brightness(), IMAGES, LABELS, OPTIONS)
    assert line.success == 1.0
    assert line.backward > 0
