"""A small study that counts its work; folders of a few digits and of a network, laid out as the studies read them."""

import pytest
import torch
from counting_study import Counting
from digit_files import write_digits

from brittle.models import ARCHITECTURES
from brittle.training.named import seeded
from brittle.training.weights import save_weights

OWN = """
from brittle.errors import DataError
from brittle.metrics import proportion
from brittle.studies import Cell, Column, Measured, Row, Study

def cell(row, hits, setting):
    def compute():
        if row == "c":
            raise DataError("c lacks images")
        return Measured({"rate": proportion(hits, 8)}, {"rate": "noted"}, "remarked")
    return Cell(row, "rate", compute, lambda: {"row": row, "seed": setting.seed})

STUDY = Study("own", "Own", "", lambda setting: [cell(row, hits, setting) for hits, row in enumerate("abc")],
    tuple(Row(row) for row in "abc"), (Column("rate", "rate", "percent", "sheet"),), lambda row, column: None)
"""


@pytest.fixture
def counting():
    return Counting()


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory):
    """Digits under the names of MNIST and, coloured, of CIFAR-10."""
    folder = tmp_path_factory.mktemp("few-digits")
    for name, side, mode, train in (("mnist", 28, "L", 128), ("cifar10", 32, "RGB", 6)):
        write_digits(folder / name / "train.parquet", "train", train, side, mode)
        write_digits(folder / name / "test.parquet", "test", 12, side, mode)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Networks for MNIST with their weights as drawn: each gets some of the digits right."""
    folder = tmp_path_factory.mktemp("models")
    for name, louder in (("lenet-mnist", 1), ("mnist-a", 1), ("mnist-carlini", 2)):
        module = seeded(ARCHITECTURES[name].build, 0)
        with torch.no_grad():
            for weight in module.parameters():
                weight.mul_(louder)  # six layers as drawn leave logits that hardly differ
        save_weights(folder / f"{name}.safetensors", module, {})
    return folder


@pytest.fixture
def own_study(tmp_path):
    """A study in a file: two cells, and a third one that lacks images as it is computed."""
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return f"{path}:STUDY"
