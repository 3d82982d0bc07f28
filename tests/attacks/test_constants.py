"""Constants that no user sets and that no publication names: searches and verdicts are what they are with these.

Those of published code are in `test_settings`.
"""

import math
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

import brittle

from .test_settings import PUBLISHED

CHOSEN: dict[str, dict[str, object]] = {
    "adef": {"SMALL": 64, "FINE": 0.5, "COARSE": 1.0, "STILL": 1e-10},  # the authors' code
    "alma": {  # the authors' code, but for the doublings
        "FIRST_DISTANCE": {1.0: 0.5, 2.0: 0.1}, "TOLERANCE": 1e-4, "LOWEST": 1e-6, "HIGHEST": 1e12, "DOUBLINGS": 40,
    },
    "boundary_descent": {
        "STRIDES": {1.0: 0.65, 2.0: 0.8, math.inf: 0.8}, "MOMENTA": {1.0: 0.7, 2.0: 0.0, math.inf: 0.5},
        "FARTHER": 200, "SHORTEST": {1.0: 30, 2.0: 30, math.inf: 48},
        "REMOTE": 20.0, "FIRST_REACH": 0.5, "LAST_REACH": 0.005, "SETTLES": 5, "LAST_PART": 5, "LAST_STRIDE": 0.3,
    },
    "boundary_run": {
        "LAST": 1 / 40, "NUDGE": 1e-6, "REACH": 16.0, "LEAST": 1e-4, "MOST": 0.5, "GIVEN_UP": 0.3, "FARTHEST": 0.25,
        "DOUBTED": 1.1,
    },
    "boundary_walk": {"OVERSHOOT": 1e-3},
    "carlini_wagner_linf": {"SLACK": 1e-4, "FELT": 0.1},
    "hop_skip_jump": {"HALVINGS": 30},
    "jsma": {"SMALLEST_THETA": 1e-3},
    "lbfgs": {"SHORTEST": 1e-3},
    "fast_ensemble": {"EASY": 20},
    "memetic_ascent": {
        "FIRST": 5, "COARSE": 7, "WIDEST": 1.0, "FALL": 1.5, "LAST": 1 / 300, "SAME": 0.05, "ENTRIES": 4096,
        "PROGRAMMES": 30, "ROWS": 16, "MOMENTUM": 0.75,
    },
    "polish": {"GAIN": 1e-4},
    "region": {"CLOSE": 1e-5},
    "objective": {"SPREAD": 5.0, "NEAREST": 9},
    "rotation_translation": {"TOGETHER": 32},
    "stadv": {"SHORTEST": 1e-3, "PATIENCE": 3, "RELAXED": 0.1},
    "starting": {"COARSENESS": (1, 2, 4, 8)},
    "support_descent": {"FASTEST": 0.5, "SLOWEST": 0.02, "FRACTION": 5, "SHORTEST": 25},
    "classifier": {"MOST_CLASSES": 1_000_000},
    "manner": {"HIDDEN": (torch.float16, torch.bfloat16, torch.float64, torch.float32)},
    "goal": {"ROUNDING": 4},
    "problem": {"UNCERTAIN": 16},
    "inputs": {"LONGEST_NUMBER": 8},
    "grid": {"MOST_LEVELS": 65536},
    "quantize": {"ROUNDS": 12, "REFINEMENTS": 4, "PROBES": 8, "GAIN": 2e-3, "NOISE": 16},
    "nonfinite": {"_PIXEL": 0.7548776662466927, "_TURN": 0.6180339887498949},  # Weyl 1916, of the plane and the line
    "probabilities": {
        "EXACT": 1e-5, "SLACK": 1e-3, "STEPS": (100, 255, 256, 10**3, 10**4, 65535, 65536, 10**5, 10**6),
        "CHANCE": 1e-4, "FEWEST": 8,
    },
    "job": {"VERIFICATION_QUERIES": 1, "REMEMBERED": 64},
    "seeds": {  # SplitMix64
        "_GOLDEN": 0x9E3779B97F4A7C15 - 2**64, "_FIRST": 0xBF58476D1CE4E5B9 - 2**64,
        "_SECOND": 0x94D049BB133111EB - 2**64,
        "_BITS": {torch.float64: 53, torch.float32: 24, torch.float16: 11, torch.bfloat16: 8},
    },
    "slopes": {"LEVEL": 6, "LOWER": -8, "TRIES": 3},
    "threat": {"TOLERANCE": 1e-6},
    "conv_backward": {"FEW": 3, "FILTERS": 6, "LEAST": 4096, "VALUES": 2**22},
}  # fmt: skip
SOURCE = Path(brittle.__file__).parent


def module_of(name: str) -> ModuleType:
    """The module of that name, in whichever room it lies."""
    rooms = ("attacks", "base", "classifiers", "threats", "core")
    (path,) = [file for room in rooms if (file := SOURCE / room / f"{name}.py").exists()]
    return import_module(f"brittle.{path.parent.name}.{name}")


@pytest.mark.parametrize("name", CHOSEN)
def test_the_chosen_constants_are_these(name: str):
    found = vars(module_of(name))
    assert {constant: found[constant] for constant in CHOSEN[name]} == CHOSEN[name]


def test_every_constant_of_the_attacks_is_pinned():
    for path in sorted((SOURCE / "attacks").glob("*.py")):
        module = import_module(f"brittle.attacks.{path.stem}")
        own = {
            name
            for name, value in vars(module).items()
            if name.isupper() and isinstance(value, int | float | tuple | dict) and f"\n{name}" in path.read_text()
        }
        pinned = {*CHOSEN.get(path.stem, ()), *PUBLISHED.get(path.stem, ())}
        assert own <= pinned | {"FIRST_DECAY", "SECOND_DECAY", "TINY"}, path.stem
