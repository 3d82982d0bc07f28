import numpy as np
import pytest
import torch

from brittle.data import Fit, open_source
from brittle.errors import DataError


def test_splits_are_disjoint_and_whole():
    test, train = (next(open_source(spec).blocks(2000)) for spec in ("digits", "digits:train"))
    assert (len(test), len(train)) == (500, 1297)
    assert len({*test.names, *train.names}) == 1797
    assert next(open_source("digits:test").blocks(2000)).names == test.names
    assert test.index.tolist() == list(range(500))


def test_every_prefix_of_tens_is_balanced_and_shuffled():
    block = next(open_source("digits").blocks(500))
    assert all(sorted(ten.tolist()) == list(range(10)) for ten in block.labels.split(10))
    assert block.labels[:10].tolist() != block.labels[10:20].tolist()


def test_the_images_are_the_originals_enlarged():
    from sklearn.datasets import load_digits

    original = load_digits()
    block = next(open_source("digits").blocks(100))
    numbers = [int(name.removeprefix("digits/")) for name in block.names]
    assert np.array_equal(original.target[numbers], block.labels.numpy())
    means = torch.from_numpy(original.images[numbers] / 16).float().mean((1, 2))
    assert (block.images.mean((1, 2, 3)) - means).abs().max() < 0.02
    assert torch.equal(block.images, (block.images * 255).round() / 255)
    assert block.images.max() > 0.9


def test_the_same_everywhere():
    assert open_source("digits").digest() == "0f83e3c2fdfc0e5df445a1208862db01747b46890206b35bf6a4b1125fb3f49b"
    assert open_source("digits", max_images=100).digest() != open_source("digits").digest()


def test_fit_and_unknown_split():
    assert next(open_source("digits", fit=Fit(3, 32, 32)).blocks(4)).images.shape == (4, 3, 32, 32)
    with pytest.raises(DataError, match="no split 'val'; expected digits:train"):
        open_source("digits:val")
