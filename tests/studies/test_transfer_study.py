"""The study of transfer on linear networks and a few digits."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from brittle.data import Fit, open_source
from brittle.metrics import Estimate
from brittle.models import Network
from brittle.studies import run_study
from brittle.studies.bench.drawing import HeatMap
from brittle.studies.shared import photographs
from brittle.studies.shared.photographs import SAMPLE
from brittle.studies.shared.views import MOBILENET_128, MOBILENET_V2
from brittle.studies.transfer import matrix, networks
from brittle.studies.transfer.matrix import METHODS, OTHERS, ROWS, TOGETHER, Made

IMAGES = 24
SHORT = (MOBILENET_V2, MOBILENET_128)


def fitted(data):
    """Return what opens linear networks that get all the digits right, from images of two sizes."""

    def opened(spec, device="cpu"):
        side = 8 if Path(spec).name == MOBILENET_128.spec else 10
        (block,) = open_source(str(data / SAMPLE), fit=Fit(3, side, side)).blocks(100)
        wanted = torch.nn.functional.one_hot(block.labels, 10).double() * 10
        layer = nn.Linear(3 * side * side, 10, bias=False)
        layer.weight.data = torch.linalg.lstsq(
            block.images.flatten(1).double(), wanted, driver="gelsd"
        ).solution.T.float()
        return Network(spec, nn.Sequential(nn.Flatten(), layer), f"digest {spec}", (3, side, side), (), 9)

    return opened


@pytest.fixture(scope="module")
def study(few_digits, tmp_path_factory):
    data, models = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("models")
    (data / SAMPLE).parent.mkdir()
    pq.write_table(pq.read_table(few_digits / "mnist/train.parquet").slice(0, 60), data / SAMPLE)
    for view in SHORT:
        (models / view.spec).touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photographs, "open_network", fitted(data))
        patch.setattr(matrix, "IMAGES", {"small": IMAGES})
        patch.setattr(networks, "SIZE", 10)
        yield lambda folder: run_study("transfer", folder, data=data, models=models)


@pytest.fixture(scope="module")
def result(study, tmp_path_factory):
    return study(tmp_path_factory.mktemp("study"))


def test_every_pair_of_networks_that_are_given_has_a_rate(result):
    for made in ROWS:
        for view in matrix.VIEWS:
            entry = result.entry(made.row, view.row)
            given = view in SHORT and (made.source == OTHERS or made.source in [one.row for one in SHORT])
            assert isinstance(entry.measured, Estimate) == given, (made, view.row)


def test_a_network_is_broken_most_by_what_is_made_on_itself(result):
    own = result.entry(Made("I-FGSM", MOBILENET_V2.row).row, MOBILENET_V2.row).measured
    other = result.entry(Made("I-FGSM", MOBILENET_128.row).row, MOBILENET_V2.row).measured
    assert own.value == 1.0 >= other.value
    assert own.n == IMAGES >= other.n


def test_with_two_networks_all_others_are_the_other_one(result):
    for method in TOGETHER:
        ensemble = result.entry(Made(method, OTHERS).row, MOBILENET_V2.row).measured
        assert ensemble == result.entry(Made(method, MOBILENET_128.row).row, MOBILENET_V2.row).measured


def test_each_method_has_a_drawing_of_all_rows(result):
    drawings = [one for one in result.figures if isinstance(one, HeatMap)]
    assert [one.title for one in drawings] == list(METHODS)
    assert [len(one.rows) for one in drawings] == [2 + (method in TOGETHER) for method in METHODS]
    value = result.entry(Made("DI-FGSM", MOBILENET_128.row).row, MOBILENET_V2.row).measured.value
    assert drawings[list(METHODS).index("DI-FGSM")].values[1][0] == value


def test_nothing_is_done_twice(study, result):
    again = study(result.folder.parent)
    assert again.computed == 0
    assert again.entries == result.entries


def test_without_networks_each_row_says_what_is_missing(few_digits, tmp_path):
    bare = run_study("transfer", tmp_path, data=few_digits, models=None)
    assert bare.computed == 0
    notes = " ".join(" ".join(row.notes) for row in bare.rows)
    entry = bare.entry(ROWS[0].row, MOBILENET_V2.row)
    assert "--models" in notes + str(entry.measured) + entry.note
