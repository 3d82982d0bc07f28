"""The smallest change that raises a concave, piecewise linear function: one linear or quadratic programme."""

from dataclasses import dataclass
from typing import Any

import clarabel as untyped
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

Vector = NDArray[np.float64]
NEWTON_STEPS, EXACT = 50, 1e-10
"""Most programmes for one in linf, and how exactly the wanted value is met, in units of the value at the point."""
clarabel: Any = untyped
"""Its classes are made in Rust, and its module says no types."""


@dataclass(frozen=True)
class Concave:
    """A function of a change d that is linear but for what its bends take away from it.

    f(d) = height + <gradient, d - at> - sum_j costs[j] * max(0, -(slack[j] + <rows[j], d - at>)).

    Attributes:
        at: the change at which it is known, (v,).
        height: its value there.
        gradient: (v,).
        rows: gradients of how far each bend is away, (r, v).
        slack: how far each is away, (r,), not negative.
        costs: what crossing it costs for each unit, (r,), not negative.
    """

    at: Vector
    height: float
    gradient: Vector
    rows: Vector
    slack: Vector
    costs: Vector

    def from_nothing(self) -> tuple[float, Vector]:
        """Return the linear part's value and the slack of the bends where nothing is changed."""
        return self.height - float(self.gradient @ self.at), self.slack - self.rows @ self.at


def smallest_change(function: Concave, least: float, p: float, lower: Vector, upper: Vector) -> Vector | None:
    """Solve min ||d||_p subject to f(d) >= least and lower <= d <= upper.

    Each bend gets a variable for how far it is crossed. In l1 and linf this is a linear programme, solved by the
    simplex method of HiGHS (scipy); in l2 a quadratic one, solved by the interior point method of Clarabel.

    Args:
        function: f.
        least: what it is to reach.
        p: 1, 2 or inf.
        lower: smallest change of each entry, (v,).
        upper: largest, (v,).

    Returns:
        The change (v,), or None where the box does not let the function reach so much.

    Example:
        >>> nothing = np.zeros(2)
        >>> f = Concave(nothing, -5.0, np.array([3.0, 4.0]), np.zeros((0, 2)), np.zeros(0), np.zeros(0))
        >>> smallest_change(f, 0.0, 2, nothing - 9, nothing + 9).round(4).tolist()
        [0.6, 0.8]
        >>> smallest_change(f, 0.0, np.inf, nothing - 9, nothing + 9).round(4).tolist()
        [0.7143, 0.7143]
    """
    if p == np.inf:
        return _in_a_cube(function, least, lower, upper)
    bends = len(function.costs)
    reached, slack = function.from_nothing()
    wanted = np.concatenate([-function.gradient, function.costs])[None]
    crossed = sparse.hstack([-function.rows, -sparse.identity(bends)])
    matrix, limits = sparse.vstack([wanted, crossed]).tocsr(), np.concatenate([[reached - least], slack])
    return (_quadratic if p == 2 else _linear)(matrix, limits, lower, upper)


def _in_a_cube(function: Concave, least: float, lower: Vector, upper: Vector) -> Vector | None:
    """Solve for p = inf: the largest value within a cube is concave in the cube's size, so Newton's method finds it.

    One programme with a bound for each entry is many times faster than one with two rows for each; a few are enough.
    """
    values, bends = len(lower), len(function.costs)
    reached, slack = function.from_nothing()
    aim, matrix = np.concatenate([-function.gradient, function.costs]), np.hstack([-function.rows, -np.eye(bends)])
    least_size = max(0.0, float(lower.max()), float(-upper.min()))
    most_size = max(float(-lower.min()), float(upper.max()))
    size = min(max(float(abs(function.at).max()), least_size), most_size)
    for _ in range(NEWTON_STEPS):
        low, high = lower.clip(min=-size), upper.clip(max=size)
        bounds = [np.concatenate([low, np.zeros(bends)]), np.concatenate([high, np.full(bends, np.inf)])]
        found: Any = linprog(aim, matrix, slack, bounds=np.stack(bounds, 1), method="highs")
        if found.x is None:
            return None
        missing = least - (reached - found.fun)
        if abs(missing) <= EXACT * (1 + abs(function.height)) or (missing < 0 and size <= least_size):
            return found.x[:values]
        grows = found.lower.marginals[:values][low == -size].sum() - found.upper.marginals[:values][high == size].sum()
        if missing > 0 and (grows <= 0 or size >= most_size):
            return None
        size = min(max(size + missing / grows, least_size), most_size) if grows > 0 else least_size
    return None


def _linear(matrix: Any, limits: Vector, lower: Vector, upper: Vector) -> Vector | None:
    """Minimise the sum of the first variables' sizes subject to matrix x <= limits; the others are not negative."""
    values, none = len(lower), np.zeros(matrix.shape[1] - len(lower))  # each as the difference of two parts
    both = sparse.hstack([matrix[:, :values], -matrix[:, :values], matrix[:, values:]]).tocsr()
    low = np.concatenate([lower.clip(min=0), (-upper).clip(min=0), none])
    high = np.concatenate([upper.clip(min=0), (-lower).clip(min=0), none + np.inf])
    found: Any = linprog(
        np.concatenate([np.ones(2 * values), none]), both, limits, bounds=np.stack([low, high], 1), method="highs"
    )
    return None if found.x is None else found.x[:values] - found.x[values : 2 * values]


def _quadratic(matrix: Any, limits: Vector, lower: Vector, upper: Vector) -> Vector | None:
    """Minimise the first variables' squares subject to matrix x <= limits; the others are not negative."""
    values, total = len(lower), matrix.shape[1]
    squares = sparse.diags(np.concatenate([np.ones(values), np.zeros(total - values)])).tocsc()
    unit: Any = sparse.identity(total, format="csr")
    rows = sparse.vstack([matrix, unit[:values], -unit]).tocsc()
    bounds = np.concatenate([limits, upper, -lower, np.zeros(total - values)])
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    cones = [clarabel.NonnegativeConeT(len(bounds))]
    found = clarabel.DefaultSolver(squares, np.zeros(total), rows, bounds, cones, settings).solve()
    solved = found.status in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved)
    return np.asarray(found.x)[:values].clip(lower, upper) if solved else None
