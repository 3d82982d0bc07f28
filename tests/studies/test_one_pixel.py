"""The one-pixel study on a network whose weak spots are known, and the table that says what is missing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from brittle import OnePixel
from brittle.errors import DataError
from brittle.metrics import Estimate
from brittle.models import Network
from brittle.studies import Setting, run_study
from brittle.studies.bench.drawing import Curves, HeatMap, Picture
from brittle.studies.one_pixel import sizes
from brittle.studies.one_pixel.attacked import Accuracy, AwayByOne, ByPixels
from brittle.studies.one_pixel.drawings import SHOWN
from brittle.studies.one_pixel.sizes import LENET, SMALL_PICTURES, Size
from brittle.studies.one_pixel.table import ONE_PIXEL
from brittle.studies.shared.subject import Benchmark

ORIGIN = next(origin for origin in SMALL_PICTURES if origin.row == LENET)


class Weak(nn.Module):
    """Right on the images it knows; a red pixel leads to class 1 and a blue one to class 2, on grey images."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor):
        super().__init__()
        self.register_buffer("known", images.flatten(1))
        self.register_buffer("label", nn.functional.one_hot(labels, 10).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = (-torch.cdist(x.flatten(1), self.known)).softmax(1) @ self.label * 50
        red = (x[:, 0] - x[:, 2]).flatten(1)
        logits[:, 1] += 500 * (red.amax(1) - 0.5).clamp_min(0)
        logits[:, 2] += 500 * ((-red).amax(1) - 0.5).clamp_min(0)
        return logits


@pytest.fixture
def subject(few_digits, tmp_path, monkeypatch):
    monkeypatch.setitem(sizes.SIZES["small"], LENET, Size(15, OnePixel(population=24, generations=1)))
    subject = Benchmark(ORIGIN, Setting(few_digits, None, "small", "cpu", 0, tmp_path))
    empty = Network("weak", nn.Identity(), "0" * 64, (3, 32, 32))
    subject.__dict__["network"] = empty
    block = next(subject.source.blocks(12))
    subject.__dict__["network"] = replace(empty, module=Weak(block.images, block.labels))
    return subject


def labels_of(subject):
    return next(subject.source.blocks(12)).labels.numpy()


def test_the_figures_are_those_of_the_weak_spots(subject):
    measured = ByPixels(subject, 1).measure()
    labels, values = labels_of(subject), measured.values
    reachable = 2 - np.isin(labels, (1, 2))
    assert values["1.images"] == "12"
    assert values["1.targeted"].value == pytest.approx((reachable / 9).mean())
    assert values["1.targeted"].n == 12
    assert values["1.classes"].value == pytest.approx(reachable.mean())
    assert values["1.any"].value == 1
    assert values["1.direct"].value == 1
    assert values["1.confidence"].value > 0.9
    unsolved = 24 * 2 + 2
    assert 0.7 * unsolved < values["1.queries"].value <= unsolved


def test_the_drawings_show_them(subject):
    pairs, classes, places, examples = ByPixels(subject, 1).measure().figures
    labels = labels_of(subject)
    assert isinstance(pairs, HeatMap)
    for row, counts in enumerate(pairs.values):
        attacked = (labels == row).sum()
        for column, count in enumerate(counts):
            wanted = attacked if column in (1, 2) else 0
            assert count == (None if row == column or not attacked else wanted)
    assert isinstance(classes, Curves)
    (x, fraction) = classes.lines["one pixel"]
    assert list(x) == list(range(10))
    few = np.isin(labels, (1, 2)).mean()
    assert list(fraction) == pytest.approx([0, few, 1 - few, *[0] * 7])
    assert isinstance(places, Picture)
    assert isinstance(examples, Picture)
    assert f"{int(labels[0])} as " in examples.text
    assert examples.text.count(" as ") == SHOWN  # more than one of some images


def test_a_photograph_is_led_away_from_its_label_alone(subject):
    values = AwayByOne(subject).measure().values
    assert values["1.images"] == "12"
    assert values["1.direct"].value == 1
    assert values["1.confidence"].value > 0.9
    assert values["1.queries"].value <= 24 * 2 + 2
    stands = subject.network.module
    stands.forward = lambda x: (-torch.cdist(x.flatten(1), stands.known)).softmax(1) @ stands.label * 50
    values = AwayByOne(subject).measure().values
    assert (values["1.direct"].value, values["1.confidence"]) == (0, "no success")


def test_a_network_that_stands_has_no_pictures(subject):
    stands = subject.network.module
    stands.forward = lambda x: (-torch.cdist(x.flatten(1), stands.known)).softmax(1) @ stands.label * 50
    measured = ByPixels(subject, 1).measure()
    assert measured.values["1.any"].value == 0
    assert measured.values["1.confidence"] == "no success"
    assert [type(one) for one in measured.figures] == [HeatMap, Curves]


def test_only_images_that_are_right_are_attacked(subject):
    weak = subject.network.module
    weak.label[:5] = weak.label[:5].roll(1, 1)
    measured = ByPixels(subject, 3).measure()
    assert measured.values["3.images"] == "7"
    assert measured.figures == ()
    accuracy = Accuracy(subject)
    subject.story = lambda: "made up"
    assert accuracy.measure().values["accuracy"].value == pytest.approx(7 / 12)
    weak.label.copy_(weak.label.roll(1, 1))
    with pytest.raises(DataError, match="gets none of the 12 test images right"):
        ByPixels(subject, 1).measure()


def test_what_determines_a_cell_is_in_its_identity(subject):
    small = ByPixels(subject, 1).identity()
    assert small["size"]["attack"]["population"] == 24
    assert small["size"]["images"] == 15
    assert small != ByPixels(subject, 3).identity()
    subject.setting = replace(subject.setting, scale="paper")
    paper = ByPixels(subject, 1).identity()
    assert paper["size"]["attack"]["population"] == 400
    assert paper["size"]["attack"]["generations"] == 100
    assert paper["size"]["images"] == 500


def test_the_table_without_networks_has_every_published_figure(tmp_path):
    result = run_study("one-pixel", tmp_path)
    assert result.computed == 0
    published = {
        ("AllConv (CIFAR-10)", "1.targeted"): 19.82,
        ("AllConv (CIFAR-10)", "accuracy"): 85.6,
        ("NiN (CIFAR-10)", "1.any"): 71.66,
        ("VGG16 (CIFAR-10)", "1.confidence"): 67.67,
        ("BVLC AlexNet (ImageNet)", "1.direct"): 16.04,
        ("BVLC AlexNet (ImageNet)", "1.confidence"): 22.91,
        ("BVLC AlexNet (ImageNet)", "accuracy"): 57.3,
        ("Three and five pixels (CIFAR-10)", "3.targeted"): 40.57,
        ("Three and five pixels (CIFAR-10)", "5.any"): 86.34,
        ("Three and five pixels (CIFAR-10)", "5.confidence"): 77.09,
        ("ResNet-32 (CIFAR-10)", "1.targeted"): 19.82,
        ("LeNet (CIFAR-10), more pixels", "3.any"): 86.53,
        ("SqueezeNet 1.0 (ImageNet)", "1.direct"): 16.04,
    }
    for (row, column), figure in published.items():
        assert result.entry(row, column).published == figure
    of_the_paper = {row.key for row in ONE_PIXEL.rows if not row.stands_for}
    shown = [row for (row, _), entry in result.entries.items() if entry.published is not None]
    assert sum(row in of_the_paper for row in shown) == 3 * 4 + 3 + 6
    notes = {row.key: " ".join(row.notes) for row in result.rows}
    assert "needs cifar10_lenet.pt2: give the folder that holds it with --models" in notes["LeNet (CIFAR-10)"]
    assert "needs allconv-cifar.safetensors" in notes["AllConv (CIFAR-10)"]
    assert not any(isinstance(entry.measured, Estimate) for entry in result.entries.values())
