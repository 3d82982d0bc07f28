"""Handing out parts to workers that die, fail, and do not come: a stand-in for the cluster, in one process."""

from collections import deque
from types import SimpleNamespace

import pytest

from brittle.engine import crew as crews
from brittle.engine.crew import TRIES, Did, Died, Failed, Ready, Sharing, Shown
from brittle.engine.engine import LocalEngine, ignore_part
from brittle.engine.lease import lease
from brittle.engine.portable import PortablePart
from brittle.errors import ModelError, RunError


class Square:
    """Puts the square of its number where it belongs."""

    turn = None

    def __init__(self, number, results):
        self.number, self.results, self.seen, self.recipe = number, results, 0, None

    @property
    def name(self):
        return f"{self.number:02d}"

    def done(self):
        return self.number in self.results

    def do(self):
        self.results[self.number] = self.number**2

    def take(self, result):
        self.results[self.number] = result

    def passed(self, points):
        self.seen += points


class Crew:
    """Workers that do at once what they are given, but for what `happens` at a part the so-manieth time."""

    def __init__(self, happens=None, opens=Ready):
        self.happens, self.opens, self.hired, self.given, self.events = happens or {}, opens, 0, [], deque()

    def hire(self):
        self.hired += 1
        self.events.append(self.opens(self.hired))
        return self.hired

    def give(self, worker, part):
        self.given.append((worker, part))
        times = sum(one == part for _, one in self.given)
        self.events += self.happens.get(part, lambda worker, times: [])(worker, times) or [Did(worker, int(part) ** 2)]

    def look(self, seconds):
        return [self.events.popleft()] if self.events else []

    def lacking(self):
        return "there is nothing"


def parts(count=6):
    results = {}
    return deque(Square(number, results) for number in range(count)), results


def shared(tmp_path, crew, waiting, workers=2, elsewhere=ignore_part):
    return Sharing(crew, tmp_path / "leases", elsewhere, waiting).run(workers)


def test_parts_are_handed_out_one_by_one_in_their_order(tmp_path):
    (waiting, results), crew = parts(), Crew()
    assert isinstance(waiting[0], PortablePart)
    assert shared(tmp_path, crew, waiting) == 6
    assert results == {number: number**2 for number in range(6)}
    assert [part for _, part in crew.given] == [f"{number:02d}" for number in range(6)]
    assert {worker for worker, _ in crew.given} == {1, 2}
    assert not [*(tmp_path / "leases").iterdir()], "every claim is let go of"


def test_there_are_no_more_workers_than_parts(tmp_path):
    (waiting, _), crew = parts(1), Crew()
    shared(tmp_path, crew, waiting, workers=4)
    assert crew.hired == 1


def test_the_part_of_a_worker_that_dies_is_done_again_by_another(tmp_path):
    dies = {"01": lambda worker, times: [Died(worker, "killed")] if times < TRIES else []}
    (waiting, results), crew = parts(), Crew(dies)
    assert shared(tmp_path, crew, waiting) == 6
    assert len(results) == 6
    assert crew.hired == 2 + TRIES - 1
    of_it = [worker for worker, part in crew.given if part == "01"]
    assert len(of_it) == TRIES == len({*of_it}), "each time another one"
    assert sum(part != "01" for _, part in crew.given) == 5, "no other part is done twice"


def test_a_part_that_kills_every_worker_is_named(tmp_path):
    (waiting, results), crew = parts(), Crew({"03": lambda worker, times: [Died(worker, "out of memory")]})
    with pytest.raises(RunError, match=r"^the part 03 cost 3 workers, .*the last: out of memory.*fewer workers"):
        shared(tmp_path, crew, waiting)
    assert {0, 1, 2} <= {*results}, "what is done stays"
    assert not [*(tmp_path / "leases").iterdir()]


def test_workers_that_die_before_they_begin_end_the_work(tmp_path):
    (waiting, _), crew = parts(), Crew(opens=lambda worker: Died(worker, "no room"))
    with pytest.raises(RunError, match="network and images, before any part, cost 8 workers"):
        shared(tmp_path, crew, waiting)


@pytest.mark.parametrize("when", ["at a part", "at the beginning"])
def test_an_error_comes_as_itself(tmp_path, when):
    fails = ModelError("it is broken")
    at_part = {"02": lambda worker, times: [Failed(worker, fails)]} if when == "at a part" else {}
    opens = Ready if at_part else lambda worker: Failed(worker, fails)
    with pytest.raises(ModelError) as caught:
        shared(tmp_path, Crew(at_part, opens), parts()[0])
    assert caught.value is fails


def test_a_part_that_others_have_claimed_is_left_to_them(tmp_path):
    waiting, results = parts(3)
    told, crew = [], Crew()
    first = waiting[0]
    with lease(tmp_path / "leases" / "00.lease"):
        looks = crew.look

        def look(seconds):
            if len(results) == 2:
                first.do()  # the other process has done it
            return looks(seconds)

        crew.look = look
        assert shared(tmp_path, crew, waiting, elsewhere=told.append) == 2
    assert told == [first]
    assert [part for _, part in crew.given] == ["01", "02"]


def test_points_are_told_to_the_part_under_way(tmp_path):
    waiting, _ = parts(2)
    first, second = waiting
    shows = {"00": lambda worker, times: [Shown(worker, 5), Shown(worker, 2), Did(worker, 0), Shown(worker, 9)]}
    shared(tmp_path, Crew(shows), waiting, workers=1)
    assert first.seen == 7
    assert second.seen in (0, 9), "what comes late belongs to whatever is under way"


def test_nobody_waits_for_ever_for_workers_that_do_not_come(tmp_path, monkeypatch):
    monkeypatch.setattr(crews, "PATIENCE", -1.0)
    crew = Crew(opens=lambda worker: SimpleNamespace())
    crew.look = lambda seconds: []
    with pytest.raises(RunError, match=r"no worker began .*: there is nothing"):
        shared(tmp_path, crew, parts()[0])


def test_an_interrupted_sharing_lets_go_of_its_claims(tmp_path):
    (waiting, results), crew = parts(), Crew()

    def interrupted(seconds):
        if len(results) == 2:
            raise KeyboardInterrupt
        return [crew.events.popleft()]

    crew.look = interrupted
    with pytest.raises(KeyboardInterrupt):
        shared(tmp_path, crew, waiting)
    assert not [*(tmp_path / "leases").iterdir()]
    assert LocalEngine().run([Square(number, results) for number in range(6)], tmp_path / "leases") == 4
