"""The settings of the attacks: what they are where nothing is said, and that an invalid number is named."""

import math
from dataclasses import MISSING, fields, replace
from importlib import import_module

import pytest
from cases import CASES

from brittle import Attack, InputError
from brittle.core import randomness
from brittle.maths import adam

ATTACKS = {type(case.attack).__name__: case.attack for case in CASES}
NUMBERS = [
    (attack, field.name)
    for attack in ATTACKS.values()
    for field in fields(attack)
    if field.type in (int, float, float | None, int | None)
]
EVERY, THREE = ("l0", "l1", "l2", "linf"), ("l1", "l2", "linf")
TRANSFER = {"momentum": 0.0, "diversity": 0.0, "kernel": 1}
DEFAULTS = {
    "FGSM": (THREE, {"loss": "cross_entropy"}),
    "BasicIterative": (("linf",), {"step_size": 1 / 255, "steps": None} | TRANSFER),
    "IterativeLeastLikely": (("linf",), {"step_size": 1 / 255, "steps": None} | TRANSFER),
    "PGD": (
        THREE,
        {"steps": 40, "step_size": None, "restarts": 1, "random_start": True, "loss": "cross_entropy", "kappa": 0.0,
         "sparsity": 0.99} | TRANSFER,
    ),
    "DeepFool": (THREE, {"steps": 50, "overshoot": 0.02, "candidates": 10, "nudge": 1e-4, "slack": 2.0, "box": 0.1}),
    "LBFGS": (
        ("l2",),
        {"searches": 12, "steps": 50, "memory": 10, "tolerance": 0.02, "decrease": 3e-4, "precision": 0.02,
         "factor": 2.0, "constant": None, "untargeted": "any"},
    ),
    "BoundaryDescent": (
        THREE,
        {"steps": 100, "farther": 0.5, "runs": None, "spread": 0.5, "stride": None, "momentum": None,
         "smoothing": 0.2, "overshoot": 0.02},
    ),
    "SupportDescent": (
        ("l0", "pixels"), {"steps": 100, "runs": None, "spread": 0.5, "momentum": 0.95, "smoothing": 0.2},
    ),
    "PatchAscent": (
        ("patch", "frame"),
        {"steps": 40, "restarts": 3, "step_size": 0.3, "momentum": 0.9, "loss": "margin", "random_place": False},
    ),
    "RandomNoise": ((*EVERY, "pixels", "flow", "patch", "frame"), {"draws": 100}),
    "RandomDirection": (THREE, {"directions": 10, "doublings": 8, "bisections": 10}),
    "JSMA": (("l0",), {"theta": 1.0, "fraction": 0.145, "pairs": True, "on": "probabilities", "aim": "label"}),
    "OnePixel": (
        ("pixels",),
        {"population": 400, "generations": 100, "factor": 0.5, "stop": "confident", "target_probability": 0.9,
         "label_probability": 0.05},
    ),
    "CarliniWagnerL2": (
        ("l2",),
        {"searches": 9, "steps": 1000, "learning_rate": 0.01, "constant": 1e-3, "abort_early": True, "shrink": 0.99,
         "warm": True, "carry": True},
    ),
    "CarliniWagnerL0": (
        ("pixels", "l0"),
        {"steps": 1000, "learning_rate": 0.01, "constant": 1e-3, "abort_early": True, "skip": True, "shrink": 0.99,
         "candidates": 3},
    ),
    "CarliniWagnerLinf": (
        ("linf",),
        {"steps": 1000, "learning_rate": 0.005, "constant": 1e-5, "decrease": 0.9, "smallest": 1 / 256,
         "refinements": 3, "project": True, "abort_early": True, "skip": True, "shrink": 0.99},
    ),
    "APGD": (
        THREE,
        {"steps": 100, "restarts": 1, "loss": "cross_entropy", "targets": 0, "momentum": 0.75, "rises": 0.75,
         "widened": True, "order": "likely"},
    ),
    "FAB": (
        THREE,
        {"steps": 100, "restarts": 1, "targets": 0, "overshoot": 1.05, "pull": 0.1, "back": 0.9, "candidates": 10},
    ),
    "FastEnsemble": (THREE, {"steps": 50, "targets": None, "queries": 300}),
    "MemeticAscent": (
        THREE, {"population": 6, "generations": 36, "steps": 30, "fresh": 0.08, "stride": 0.2, "polished": 0},
    ),
    "Polish": (THREE, {"programmes": 30, "rows": 48, "entries": 4096}),
    "AutoAttack": (THREE, {"version": "standard", "steps": 100, "queries": 5000, "eot_samples": 20}),
    "ALMA": (
        ("l1", "l2"),
        {"steps": 1000, "first_distance": None, "last_stride": 0.01, "smoothing": 0.9, "check_every": 10,
         "improvement": 0.95, "growth": 1.2, "multiplier": 1.0, "penalty": 1.0},
    ),
    "ADef": (
        ("flow",),
        {"steps": 100, "candidates": 1, "smoothing": None, "overshoot": 1.2, "nudge": 0.02, "stride": 0.5},
    ),
    "SpatiallyTransformed": (
        ("flow",),
        {"steps": 100, "tau": 0.05, "softness": 0.1, "stride": 0.5, "memory": 10, "decrease": 0.01, "scaled": False},
    ),
    "RotationTranslation": (
        ("flow",),
        {"search": "grid", "angles": 31, "shifts": 5, "draws": 10, "degrees": 30.0, "reach": 3 / 28},
    ),
    "Square": (THREE, {"queries": 5000, "fraction": 0.8, "restarts": 1, "rescaled": True}),
    "SimBA": (("l2",), {"epsilon": 0.2, "basis": "pixel", "frequencies": 1 / 8, "steps": 10_000}),
    "NES": (("l2", "linf"), {"draws": 50, "steps": 196, "delta": 1e-3, "stride": 0.01}),
    "SPSA": (("l2", "linf"), {"draws": 128, "steps": 100, "delta": 0.01, "stride": 0.01}),
    "HopSkipJump": (("l2", "linf"), {"steps": 40, "draws": 100, "starts": 100}),
    "Boundary": (("l2",), {"steps": 25_000, "delta": 0.01, "epsilon": 0.01, "adaptation": 1.5, "starts": 100}),
    "DDN": (
        ("l2",),
        {"steps": 100, "gamma": 0.05, "radius": 1.0, "first_stride": 1.0, "last_stride": 0.01, "levels": None},
    ),
    "FMN": (
        EVERY,
        {"steps": 100, "first_stride": None, "last_stride": None, "first_gamma": 0.05, "last_gamma": 1e-3,
         "inward": True, "nudge": 1e-4},
    ),
    "SuperDeepFool": (
        ("l2",),
        {"steps": 100, "walk": 100, "overshoot": 0.02, "candidates": 10, "search": 10, "gain": 0.01,
         "add_up": False},
    ),
    "SigmaZero": (("l0",), {"steps": 1000, "stride": 1.0, "sigma": 1e-3, "threshold": 0.3, "pace": 0.01}),
    "PDPGD": (
        EVERY,
        {"steps": 500, "stride": 0.1, "fall": 0.01, "ratio": 0.01, "pace": 0.1, "pace_fall": 0.1, "memory": 0.9,
         "least": 1e-6, "rounds": 5, "tolerance": 0.01},
    ),
    "SmallestRadius": (THREE, {"steps": 12, "first": 1 / 128}),
    "Restarts": (THREE, {"count": 10}),
    "Cascade": (THREE, {}),
}  # fmt: skip
"""Most are those of the papers or of their code; a user who says nothing gets these, and another version's are seen."""
PUBLISHED = {
    "input_diversity": {"SMALLEST": 299 / 330},  # Xie et al. 2019
    "apgd": {"FIRST": 0.22, "SHORTER": 0.03, "LEAST": 0.06},
    "apgd_l1": {
        "EVERY": 0.04, "FRACTION": 0.2, "THINNER": 1.5, "SHORTEST": 10, "SETTLED": 0.95,
        "WIDER": ((3, 0.3), (2, 0.3), (1, 0.4)),
    },
    "autoattack": {"TARGETS": 9},
    "boundary": {"EVERY": 10, "SPHERE": 100, "SOURCE": 30, "CONVERGED": 1e-7},
    "carlini_wagner": {"CHECKS": 10, "PROGRESS": 0.9999},
    "carlini_wagner_l0": {"MARGIN": 0.01, "LEAST": 1e-4, "FRACTION": 0.3, "HEAVY": 0.01, "LARGEST": 2e6},
    "carlini_wagner_l2": {"LARGEST": 1e10},
    "carlini_wagner_linf": {"LARGEST": 20},
    "fab": {"FARTHEST": {"linf": 0.3, "l2": 1, "l1": 5}},
    "hop_skip_jump": {"FIRST_PROBE": 0.1, "MOST_DRAWS": 10_000},
    "one_pixel": {"PARENTS": 3},
    "square": {
        "HALVINGS": (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000), "SCHEDULE": 10_000, "TILES": 5, "SMALLEST": 3,
    },
    "starting": {"NEAR": 1e-3},
}  # fmt: skip
"""Constants of published code that no user sets."""


@pytest.mark.parametrize(("attack", "name"), NUMBERS, ids=[f"{type(a).__name__}-{n}" for a, n in NUMBERS])
def test_not_a_number_is_refused_by_name(attack: Attack, name: str):
    with pytest.raises(InputError, match=rf"\b{name} is nan"):
        replace(attack, **{name: math.nan})


@pytest.mark.parametrize("name", ATTACKS)
def test_threats_and_defaults_are_these(name: str):
    kind = type(ATTACKS[name])
    threats, settings = DEFAULTS[name]
    assert kind.threats == threats
    assert {field.name: field.default for field in fields(kind) if field.default is not MISSING} == settings


def test_constants_of_published_code_are_the_published_ones():
    for module, constants in PUBLISHED.items():
        found = vars(import_module(f"brittle.attacks.{module}"))
        assert {name: found[name] for name in constants} == constants
    assert (randomness.LOOKS, randomness.DRAWS, randomness.DISTANCE) == (5, 20, 1e-4)
    assert (adam.FIRST_DECAY, adam.SECOND_DECAY, adam.TINY) == (0.9, 0.999, 1e-8)
