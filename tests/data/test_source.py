from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from brittle.data import Bad, Fit, Source
from brittle.data.order import balanced_order
from brittle.data.source import Item
from brittle.errors import BadImage, InputError, LabelError


class Counted(Source):
    """Eleven images whose value is their index; says which it decoded; some are bad."""

    classes = ("even", "odd")
    total = 11

    def __init__(self, bad: tuple[int, ...] = (), **options):
        super().__init__("counted", **options)
        self.decoded: list[int] = []
        self.broken = bad
        self.read = 0

    def load(self, index: int) -> np.ndarray:
        self.decoded.append(index)
        if index in self.broken:
            raise BadImage(f"n{index}", "torn")
        return np.full((1, 2, 2), index / 11, dtype=np.float32)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        for index in range(start, stop):
            yield Item(index, f"n{index}", index % 2, partial(self.load, index))

    def content(self) -> Iterator[bytes]:
        self.read += 1
        yield b"abc"


def test_blocks_hold_consecutive_images():
    blocks = list(Counted().blocks(4))
    assert [block.index.tolist() for block in blocks] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    last = blocks[-1]
    assert last.images.dtype == torch.float32
    assert last.labels.dtype == last.index.dtype == torch.int64
    assert last.labels.tolist() == [0, 1, 0]
    assert last.names == ("n8", "n9", "n10")
    assert torch.allclose(last.images[:, 0, 0, 0] * 11, torch.tensor([8.0, 9.0, 10.0]))
    assert len(last) == 3


def test_a_later_start_decodes_nothing_before_it_and_one_block_at_a_time():
    source = Counted()
    stream = source.blocks(3, start=6)
    assert source.decoded == []
    next(stream)
    assert source.decoded == [6, 7, 8]
    assert [block.index.tolist() for block in stream] == [[9, 10]]
    assert list(source.blocks(3, start=11)) == []


def test_limit():
    source = Counted(max_images=5)
    assert len(source) == 5
    assert [len(block) for block in source.blocks(3)] == [3, 2]
    assert len(Counted(max_images=100)) == 11
    with pytest.raises(InputError, match="max_images=0"):
        Counted(max_images=0)


def test_a_bad_image_stops_the_stream_and_is_named():
    with pytest.raises(BadImage, match="'n5' cannot be read: torn"):
        list(Counted(bad=(5,)).blocks(4))


def test_bad_images_are_left_out_keep_their_number_and_are_listed_once():
    source = Counted(bad=(1, 4, 5, 6, 7), skip_bad=True)
    blocks = list(source.blocks(4))
    assert [block.index.tolist() for block in blocks] == [[0, 2, 3], [], [8, 9, 10]]
    assert blocks[1].images.shape == (0, 1, 2, 2)
    assert len(source) == 11
    list(source.blocks(4))
    assert [bad.index for bad in source.bad] == [1, 4, 5, 6, 7]
    assert source.bad[0] == Bad(1, "n1", "torn")


def test_an_empty_first_block_has_the_shape_of_the_fit():
    assert next(Counted(bad=(0,), skip_bad=True, fit=Fit(3, 4, 5)).blocks(1)).images.shape == (0, 3, 4, 5)


def test_wrong_calls():
    with pytest.raises(InputError, match="size=0"):
        Counted().blocks(0)
    with pytest.raises(InputError, match="start=12 is outside this source of 11"):
        Counted().blocks(1, start=12)


def test_images_of_different_size_name_the_way_out():
    class Growing(Counted):
        def load(self, index: int) -> np.ndarray:
            return np.zeros((1, 2, 2 + index // 3), dtype=np.float32)

    with pytest.raises(InputError, match=r"'n0' is 2 x 2 pixels.*'n3' is 2 x 3 pixels.*--size 224"):
        list(Growing().blocks(2))
    assert sum(len(block) for block in Growing(fit=Fit(1, 4, 4)).blocks(2)) == 11


def test_labels_outside_the_classes():
    class Mislabelled(Counted):
        def items(self, start: int, stop: int) -> Iterator[Item]:
            return (Item(i, f"n{i}", self.wrong, partial(self.load, i)) for i in range(start, stop))

    source = Mislabelled()
    source.wrong = 2
    with pytest.raises(LabelError, match=r"'n0' \(number 0\) has label 2; expected 0\.\.1, as there are 2 classes"):
        next(source.blocks(1))
    source.wrong = -1
    with pytest.raises(LabelError, match="unlabelled images: take another split"):
        next(source.blocks(1))
    source.classes = ()
    source.wrong = 2
    assert len(next(source.blocks(1))) == 1


def test_digest_is_computed_once():
    source = Counted()
    assert source.digest() == source.digest() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert source.read == 1


def test_balanced_order_is_a_fixed_shuffle_in_rounds():
    labels = [0] * 50 + [1] * 30 + [2] * 20
    names = [f"image {i}" for i in range(100)]
    order = balanced_order(labels, names)
    assert sorted(order) == list(range(100))
    assert sorted(labels[i] for i in order[:60]) == [0] * 20 + [1] * 20 + [2] * 20
    assert [labels[i] for i in order[:12]] != [0, 1, 2] * 4
    zeros = [i for i in order if labels[i] == 0]
    assert any(a > b for a, b in pairwise(zeros))
    assert order[:4] == balanced_order(labels, names)[:4]
    backwards = balanced_order(labels[::-1], names[::-1])
    assert [names[::-1][i] for i in backwards] == [names[i] for i in order]
