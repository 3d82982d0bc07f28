"""The range of every number that an attack takes: its ends are taken, what lies beyond is refused by name."""

from dataclasses import fields, replace

import pytest
from cases import CASES

from brittle import Attack, BoundaryDescent, InputError, SupportDescent

ATTACKS = {type(case.attack).__name__: case.attack for case in CASES}

Range = tuple[tuple[float | None, ...], tuple[float, ...]]
"""What is taken, and what is refused."""
TINY = 1e-9
ONE_UP: Range = ((1, 2), (0, -1))
NONE_UP: Range = ((0, 1), (-1,))
TWO_UP: Range = ((2, 3), (1, 0))
FROM_0: Range = ((0.0, 0.5, 2.0), (-TINY,))
ABOVE_0: Range = ((TINY, 0.5, 2.0), (0.0, -0.5))
FROM_1: Range = ((1.0, 1.5), (1 - TINY, 0.5))
ABOVE_1: Range = ((1 + TINY, 1.5), (1.0, 0.5))
FRACTION: Range = ((0.0, 0.5, 1.0), (-TINY, 1 + TINY))
SHARE_BELOW_1: Range = ((0.0, 0.5, 1 - TINY), (-TINY, 1.0))
SHARE_ABOVE_0: Range = ((TINY, 0.5, 1.0), (0.0, 1 + TINY))
FRACTION_INSIDE: Range = ((TINY, 0.5, 1 - TINY), (0.0, 1.0))


def or_none(given: Range) -> Range:
    return ((None, *given[0]), given[1])


RANGES: dict[str, dict[str, Range]] = {
    "FGSM": {},
    "BasicIterative": {"step_size": FROM_0, "steps": or_none(ONE_UP)},
    "IterativeLeastLikely": {"step_size": FROM_0, "steps": or_none(ONE_UP)},
    "PGD": {
        "steps": ONE_UP, "step_size": or_none(FROM_0), "restarts": ONE_UP, "kappa": FROM_0, "sparsity": SHARE_BELOW_1,
    },
    "DeepFool": {
        "steps": ONE_UP, "overshoot": FROM_0, "candidates": TWO_UP, "nudge": FROM_0, "slack": FROM_1, "box": FRACTION,
    },
    "LBFGS": {
        "searches": ONE_UP, "steps": ONE_UP, "memory": ONE_UP, "tolerance": FROM_0, "decrease": FROM_0,
        "precision": FROM_0, "factor": ABOVE_1, "constant": or_none(ABOVE_0),
    },
    "BoundaryDescent": {
        "steps": ONE_UP, "farther": SHARE_BELOW_1, "runs": or_none(ONE_UP), "spread": FRACTION,
        "stride": or_none(FRACTION), "momentum": or_none(FRACTION), "smoothing": FROM_0, "overshoot": FRACTION,
    },
    "SupportDescent": {
        "steps": ONE_UP, "runs": or_none(ONE_UP), "spread": FRACTION, "momentum": SHARE_BELOW_1, "smoothing": FROM_0,
    },
    "PatchAscent": {"steps": ONE_UP, "restarts": ONE_UP, "step_size": FROM_0, "momentum": SHARE_BELOW_1},
    "RandomNoise": {"draws": ONE_UP},
    "RandomDirection": {"directions": ONE_UP, "doublings": NONE_UP, "bisections": NONE_UP},
    "JSMA": {"theta": ((1e-3, -1e-3, 1.0, -1.0), (0.0, 0.9e-3, -0.9e-3, 1.001, -1.001)), "fraction": SHARE_ABOVE_0},
    "OnePixel": {
        "population": ((4, 5), (3,)), "generations": NONE_UP, "factor": FROM_0, "target_probability": FRACTION_INSIDE,
        "label_probability": FRACTION_INSIDE,
    },
    "CarliniWagnerL2": {
        "searches": ONE_UP, "steps": ONE_UP, "learning_rate": ABOVE_0, "constant": ABOVE_0, "shrink": FRACTION_INSIDE,
    },
    "CarliniWagnerL0": {
        "steps": ONE_UP, "learning_rate": ABOVE_0, "constant": ABOVE_0, "shrink": FRACTION_INSIDE,
        "candidates": NONE_UP,
    },
    "CarliniWagnerLinf": {
        "steps": ONE_UP, "learning_rate": ABOVE_0, "constant": ABOVE_0, "decrease": FRACTION_INSIDE, "smallest": FROM_0,
        "refinements": NONE_UP, "shrink": FRACTION_INSIDE,
    },
    "APGD": {
        "steps": ONE_UP, "restarts": ONE_UP, "targets": NONE_UP, "momentum": SHARE_ABOVE_0, "rises": SHARE_ABOVE_0,
    },
    "FAB": {
        "steps": ONE_UP, "restarts": ONE_UP, "targets": NONE_UP, "overshoot": FROM_1, "pull": SHARE_ABOVE_0,
        "back": SHARE_ABOVE_0, "candidates": TWO_UP,
    },
    "FastEnsemble": {"steps": ONE_UP, "targets": ONE_UP, "queries": NONE_UP},
    "AutoAttack": {"steps": ONE_UP, "queries": ONE_UP, "eot_samples": ONE_UP},
    "ALMA": {
        "steps": ONE_UP, "first_distance": or_none(ABOVE_0), "last_stride": SHARE_ABOVE_0, "smoothing": SHARE_BELOW_1,
        "check_every": ONE_UP, "improvement": SHARE_BELOW_1, "growth": FROM_1, "multiplier": ABOVE_0,
        "penalty": ABOVE_0,
    },
    "ADef": {
        "steps": ONE_UP, "candidates": ONE_UP, "smoothing": or_none(FROM_0), "overshoot": FROM_1, "nudge": FROM_0,
        "stride": ABOVE_0,
    },
    "SpatiallyTransformed": {
        "steps": ONE_UP, "tau": FROM_0, "softness": ABOVE_0, "stride": ABOVE_0, "memory": ONE_UP, "decrease": FROM_0,
    },
    "RotationTranslation": {
        "angles": ONE_UP, "shifts": ONE_UP, "draws": ONE_UP, "degrees": FROM_0, "reach": FROM_0,
    },
    "Square": {"queries": ONE_UP, "fraction": SHARE_ABOVE_0, "restarts": ONE_UP},
    "SimBA": {"epsilon": ABOVE_0, "frequencies": SHARE_ABOVE_0, "steps": ONE_UP},
    "NES": {"draws": TWO_UP, "steps": NONE_UP, "delta": ABOVE_0, "stride": ABOVE_0},
    "SPSA": {"draws": TWO_UP, "steps": NONE_UP, "delta": ABOVE_0, "stride": ABOVE_0},
    "HopSkipJump": {"steps": NONE_UP, "draws": ONE_UP, "starts": ONE_UP},
    "Boundary": {
        "steps": NONE_UP, "delta": FRACTION_INSIDE, "epsilon": FRACTION_INSIDE, "adaptation": ABOVE_1, "starts": ONE_UP,
    },
    "DDN": {
        "steps": ONE_UP, "gamma": FRACTION_INSIDE, "radius": ABOVE_0, "first_stride": FROM_0, "last_stride": FROM_0,
        "levels": or_none(TWO_UP),
    },
    "FMN": {
        "steps": ONE_UP, "first_stride": or_none(FROM_0), "last_stride": or_none(FROM_0),
        "first_gamma": SHARE_BELOW_1, "last_gamma": SHARE_BELOW_1, "nudge": FROM_0,
    },
    "SuperDeepFool": {
        "steps": ONE_UP, "walk": ONE_UP, "overshoot": FROM_0, "candidates": TWO_UP, "search": NONE_UP,
        "gain": SHARE_BELOW_1,
    },
    "SigmaZero": {"steps": ONE_UP, "stride": ABOVE_0, "sigma": ABOVE_0, "threshold": FRACTION, "pace": FROM_0},
    "PDPGD": {
        "steps": ONE_UP, "stride": ABOVE_0, "fall": SHARE_ABOVE_0, "ratio": ABOVE_0, "pace": FROM_0,
        "pace_fall": SHARE_ABOVE_0, "memory": SHARE_BELOW_1, "least": SHARE_ABOVE_0, "rounds": ONE_UP,
        "tolerance": FROM_0,
    },
    "MemeticAscent": {
        "population": TWO_UP, "generations": NONE_UP, "steps": ONE_UP, "fresh": SHARE_BELOW_1, "stride": SHARE_ABOVE_0,
        "polished": NONE_UP,
    },
    "Polish": {"programmes": ONE_UP, "rows": ONE_UP, "entries": ONE_UP},
    "SmallestRadius": {"steps": ONE_UP, "first": SHARE_ABOVE_0},
    "Restarts": {"count": ONE_UP},
    "Cascade": {},
}  # fmt: skip
EACH = [(name, field) for name, ranges in RANGES.items() for field in ranges]


def numbers(attack: Attack) -> set[str]:
    kinds = (int, float, int | None, float | None)
    return {field.name for field in fields(attack) if field.type in kinds}


def test_every_number_of_every_attack_has_its_range_here():
    assert {name: set(ranges) for name, ranges in RANGES.items()} == {
        name: numbers(attack) for name, attack in ATTACKS.items()
    }


@pytest.mark.parametrize(("name", "field"), EACH)
def test_the_ends_of_the_range_are_taken(name: str, field: str):
    for value in RANGES[name][field][0]:
        assert getattr(replace(ATTACKS[name], **{field: value}), field) == value


@pytest.mark.parametrize(("name", "field"), EACH)
def test_what_lies_beyond_is_refused_by_name(name: str, field: str):
    for value in RANGES[name][field][1]:
        with pytest.raises(InputError, match=rf"^{field} is {value}; expected "):
            replace(ATTACKS[name], **{field: value})


@pytest.mark.parametrize(("name", "field"), EACH)
def test_text_is_refused_by_name(name: str, field: str):
    with pytest.raises(InputError, match=rf"^{field} is 'many'"):
        replace(ATTACKS[name], **{field: "many"})


@pytest.mark.parametrize("attack", [BoundaryDescent, SupportDescent])
def test_no_more_runs_than_steps(attack):
    assert attack(steps=3, runs=3).runs == 3
    with pytest.raises(InputError, match="runs is 4 and steps is 3; expected at least one step for each run"):
        attack(steps=3, runs=4)
