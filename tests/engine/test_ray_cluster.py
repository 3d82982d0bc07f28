"""What workers get of a cluster, and what is said where there is none; nothing here needs Ray."""

import importlib.util
import socket

import pytest

from brittle.engine.ray_cluster import Share, _reach, joined, share
from brittle.engine.ray_engine import RayEngine
from brittle.errors import InputError, MissingExtra, RunError


@pytest.mark.parametrize(
    ("machines", "workers", "device", "expected"),
    [
        ([(2, 0)], None, "cpu", Share(2, 1, 1)),
        ([(2, 0)], 1, "cpu", Share(1, 2, 2)),
        ([(64, 0)], None, "cpu", Share(16, 4, 4)),
        ([(64, 0), (4, 0)], None, "cpu", Share(20, 3, 3)),
        ([(8, 0), (8, 0)], 3, "cpu", Share(3, 4, 4)),
        ([(16, 2), (8, 0)], None, "cuda:1", Share(2, 8, 8, 1)),
        ([(16, 4)], 2, "cuda", Share(2, 8, 8, 1)),
        ([(0, 0), (4, 0)], None, "cpu", Share(4, 1, 1)),
    ],
)
def test_the_cores_are_divided_among_the_workers(machines, workers, device, expected):
    assert share(machines, workers, device) == expected


@pytest.mark.parametrize(
    ("workers", "device", "message"),
    [
        (9, "cpu", "9 workers are asked for, and the cluster has 8 cores; ask for fewer"),
        (3, "cuda", "3 workers are asked for, and the cluster has 8 cores and 2 GPUs"),
    ],
)
def test_more_workers_than_there_is_room_for_are_refused(workers, device, message):
    with pytest.raises(InputError, match=message):
        share([(8, 2)], workers, device)


def test_a_cluster_without_a_gpu_says_so():
    with pytest.raises(InputError, match=r"8 cores and 0 GPUs, and .* to run on cuda; give another"):
        share([(8, 0)], None, "cuda")


@pytest.mark.parametrize("address", ["garbage", "ray://head:10001", "http://head:80", ":6379", "head:"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(InputError, match="expected auto, or HOST:PORT"):
        RayEngine(address)


def test_an_address_at_which_nobody_listens_is_refused_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(RunError, match=rf"^the cluster at '{address}' cannot be reached: .*`ray start --head`"):
            _reach(address)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="the extra cluster is installed")
def test_without_ray_the_extra_is_named():
    with pytest.raises(MissingExtra, match=r"brittle\[cluster\]"), joined(None, 1, "cpu"):
        pass
