import math

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from benchmarks.compare import Process, Score, compare
from benchmarks.contenders import CONTENDERS, PACKAGES, Task, bare
from benchmarks.judge import Verdict
from benchmarks.peers import peer
from benchmarks.suites import SUITES
from benchmarks.table import markdown, number, save_raw
from benchmarks.worker import Order, Time


def order(contender, suite="fgsm"):
    return Order(contender, SUITES[suite], "digits-lenet", None, "digits", 4, 256, 1)


def score(contender, seconds, raw):
    verdict = Verdict(np.array([True, True]), np.array([True, False]), np.array([0.5, np.inf]))
    return Score(contender, 2, "wall", verdict, 3.0, 2.0, [Time(t, t, r, r) for t, r in zip(seconds, raw, strict=True)])


def test_every_suite_names_contenders_that_exist():
    assert CONTENDERS.keys() == PACKAGES.keys()
    assert all(set(suite.contenders) <= CONTENDERS.keys() for suite in SUITES.values())


def test_rounds_are_compared_pairwise():
    slow, fast = score("bare", [4.0, 40.0, 4.0], [2.0, 20.0, 2.0]), score("brittle", [2.0, 20.0, 2.0], [1.0, 1.0, 1.0])
    assert fast.against(slow) == 0.5
    assert slow.overhead == 2.0


def test_a_worker_counts_and_times_in_its_own_process():
    (found,) = compare([order("brittle")], rounds=2, patience=60, tell=lambda _: None)
    assert found.error == ""
    assert found.images == 4
    assert len(found.times) == 2
    assert found.backward == 1


class Answers:
    """Stands for the connection to a process that gives these answers in turn."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def send(self, request):
        self.asked.append(request)

    def recv(self):
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)


def process(*answers, **score):
    made = Process.__new__(Process)
    made._connection = Answers(*answers)
    made.score = Score("foolbox", 2, **score)
    return made


def test_patience_ends_the_rounds_before_they_take_longer():
    patient = process(Time(2.0, 2.0, 1.0, 1.0), Time(2.0, 2.0, 1.0, 1.0), Time(2.0, 2.0, 1.0, 1.0))
    for _ in range(3):
        patient.time(patience=6.0)
    assert len(patient.score.times) == 2
    hasty = process(Time(2.0, 2.0, 1.0, 1.0))
    for _ in range(2):
        hasty.time(patience=0.0)
    assert len(hasty.score.times) == 1


@pytest.mark.parametrize(("answers", "error"), [([RuntimeError("no such class")], "no such class"), ([], "died")])
def test_a_contender_that_fails_is_shown_and_asked_no_more(answers, error):
    failing = process(*answers)
    failing.count()
    failing.time(60)
    assert error in failing.score.error
    assert failing._connection.asked == ["count"]
    own = score("brittle", [2.0], [1.0])
    text = markdown(SUITES["pgd40"], [failing.score, own], "")
    assert error in text
    assert "| brittle | 1/2 |" in text


def test_the_table_and_the_raw_figures_say_the_same(tmp_path):
    scores = [score("bare", [2.0], [1.0]), score("brittle", [3.0], [2.0])]
    text = markdown(SUITES["pgd40"], scores, "caption")
    assert "| brittle | 1/2 | ∞ | – | 3.0 | 2.0 | 1500.000 | 1500.000–1500.000 | 1 | 1.500 | 1.500 |" in text
    save_raw(tmp_path / "raw.parquet", SUITES["pgd40"], scores, {"machine": "none"})
    table = pq.read_table(tmp_path / "raw.parquet")
    assert table["wall"].to_pylist() == [[2.0], [3.0]]
    assert table.schema.metadata[b"machine"] == b"none"


def test_numbers_that_are_none_are_shown_as_such():
    assert [number(value, 2) for value in (1.0, math.nan, math.inf)] == ["1.00", "–", "∞"]


def test_the_bare_loop_stays_in_the_ball_and_climbs():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    images, labels = torch.rand(6, 1, 2, 2), torch.zeros(6, dtype=torch.int64)
    moved = bare(network, Task("pgd", math.inf, 0.1, 40, 4, 3))(images, labels)
    loss = nn.functional.cross_entropy
    assert (moved - images).abs().max() <= 0.1 + 1e-6
    assert loss(network(moved), labels) > loss(network(images), labels)


def test_a_missing_peer_says_how_to_get_it():
    with pytest.raises(ModuleNotFoundError, match="make bench"):
        peer("no_such_peer.attacks")
