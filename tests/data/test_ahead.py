"""Blocks read one ahead: the same images, and the next is there while the first is worked on."""

import threading

import pytest
import torch
from PIL import Image

from brittle.data import open_source
from brittle.data.ahead import Ahead
from brittle.data.folder import Folder
from brittle.data.memory import Memory
from brittle.errors import BadImage
from brittle.limits import current, use_limits


@pytest.fixture
def folder(tmp_path):
    for number in range(7):
        Image.new("L", (3, 3), 30 * number).save(tmp_path / f"{number}.png")
    return tmp_path


def following(count):
    return {number: number + 1 for number in range(count - 1)}


def test_the_blocks_are_those_of_the_source(folder):
    source = open_source(str(folder))
    ahead = Ahead(source, 2, following(4))
    for number, block in enumerate(source.blocks(2)):
        assert torch.equal(ahead.block(number).images, block.images)
    assert torch.equal(ahead.block(1).images, Ahead(source, 2).block(1).images), "also in another order"


def test_the_next_is_read_while_one_is_worked_on(folder, monkeypatch):
    read, whole = {number: threading.Event() for number in range(4)}, Folder.blocks

    def blocks(self, size, start=0):
        found = list(whole(self, size, start))
        read[start // size].set()
        return iter(found)

    monkeypatch.setattr(Folder, "blocks", blocks)
    ahead = Ahead(open_source(str(folder)), 2, following(4))
    ahead.block(0)
    assert read[1].wait(60)
    assert not read[2].is_set(), "one and no more"


def test_what_is_wrong_is_raised_where_the_block_is_asked_for(folder):
    (folder / "3.png").write_bytes(b"no picture")
    ahead = Ahead(open_source(str(folder)), 2, following(4))
    assert len(ahead.block(0)) == 2
    with pytest.raises(BadImage, match=r"3\.png"):
        ahead.block(1)
    assert len(ahead.block(2)) == 2


def test_limits_hold_ahead(folder, monkeypatch):
    held, whole = list[int](), Folder.blocks
    monkeypatch.setattr(
        Folder, "blocks", lambda *given, **named: (held.append(current().pixels), whole(*given, **named))[1]
    )
    ahead = Ahead(open_source(str(folder)), 2, following(4))
    with use_limits(pixels=99):
        ahead.block(0)
    ahead.block(1)
    assert held[:2] == [99, 99]


def test_the_users_own_objects_are_read_in_their_thread():
    source = Memory(torch.rand(4, 1, 2, 2), torch.zeros(4, dtype=torch.int64))
    ahead = Ahead(source, 2, following(2))
    ahead.block(0)
    assert ahead._reading is None
