"""Shards: each does its share and no more when it is alone, and helps as long as others are at work."""

import os
import threading

import pytest
from test_engine import COUNT, Square, log, results, until, wanted

from brittle.engine.done import get_done
from brittle.engine.lease import lease
from brittle.engine.shard import ShardEngine, engine_of
from brittle.errors import InputError


class Anybodys(Square):
    turn = None


def squares(folder, **how):
    return [Square(folder, number, **how) for number in range(COUNT)]


def names(parts):
    return [part.name for part in parts]


def test_a_shard_alone_does_its_share_in_order_and_leaves_the_rest(tmp_path):
    told, parts = [], squares(tmp_path)
    engine = ShardEngine(2, 4)
    left = get_done(engine, parts, tmp_path / "leases", told.append)
    assert [number for number, _ in log(tmp_path)] == [1, 5, 9]
    assert names(left) == [part.name for part in parts if part.number % 4 != 1]
    assert told == []
    assert not (tmp_path / "leases").exists()
    assert engine.said(parts, left) == "shard 2 of 4: its 3 of 12 parts are done; 9 are left for the others"


@pytest.mark.parametrize("count", [1, 5, COUNT + 3])
def test_shares_are_every_part_once_and_differ_by_one_at_most(tmp_path, count):
    parts, shards = squares(tmp_path), [ShardEngine(number, count) for number in range(1, count + 1)]
    shares = [[part.number for part in parts if shard.owns(part)] for shard in shards]
    assert sorted(number for share in shares for number in share) == [*range(COUNT)]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_shards_one_after_the_other_do_everything_and_tell_of_what_was_there(tmp_path):
    for number in (1, 2, 3):
        told = []
        left = get_done(ShardEngine(number, 3), squares(tmp_path), tmp_path / "leases", told.append)
        assert (len(left), len(told)) == (12 - 4 * number, 4 * number - 4)
    assert results(tmp_path) == wanted()


def test_what_is_anybodys_is_done_by_every_shard(tmp_path):
    assert get_done(ShardEngine(2, 3), [Anybodys(tmp_path, 0)], tmp_path / "leases") == []
    assert results(tmp_path) == {"00": b"0"}


def test_a_shard_helps_as_long_as_another_is_at_work(tmp_path):
    """The first is held up in its first part, until the second has done all that nobody had claimed."""
    parts, alone = squares(tmp_path), threading.Event()
    hold = parts[0].do
    parts[0].do = lambda: (until(alone.is_set), hold())
    slow = threading.Thread(target=ShardEngine(1, 3).run, args=(parts, tmp_path / "leases"))
    slow.start()
    until(lambda: (tmp_path / "leases" / "00.lease").exists())
    helper = threading.Thread(target=ShardEngine(2, 3).run, args=(squares(tmp_path), tmp_path / "leases"))
    helper.start()
    until(lambda: len(results(tmp_path)) == COUNT - 1 if (tmp_path / "parts").exists() else False)
    assert helper.is_alive(), "it stays until the last part is done, in case the other dies"
    alone.set()
    slow.join()
    helper.join()
    assert results(tmp_path) == wanted()
    assert sorted(number for number, _ in log(tmp_path)) == [*range(COUNT)]
    assert not (tmp_path / "leases").exists()


def test_a_shard_helps_a_process_that_does_all_parts(tmp_path):
    with lease(tmp_path / "leases" / "00.lease"):
        helper = threading.Thread(target=ShardEngine(2, 3).run, args=(squares(tmp_path), tmp_path / "leases"))
        helper.start()
        until(lambda: len(results(tmp_path)) == COUNT - 1 if (tmp_path / "parts").exists() else False)
        Square(tmp_path, 0).do()
        helper.join()
    assert results(tmp_path) == wanted()


def test_a_shard_that_was_killed_counts_as_nobody(tmp_path):
    dead = tmp_path / "leases" / "shard-1-of-3-dead.lease"
    dead.parent.mkdir()
    dead.write_text('{"host": "elsewhere", "pid": 1, "since": 0, "thread": 0}')
    os.utime(dead, (0, 0))
    assert len(get_done(ShardEngine(2, 3), squares(tmp_path), tmp_path / "leases")) == 8
    assert not (tmp_path / "leases").exists()


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        ("0/4", "is 0/4; expected NUMBER/COUNT with a number from 1 to 4"),
        ("5/4", "is 5/4; expected NUMBER/COUNT with a number from 1 to 4"),
        ((1, 0), "is 1/0; expected NUMBER/COUNT, such as 2/4, with a count of at least 1"),
        ("2", "is '2'; expected NUMBER/COUNT, such as 2/4 for the second of four"),
        ("-1/4", "is '-1/4'; expected"),
        ("٣/٤", "expected NUMBER/COUNT"),
    ],
)
def test_what_is_no_shard_is_refused(shard, message):
    with pytest.raises(InputError, match=message):
        engine_of(None, shard)


def test_an_engine_and_a_shard_are_one_too_many():
    with pytest.raises(InputError, match="an engine and a shard are given"):
        engine_of(ShardEngine(1, 2), "1/2")
