"""Audits by processes of this machine: the rows of one, whatever dies or is interrupted on the way."""

import threading

import pytest
import torch
from crew_work import Watch, rows
from torch import nn

from brittle.engine import process_engine
from brittle.engine.process_engine import ProcessEngine
from brittle.errors import InputError, OwnCodeFailed, RunError
from brittle.evaluation.audit import audit
from brittle.processes import child
from brittle.processes.child import portable_error
from brittle.runs.store import RunFolder

pytestmark = pytest.mark.usefixtures("few_checks", "one_thread")


@pytest.fixture
def forked(monkeypatch):
    """Processes that need not import everything once more, which takes seconds."""
    monkeypatch.setattr(child, "START", "fork")


def test_a_process_that_begins_anew_makes_the_same_rows(whole, asked, tmp_path):
    watch = Watch()
    made = audit("digits-lenet", "digits", tmp_path, engine=ProcessEngine(1), watch=watch, **asked)
    assert rows(made) == whole
    assert made.manifest.status == "finished"
    assert watch.images == watch.total == 260
    assert not (tmp_path / "leases").exists()


def test_a_killed_process_is_replaced(whole, asked, mortal, forked, tmp_path):
    mortal.with_name("dies").touch()
    assert rows(audit("digits-lenet", "digits", tmp_path, engine=ProcessEngine(2), **asked)) == whole
    assert not mortal.with_name("dies").exists(), "one was killed"


def test_an_interrupted_run_goes_on(whole, asked, forked, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        audit("digits-lenet", "digits", tmp_path, engine=ProcessEngine(2), watch=Watch(2), **asked)
    assert RunFolder.open(tmp_path).manifest.status == "running"
    watch = Watch()
    assert rows(audit("digits-lenet", "digits", tmp_path, engine=ProcessEngine(1), watch=watch, **asked)) == whole
    assert watch.begun >= 2 * 2


def test_an_error_of_the_users_own_code_comes_as_itself(asked, mortal, forked, tmp_path):
    mortal.with_name("fails").touch()
    try:
        with pytest.raises(OwnCodeFailed, match=r"^the attack Mortal raised KeyError: 'nothing', in .*mortal.py"):
            audit("digits-lenet", "digits", tmp_path, engine=ProcessEngine(1), **asked)
    finally:
        mortal.with_name("fails").unlink()


def test_processes_that_end_before_they_begin_are_told_of(asked, forked, monkeypatch, tmp_path):
    monkeypatch.setattr(process_engine, "Worker", lambda: exec("raise SystemExit(1)"))
    with pytest.raises(RunError, match=r"^a process that was to work ended before it began.*a script .*__main__"):
        audit("digits-lenet", "digits", tmp_path, engine=ProcessEngine(1), **asked)


def test_an_error_that_cannot_be_sent_is_sent_in_words():
    class Odd(Exception):
        pass

    assert type(portable_error(KeyError("x"))) is KeyError
    found = portable_error(Odd("lost"))
    assert type(found) is RuntimeError
    assert str(found) == "Odd: lost"


def test_a_network_that_cannot_be_sent_is_named(tmp_path):
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    network.lock = threading.Lock()
    data = torch.rand(4, 3, 2, 2), torch.arange(4) % 3
    with pytest.raises(InputError, match=r"^the network \(Sequential\) cannot be sent .*cannot pickle .*lock"):
        audit(network, data, tmp_path, engine=ProcessEngine(1), attacks=["fgsm"], eps=0.1)


def test_there_are_no_more_than_there_are_cores(asked, tmp_path):
    with pytest.raises(InputError, match=r"999 workers are asked for, and there are \d+ cores?"):
        audit("digits-lenet", "digits", tmp_path, engine=ProcessEngine(999), **asked)
