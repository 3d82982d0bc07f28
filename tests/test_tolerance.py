"""The tolerance: what it allows, and that nobody writes another one."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import brittle
from brittle import Lp
from brittle.metrics.rows import within
from brittle.tolerance import TOLERANCE, in_range, most_within

SOURCE = Path(brittle.__file__).parent
OTHER = {
    "attacks/alma.py": "the least multiplier",
    "attacks/boundary_run.py": "a nudge of a fraction of the bounds",
    "attacks/pdpgd.py": "the least ratio of two weights",
    "compat/art.py": "an overshoot by default, as ART has it",
    "core/randomness.py": "a distance of logits",
    "maths/hyperplane.py": "a fraction of a rise",
    "physical/detection.py": "a slope of next to nothing",
    "pictures.py": "a step of a picture's scale",
    "studies/faults/planted.py": "a hyper-parameter",
    "studies/lbfgs/cross_model.py": "a weight decay of the paper",
    "studies/lbfgs/cross_training_set.py": "a weight decay of the paper",
    "training/autoencoder.py": "a fraction of activity",
}
"""Files in which the number means something else."""


@pytest.mark.parametrize("radius", [0.0, 8 / 255, 1.0, 7.5, math.inf])
def test_threats_and_tables_allow_the_same_sizes(radius: float):
    sizes = np.array([radius, radius + 0.9 * TOLERANCE, radius + 1.1 * TOLERANCE, radius + 9 * TOLERANCE])
    allowed = Lp(2, radius).allows(torch.from_numpy(sizes)).tolist()
    assert allowed == within(sizes, radius).tolist() == [bool(size <= most_within(radius)) for size in sizes]


@pytest.mark.parametrize(("lowest", "highest"), [(-2e-6, 1.0), (0.0, 1 + 2e-6), (math.nan, 1.0), (0.0, math.nan)])
def test_what_leaves_the_box_by_more_is_outside(lowest: float, highest: float):
    assert not in_range(lowest, highest)
    assert not in_range(2 * lowest - 1, 2 * highest - 1, -1.0, 1.0)
    assert in_range(-0.9e-6, 1 + 0.9e-6)
    assert in_range(-2e-6, 3 + 2e-6, 0.0, 3.0)


def written(text: str) -> bool:
    if not any(sign in text.replace("_", "") for sign in ("e-", "E-", "00001")):
        return False  # no number is that small, and parsing takes longer
    return any(isinstance(node, ast.Constant) and node.value == TOLERANCE for node in ast.walk(ast.parse(text)))


def test_the_tolerance_is_written_once():
    found = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if written(path.read_text())}
    assert found == {"tolerance.py", *OTHER}


def test_a_second_tolerance_is_caught():
    assert written("def near(size):\n    return size <= 1 + 0.000001")
    assert not written("'within 1e-6'")
