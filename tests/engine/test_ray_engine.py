"""Audits by workers of Ray: the rows of one process, whatever dies or is interrupted on the way.

Ray is too large to be a package of every test run: pip install 'brittle[cluster]', and
pytest -n 0 tests/engine/test_ray_engine.py.
"""

import importlib.util
import socket
import threading

import pytest
import torch
from torch import nn

from brittle.engine import ray_cluster
from brittle.engine.ray_engine import RayEngine
from brittle.errors import InputError, OwnCodeFailed, RunError
from brittle.evaluation.audit import audit
from brittle.evaluation.progress import NullProgress
from brittle.runs.schema import SCHEMA
from brittle.runs.store import RunFolder

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra cluster is not installed"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, at its beginning and its end
    pytest.mark.usefixtures("few_checks", "one_thread"),
]
COLUMNS = [name for name in SCHEMA.names if name != "seconds"]
MORTAL = """
import os
from dataclasses import dataclass
from pathlib import Path

from brittle import FGSM, Attack

DIES, FAILS = (Path(__file__).with_name(name) for name in ("dies", "fails"))


@dataclass(frozen=True)
class Mortal(Attack):
    def check(self, threat):
        FGSM().check(threat)

    def perturb(self, problem):
        if DIES.exists():
            DIES.unlink()
            os.kill(os.getpid(), 9)
        if FAILS.exists():
            raise KeyError("nothing")
        return FGSM().perturb(problem)
"""


class Watch(NullProgress):
    """Adds up what it is told; interrupts after so many parts."""

    def __init__(self, interrupts=None):
        self.total = self.images = self.begun = self.points = self.parts = 0
        self.interrupts = interrupts

    def begin(self, total, done):
        self.total, self.images, self.begun = total, done, done

    def advance(self, attack, images):
        self.images, self.parts = self.images + images, self.parts + 1
        if self.parts == self.interrupts:
            raise KeyboardInterrupt

    def passed(self, points):
        self.points += points


@pytest.fixture(scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "mortal.py"
    path.write_text(MORTAL)
    return path


@pytest.fixture(scope="module")
def asked(mortal):
    return {"attacks": ["pgd:steps=5", f"{mortal}:Mortal"], "eps": 0.1, "max_images": 130}


@pytest.fixture(scope="module")
def whole(asked, one_thread, tmp_path_factory):
    return rows(audit("digits-lenet", "digits", tmp_path_factory.mktemp("whole"), **asked))


@pytest.fixture(scope="module")
def cluster(one_thread):
    """A cluster that the caller has joined already, with the words with which the engine would start it."""
    with ray_cluster.joined(None, 2, "cpu") as ray:
        yield ray


def rows(folder):
    return {key: table.to_pylist() for key, table in folder.tables(COLUMNS).items()}


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
