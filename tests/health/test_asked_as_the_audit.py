"""What a check varies of an audit's own runs, and what it leaves as it was: a spy stands before each run and look."""

import inspect

import numpy as np
import pytest
import torch
from made_up_audits import RADIUS, SEARCH, STEPS, Bright, Brightens, attempt, case, images_of, rows

from brittle import Lp
from brittle.health import context, examine, radii, rerun, thorough
from brittle.health.context import HealthContext
from brittle.health.counting import CountingClassifier
from brittle.health.examine import BY_NAME

COUNT = 6
INDEX = [10, 11, 12, 20, 21, 22]
AUDITED = {"seed": 9, "batch": 4, "quantization": 16, "eot_samples": 2}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    calls: list[dict[str, object]] = []
    bind, whole = inspect.signature(inspect.unwrap(context.run)).bind, context.run

    def noted(*given: object, **options: object) -> object:
        bound = bind(*given, **options)
        bound.apply_defaults()
        calls.append(dict(bound.arguments))
        return whole(*given, **options)

    monkeypatch.setattr(context, "run", noted)
    return calls


@pytest.fixture
def made() -> HealthContext:
    """Six images of which the first two fell, as an audit with a quantization grid and two samples left them."""
    tables = [rows(COUNT, range(2), index=INDEX, forward=[100] * COUNT) for _ in range(2)]
    images = images_of(*np.linspace(0.40, 0.45, COUNT).tolist())
    return case(
        attempt(Brightens(), tables[0]),
        attempt(SEARCH, tables[1]),
        module=Bright(at=0.455),
        images=images,
        index=torch.tensor(INDEX),
        **AUDITED,
    )


def test_an_attack_of_a_check_is_run_as_the_audit_ran_it(made, runs):
    made.attack(STEPS, Lp("inf", 0.2), [4, 1])
    made.attack(STEPS, Lp("inf", 0.2), [0], seed=0, quantization=8, trace=True)
    plain, other = runs
    assert (plain["attack"], plain["threat"], plain["seed"], plain["batch"]) == (STEPS, Lp("inf", 0.2), 9, 4)
    assert (plain["quantization"], plain["eot_samples"], plain["trace"], plain["budget"]) == (None, 2, False, None)
    assert plain["ids"].tolist() == [21, 11]
    assert torch.equal(plain["images"], made.images[[4, 1]])
    assert plain["labels"].tolist() == [0, 0]
    assert (other["seed"], other["quantization"], other["trace"]) == (0, 8, True)


def test_repeats_lie_on_the_lattice_and_leave_a_trace(made, runs):
    found = rerun.repeats(made)
    assert [(one.attempt.title, one.row) for one in found[:COUNT]] == [("Brightens", row) for row in (2, 0, 3, 1, 4, 5)]
    assert [call["ids"].tolist() for call in runs] == [[INDEX[one.place]] for one in found]
    assert all(
        (call["quantization"], call["trace"], call["seed"], call["eot_samples"]) == (16, True, 9, 2) for call in runs
    )
    assert {call["threat"] for call in runs} == {Lp("inf", RADIUS), Lp("inf")}


@pytest.mark.parametrize(
    ("name", "seeds", "radius"),
    [
        ("monotone", {9}, 2 * RADIUS),
        ("guessing", {9}, None),
        ("unbounded", {9}, None),
        ("more-steps", {9}, RADIUS),
        ("more-restarts", {10}, RADIUS),
        ("all-guessing", {9}, None),
    ],
)
def test_a_check_varies_its_radius_or_its_seed_and_nothing_else(name, seeds, radius, made, runs):
    assert "ended with an error" not in BY_NAME[name](made).text
    assert runs
    for call in runs:
        assert {
            "batch": call["batch"],
            "eot_samples": call["eot_samples"],
            "quantization": call["quantization"],
            "trace": call["trace"],
        } == {
            "batch": 4,
            "eot_samples": 2,
            "quantization": None,
            "trace": False,
        }
        places = [INDEX.index(index) for index in call["ids"].tolist()]
        assert torch.equal(call["images"], made.images[places])
        if radius is not None:
            given = torch.as_tensor(call["threat"].radius)
            assert given.tolist() == pytest.approx([radius] * given.numel() if given.dim() else radius)
    assert {call["seed"] for call in runs} == seeds


def test_images_are_judged_by_the_mean_over_the_draws_of_the_audits_seed(made, monkeypatch):
    told: list[dict[str, object]] = []
    monkeypatch.setattr(context, "mean_logits", lambda *given, **options: told.append({"given": given, **options}))
    images = made.images[:1]
    made.judged(images)
    assert told == [{"given": (made.classifier, images, 2), "seed": 9, "batch": 4}]


def test_the_counted_network_has_the_bounds_of_the_one_counted(made):
    meter = CountingClassifier(made.meter.classifier)
    assert meter.metered().bounds == made.meter.classifier.bounds
    assert meter.passes == 0
    made.logits(made.images)
    assert made.meter.passes == COUNT


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (context, "FRACTION", 0.04),
        (context, "OUTPUTS", 0.2),
        (context, "STABILITY", 0.1),
        (context, "REPEATS", 0.4),
        (context, "RADII", 0.1),
        (rerun, "MOST", 32),
        (radii, "LOST", 0.05),
        (thorough, "CHANGE", (0.01, 0.05)),
        (thorough, "SHRINK", (0.02, 0.1)),
        (thorough, "DRAWS", 10_000),
        (examine, "RUNS", 8),
    ],
)
def test_how_much_a_group_of_checks_may_take_and_how_much_may_change(module, name, value):
    assert getattr(module, name) == value
