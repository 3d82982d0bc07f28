"""A small study that counts its work; folders of a few digits and of a network, laid out as the studies read them."""

import pytest
from counting_study import Counting
from digit_files import write_digits

from brittle.models import ARCHITECTURES
from brittle.training.named import seeded
from brittle.training.weights import save_weights


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
    """A LeNet for MNIST with its weights as drawn: it gets some of the digits right."""
    folder = tmp_path_factory.mktemp("models")
    save_weights(folder / "lenet-mnist.safetensors", seeded(ARCHITECTURES["lenet-mnist"].build, 0), {})
    return folder
