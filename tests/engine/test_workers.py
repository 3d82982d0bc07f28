"""The engine with a stand-in for Ray that does every call at once in this process; `test_ray_engine.py` has Ray."""

import contextlib
import itertools
from types import SimpleNamespace

import pytest
import torch

from brittle.engine import ray_engine
from brittle.engine.engine import LocalEngine
from brittle.engine.ray_engine import RayEngine
from brittle.errors import InputError, ModelError, RunError


class RayError(Exception):
    """What Ray raises for an error of a call."""

    def __init__(self, cause):
        super().__init__(f"ray::Worker: {cause}")
        self.cause = cause


class RayActorError(RayError):
    """What it raises for a worker that is gone."""


class Ray:
    """As much of Ray as the engine uses; `gone` are the calls, by their place, at which the worker dies."""

    exceptions = SimpleNamespace(RayError=RayError, RayActorError=RayActorError)

    def __init__(self, gone=(), unsendable=()):
        self.gone, self.unsendable = gone, unsendable
        self.count, self.killed, self.options, self.results = itertools.count(), [], [], {}

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 2.0}}, {"Alive": False, "Resources": {"CPU": 8.0}}]

    def put(self, value):
        if any(one in str(value) for one in self.unsendable):
            raise TypeError("Could not serialize") from TypeError("cannot pickle a lock")
        return value

    def remote(self, kind):
        return SimpleNamespace(options=lambda **words: self.options.append(words) or SimpleNamespace(remote=self.made))

    def made(self):
        return SimpleNamespace(
            **{
                name: SimpleNamespace(remote=lambda *args, own=ray_worker, name=name: self.call(own, name, args))
                for ray_worker in [ray_engine.Worker()]
                for name in ("open", "do", "points", "close")
            }
        )

    def call(self, worker, name, args):
        number = next(self.count)
        if number in self.gone:
            self.results[number] = RayActorError("it is gone")
            return number
        try:
            self.results[number] = getattr(worker, name)(*args)
        except Exception as error:
            self.results[number] = RayError(error)
        return number

    def wait(self, calls, num_returns, timeout):
        return calls[:num_returns], calls[num_returns:]

    def get(self, call):
        value = self.results[call]
        if isinstance(value, Exception):
            raise value
        return value

    def kill(self, actor):
        self.killed.append(actor)


class Recipe:
    """Of parts that square a number, or fail as they are told."""

    device = "cpu"

    def __init__(self, opens=None, fails=None):
        self.opens, self.fails, self.closed, self.threads = opens, fails, 0, []

    def open(self, mark):
        assert mark.exists(), "the mark is there as long as parts are given out"
        if self.opens:
            raise self.opens
        return self

    def carried(self):
        return {"the images": "images", "the network": "a network"}

    def do(self, name):
        self.threads.append(torch.get_num_threads())
        if self.fails:
            raise self.fails
        return int(name) ** 2

    def points(self):
        return 7

    def close(self):
        self.closed += 1

    def __str__(self):
        return "images, a network"


class Square:
    """A part whose result is kept in a dict."""

    turn = None

    def __init__(self, number, recipe, results):
        self.number, self.recipe, self.results, self.name, self.seen = number, recipe, results, f"{number:02d}", 0

    def done(self):
        return self.number in self.results

    def do(self):
        raise AssertionError("it is done by a worker")

    def take(self, result):
        self.results[self.number] = result

    def passed(self, points):
        self.seen += points


class Here:
    """A part that only this process can do."""

    name, turn, finished = "pictures", None, False

    def done(self):
        return self.finished

    def do(self):
        self.finished = True


@pytest.fixture
def work(monkeypatch, tmp_path):
    def run(ray, recipe, more=(), **words):
        monkeypatch.setattr(ray_engine, "joined", lambda *_: contextlib.nullcontext(ray))
        results, before = {0: 0}, torch.get_num_threads()
        parts = [*(Square(number, recipe, results) for number in range(5)), *more]
        told = []
        try:
            count = RayEngine(**words).run(parts, tmp_path / "leases", told.append)
        finally:
            torch.set_num_threads(before)
            assert not (tmp_path / "leases").exists()
        return results, count, [part.name for part in told]

    return run


def test_workers_do_what_is_left_and_this_process_what_cannot_be_sent(work):
    ray, recipe, last = Ray(), Recipe(), Here()
    assert work(ray, recipe, [last]) == ({number: number**2 for number in range(5)}, 5, ["00"])
    assert last.finished
    assert [one["num_cpus"] for one in ray.options] == [1, 1], "a worker for each core of the machines that are alive"
    assert recipe.threads == [1] * 4
    assert recipe.closed == len(ray.killed) == 2


def test_one_worker_calculates_with_all_cores(work):
    ray, recipe = Ray(), Recipe()
    work(ray, recipe, workers=1)
    assert ray.options[0] == {"num_cpus": 2, "num_gpus": 0, "max_concurrency": 2, "max_restarts": 0}
    assert recipe.threads == [2] * 4


@pytest.mark.parametrize("gone", [{0}, {2}, {3, 5}], ids=["at its beginning", "at a part", "two of them"])
def test_a_worker_that_is_gone_is_replaced(work, gone):
    ray = Ray(gone)
    assert work(ray, Recipe())[0] == {number: number**2 for number in range(5)}
    assert len(ray.options) == 2 + len(gone)


def test_a_worker_that_cannot_open_says_where(work):
    ray = Ray()
    with pytest.raises(
        RunError, match=r"^the worker on .+ cannot open what is asked for: there is no file net\.pt2\. "
    ):
        work(ray, Recipe(opens=ModelError("there is no file net.pt2")))
    assert len(ray.killed) == 2


def test_what_cannot_be_used_by_a_worker_is_told(work):
    with pytest.raises(RunError, match=r"cannot use what was sent to it \(ModuleNotFoundError: no module mine\)"):
        work(Ray(), Recipe(opens=ModuleNotFoundError("no module mine")))


def test_an_error_of_a_part_comes_as_itself(work):
    with pytest.raises(ModelError, match=r"^the network says NaN$"):
        work(Ray(), Recipe(fails=ModelError("the network says NaN")))
    with pytest.raises(MemoryError) as caught:
        work(Ray(), Recipe(fails=MemoryError("none left")))
    assert "raised in a worker" in caught.value.__notes__[0]


def test_what_cannot_be_pickled_is_named(work):
    with pytest.raises(InputError, match=r"^the network \(str\) cannot be sent to workers: cannot pickle a lock; give"):
        work(Ray(unsendable=["a network"]), Recipe())
    with pytest.raises(InputError, match=r"^what is to be done cannot be sent"):
        work(Ray(unsendable=["images, a network"]), Recipe())


def test_points_are_asked_for_while_a_part_is_under_way(work, monkeypatch):
    monkeypatch.setattr(ray_engine, "EVERY", -1.0)
    recipe, seen = Recipe(), []
    monkeypatch.setattr(Square, "passed", lambda self, points: seen.append(points))
    work(Ray(), recipe, workers=1)
    assert {*seen} == {7}


def test_without_parts_for_workers_no_cluster_is_asked_for(tmp_path):
    part = Here()
    assert RayEngine("auto").run([part], tmp_path / "leases") == 1
    assert LocalEngine().run([part], tmp_path / "leases") == 0
