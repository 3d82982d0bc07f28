"""Levels, for arrays and for tensors."""

import numpy as np
import pytest
import torch

from brittle.base.bounds import Bounds
from brittle.maths.quantization import TOP, as_bytes, levels_of, rounded, values_of
from brittle.threats.grid import QuantizationGrid

VALUES = np.random.default_rng(0).random((3, 5, 7)).astype(np.float32)


@pytest.mark.parametrize(("lower", "span", "top"), [(0.0, 1.0, TOP), (-1.0, 2.0, 15), (0.0, 255.0, TOP)])
def test_arrays_and_tensors_get_the_same_bits(lower: float, span: float, top: int):
    values = VALUES * np.float32(span) + np.float32(lower)
    for function in (levels_of, values_of, rounded):
        array, tensor = function(values, lower, span, top), function(torch.from_numpy(values), lower, span, top)
        assert array.dtype == np.float32
        assert np.array_equal(array, tensor.numpy())


def test_what_is_written_as_bytes_is_read_as_the_nearest_level():
    written = as_bytes(VALUES)
    assert written.dtype == np.uint8
    assert torch.equal(as_bytes(torch.from_numpy(VALUES)), torch.from_numpy(written))
    assert np.array_equal(values_of(written.astype(np.float32)), rounded(VALUES))
    assert np.abs(rounded(VALUES) - VALUES).max() <= 0.5001 / TOP


def test_every_byte_comes_back():
    every = torch.arange(256, dtype=torch.uint8)
    for lower, span in ((0.0, 1.0), (-1.0, 2.0), (0.0, 255.0)):
        assert torch.equal(as_bytes(values_of(every.float(), lower, span), lower, span), every)


def test_a_grid_rounds_by_the_same_formula():
    images = torch.from_numpy(VALUES)[None]
    assert torch.equal(QuantizationGrid(16, Bounds(0.0, 1.0)).rounded(images), rounded(images, top=15))
