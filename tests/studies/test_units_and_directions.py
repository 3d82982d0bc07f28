"""What units and directions of a layer answer to, on layers of which everything is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from brittle import Classifier, InputError
from brittle.metrics import Estimate, class_entropy
from brittle.studies import run_study
from brittle.studies.bench.drawing import Picture
from brittle.studies.units import directions
from brittle.studies.units.answers import answers, largest, living_units
from brittle.studies.units.directions import LAYERS

LENET = LAYERS[0].row


def test_a_layer_of_planes_answers_with_the_mean_of_each():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    network[0].weight.data = torch.tensor([1.0, -2.0]).reshape(2, 1, 1, 1)
    network[0].bias.data = torch.tensor([0.0, 1.0])
    images = torch.rand(5, 1, 4, 4)
    found = answers(Classifier(network.train()), "1", images.split(2))
    expected = torch.stack([images.mean((1, 2, 3)), (1 - 2 * images).clamp_min(0).mean((1, 2, 3))], 1)
    torch.testing.assert_close(found, expected)
    assert network.training


def test_a_layer_that_is_not_there_and_no_images_are_errors():
    network = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
    with pytest.raises(InputError, match="no layer 'nothing'"):
        answers(network, "nothing", [torch.rand(1, 1, 2, 2)])
    with pytest.raises(InputError, match="no images"):
        answers(network, "1", [])


def test_the_images_with_the_largest_answers_are_found():
    given = torch.tensor([[0.0, 1.0], [3.0, 0.0], [2.0, 2.0]])
    assert largest(given, torch.tensor([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]]), 2).tolist() == [[1, 2], [2, 1], [0, 2]]
    with pytest.raises(InputError, match="there are 3 images; expected at least 4"):
        largest(given, torch.eye(2), 4)


def test_a_dead_unit_is_left_out():
    assert living_units(torch.tensor([[0.0, 1.0, 2.0], [0.0, 2.0, 2.0]])).tolist() == [1]


@pytest.fixture
def result(few_digits, models, tmp_path):
    few = [replace(layer, origin=replace(layer.origin, images=12)) for layer in LAYERS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(directions, "LAYERS", few)
        patch.setattr(directions, "DRAWN", 10)
        yield run_study("units-and-directions", tmp_path, data=few_digits, models=models)


def test_each_layer_has_numbers_and_a_sheet(result):
    for layer in (LAYERS[0], LAYERS[1]):
        for column in ("entropy.units", "entropy.directions", "entropy.chance", "alike.units", "alike.difference"):
            assert isinstance(result.entry(layer.row, column).measured, Estimate)
    sheets = [one for one in result.figures if isinstance(one, Picture)]
    assert [one.title.partition(":")[0] for one in sheets] == [LAYERS[0].row, LAYERS[1].row]
    units, others = (result.entry(LENET, f"entropy.{kind}").measured for kind in ("units", "directions"))
    assert result.entry(LENET, "entropy.difference").measured.value == pytest.approx(units.value - others.value)
    assert units.n == 10


def test_networks_that_are_not_given_are_said(result):
    notes = {row.key: " ".join(row.notes) for row in result.rows}
    entry = result.entry(LAYERS[2].row, "entropy.units")
    assert "mobilenet_v2_1.0_224.pt2" in notes[LAYERS[2].row] + str(entry.measured) + entry.note


def test_images_of_one_class_have_less_entropy_than_chance():
    """Units that are made for a class find its images, and numbers say so."""
    labels = torch.arange(40) % 4
    given = torch.nn.functional.one_hot(labels, 4).float() + 0.1 * torch.rand(40, 4)
    chosen = labels[largest(given, torch.eye(4), 8)]
    assert (chosen == torch.arange(4)[:, None]).all()
    assert np.all(class_entropy(chosen.numpy()) == 0)
