"""An oracle's budget is never exceeded, and no image is asked about twice, whatever happens in between."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from brittle import Classifier, HopSkipJump, InputError, Lp, OracleError, RunError, run
from brittle.blackbox.answers import Answers
from brittle.blackbox.oracle import Oracle

IMAGES = torch.rand(6, 1, 2, 2, generator=torch.Generator().manual_seed(0))


class Counting:
    """Says which value is the largest, and remembers every image that it was shown."""

    def __init__(self, fails_at: int | None = None):
        self.seen, self.fails_at = [], fails_at

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        if self.fails_at is not None and len(self.seen) >= self.fails_at:
            raise OracleError("gone")
        self.seen += [image.clone() for image in images]
        return images.flatten(1).argmax(1)


def oracle(path: Path, ask, budget: int | None = None, name: str = "largest", at_once: int = 1) -> Oracle:
    return Oracle(ask, Answers(path / "answers.sqlite", name), budget=budget, at_once=at_once)


@pytest.mark.parametrize("at_once", [1, 4])
def test_what_was_answered_comes_from_memory_in_this_process_and_in_later_ones(tmp_path: Path, at_once: int):
    ask = Counting()
    first = oracle(tmp_path, ask, at_once=at_once)
    truth = IMAGES.flatten(1).argmax(1)
    assert torch.equal(first.labels(IMAGES, "training"), truth)
    assert torch.equal(first.labels(IMAGES.flip(0), "transfer"), truth.flip(0))
    first.close()
    again = oracle(tmp_path, ask, at_once=at_once)
    assert torch.equal(again.labels(IMAGES, "transfer"), truth)
    assert len(ask.seen) == 6
    assert again.spent == {"training": 6}


def test_equal_images_of_one_call_are_one_query(tmp_path: Path):
    ask = Counting()
    said = oracle(tmp_path, ask).labels(torch.cat([IMAGES[:2], IMAGES[:1]]))
    assert len(ask.seen) == 2
    assert said[0] == said[2]


def test_a_call_that_the_budget_does_not_suffice_for_asks_nothing(tmp_path: Path):
    ask = Counting()
    box = oracle(tmp_path, ask, budget=4)
    box.labels(IMAGES[:3])
    with pytest.raises(
        OracleError, match=r"2 images would .* the budget of 4 queries leaves 1; nothing of it was asked"
    ):
        box.labels(IMAGES[:5])
    assert (len(ask.seen), box.left) == (3, 1)
    box.labels(IMAGES[:4])
    assert (len(ask.seen), box.left) == (4, 0)
    box.labels(IMAGES[:4])


def test_two_processes_share_one_budget(tmp_path: Path):
    asks = Counting(), Counting()
    first, second = (oracle(tmp_path, ask, budget=4) for ask in asks)
    first.labels(IMAGES[:2])
    second.labels(IMAGES[2:4])
    assert (first.left, second.left) == (0, 0)
    with pytest.raises(OracleError, match="budget"):
        first.labels(IMAGES[4:5])
    with pytest.raises(OracleError, match="the budget of 4 queries is spent"):  # where the look before came too early
        first._answers.intend(["f" * 64], "labels", 4)
    assert first.spent == {"labels": 4}


def test_what_failed_counts_once_and_is_asked_again(tmp_path: Path):
    ask = Counting(fails_at=2)
    box = oracle(tmp_path, ask, budget=6)
    with pytest.raises(OracleError, match="gone"):
        box.labels(IMAGES)
    assert box.spent == {"labels": 3}
    ask.fails_at = None
    box.labels(IMAGES)
    assert box.spent == {"labels": 6}
    assert len(ask.seen) == 6


KILLED = """
import sys
import torch
from pathlib import Path
from brittle.blackbox.answers import Answers
from brittle.blackbox.oracle import Oracle

log = Path(sys.argv[2])

def ask(images):
    with log.open("a") as file:
        file.write("asked\\n")
    if log.read_text().count("asked") == 3:
        print("now", flush=True)
        sys.stdin.read()
    return images.flatten(1).argmax(1)

images = torch.rand(6, 1, 2, 2, generator=torch.Generator().manual_seed(0))
Oracle(ask, Answers(Path(sys.argv[1]), "largest")).labels(images)
"""


def test_after_kill_9_only_what_was_in_flight_is_asked_again(tmp_path: Path):
    words = [sys.executable, "-c", KILLED, str(tmp_path / "answers.sqlite"), str(tmp_path / "log")]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"now\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    ask = Counting()
    box = oracle(tmp_path, ask, budget=6)
    assert box.spent == {"labels": 3}
    box.labels(IMAGES)
    assert torch.equal(torch.stack(ask.seen), IMAGES[2:])
    assert box.spent == {"labels": 6}


def test_the_answers_of_another_oracle_are_refused(tmp_path: Path):
    oracle(tmp_path, Counting()).close()
    with pytest.raises(RunError, match=r"keeps the answers of largest .* not those of smallest"):
        oracle(tmp_path, Counting(), name="smallest")


def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path):
    (tmp_path / "answers.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(RunError, match=r"answers.sqlite cannot be read or written \(file is not a database\)"):
        oracle(tmp_path, Counting())


def test_a_database_of_another_program_is_one_clear_error(tmp_path: Path):
    with sqlite3.connect(tmp_path / "answers.sqlite") as database:
        database.execute("CREATE TABLE questions (colour TEXT)")
    box = oracle(tmp_path, Counting())
    with pytest.raises(RunError, match="cannot be read or written"):
        box.labels(IMAGES)


def test_damaged_scores_are_one_clear_error(tmp_path: Path):
    box = oracle(tmp_path, lambda images: images.flatten(1))
    box(IMAGES)
    with sqlite3.connect(tmp_path / "answers.sqlite") as database:
        database.execute("UPDATE questions SET scores = x'00'")
    with pytest.raises(RunError, match="cannot be read or written"):
        box(IMAGES)


@pytest.mark.parametrize(
    "said",
    [
        torch.zeros(2, dtype=torch.int64),
        torch.tensor([-1]),
        torch.tensor([0.5]),
        torch.tensor([True]),
        torch.tensor([[torch.nan, 1]]),
        torch.zeros(1, 1),
        "cat",
        None,
    ],
)
def test_what_is_no_answer_is_refused(tmp_path: Path, said: object):
    with pytest.raises(OracleError, match="expected class numbers"):
        oracle(tmp_path, lambda images: said).labels(IMAGES[:1])


def test_scores_are_kept_as_they_are(tmp_path: Path):
    box = oracle(tmp_path, lambda images: images.flatten(1))
    assert torch.equal(box(IMAGES), IMAGES.flatten(1))
    assert torch.equal(box(IMAGES), IMAGES.flatten(1))


def test_a_decision_based_attack_pays_for_no_image_twice(tmp_path: Path):
    ask = Counting()
    box = oracle(tmp_path, ask, budget=500)
    images = IMAGES[:2]
    for _ in range(2):
        run(HopSkipJump(), Classifier(box, labels=4), images, threat=Lp(2), budget=40)
    assert len(ask.seen) == len({image.numpy().tobytes() for image in ask.seen}) == sum(box.spent.values())


@pytest.mark.parametrize("wrong", [{"budget": -1}, {"budget": 1.5}, {"at_once": 0}])
def test_budgets_that_are_none_are_refused(tmp_path: Path, wrong: dict):
    with pytest.raises(InputError, match=next(iter(wrong))):
        oracle(tmp_path, Counting(), **wrong)
