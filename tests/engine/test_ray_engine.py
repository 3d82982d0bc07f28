"""Audits by workers of Ray: the rows of one process, whatever dies or is interrupted on the way.

Ray is too large to be a package of every test run: pip install 'brittle[cluster]', and
pytest -n 0 tests/engine/test_ray_engine.py.
"""

import importlib.util
import socket
import threading

import pytest
import torch
from crew_work import Watch, rows
from torch import nn

from brittle.engine import ray_cluster
from brittle.engine.ray_engine import RayEngine
from brittle.errors import InputError, OwnCodeFailed, RunError
from brittle.evaluation.audit import audit
from brittle.runs.store import RunFolder

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra cluster is not installed"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, at its beginning and its end
    pytest.mark.usefixtures("few_checks", "one_thread"),
]


@pytest.fixture(scope="module")
def cluster(one_thread):
    """A cluster that the caller has joined already, with the words with which the engine would start it."""
    with ray_cluster.joined(None, 2, "cpu") as ray:
        yield ray


def test_a_killed_worker_is_replaced_and_the_rows_are_those_of_one_process(whole, asked, mortal, tmp_path):
    ray = importlib.import_module("ray")
    mortal.with_name("dies").touch()
    watch = Watch()
    made = audit("digits-lenet", "digits", tmp_path, engine=RayEngine(workers=2), watch=watch, **asked)
    assert not mortal.with_name("dies").exists(), "a worker was killed"
    assert rows(made) == whole
    assert made.manifest.status == "finished"
    assert watch.images == watch.total == 260
    assert not (tmp_path / "leases").exists()
    assert not ray.is_initialized(), "what was started is ended"


def test_an_interrupted_run_goes_on(whole, asked, cluster, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        audit("digits-lenet", "digits", tmp_path, engine=RayEngine(workers=2), watch=Watch(2), **asked)
    assert RunFolder.open(tmp_path).manifest.status == "running"
    assert not (tmp_path / "leases").exists()
    assert cluster.is_initialized(), "a cluster that the caller joined stays his"
    watch = Watch()
    made = audit("digits-lenet", "digits", tmp_path, engine=RayEngine(workers=1), watch=watch, **asked)
    assert rows(made) == whole
    assert watch.begun >= 2 * 2
    assert watch.images == 260


def test_an_error_of_the_users_own_code_comes_as_itself(asked, cluster, mortal, tmp_path):
    mortal.with_name("fails").touch()
    try:
        with pytest.raises(OwnCodeFailed, match=r"^the attack Mortal raised KeyError: 'nothing', in .*mortal.py"):
            audit("digits-lenet", "digits", tmp_path, engine=RayEngine(workers=1), **asked)
    finally:
        mortal.with_name("fails").unlink()


def test_a_network_that_cannot_be_sent_is_named(cluster, tmp_path):
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    network.lock = threading.Lock()
    data = torch.rand(4, 3, 2, 2), torch.arange(4) % 3
    with pytest.raises(InputError, match=r"^the network \(Sequential\) cannot be sent .*cannot pickle .*lock"):
        audit(network, data, tmp_path, engine=RayEngine(workers=1), attacks=["fgsm"], eps=0.1)


def test_a_server_that_is_no_cluster_is_refused_in_time(monkeypatch):
    monkeypatch.setattr(ray_cluster, "ANSWER", 1.0)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(RunError, match="did not answer within 1 seconds"):
            ray_cluster._reach(address)
