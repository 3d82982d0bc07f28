"""What is said where a cluster is none, or cannot be reached; nothing here needs Ray."""

import importlib.util
import socket

import pytest

from brittle.engine.ray_cluster import _reach, joined
from brittle.engine.ray_engine import RayEngine
from brittle.errors import InputError, MissingExtra, RunError


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
