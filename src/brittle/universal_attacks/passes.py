"""The first perturbation of a search and one pass of it, as all processes that share it make them."""

import time
from typing import TYPE_CHECKING

import torch

from brittle.classifiers.frozen import preserving_state
from brittle.errors import ModelError
from brittle.tolerance import TOLERANCE
from brittle.universal_attacks.problem import Judge, Pass, UniversalProblem, UniversalState

if TYPE_CHECKING:
    from brittle.universal_attacks.search import UniversalAttack


def first_state(method: "UniversalAttack", problem: UniversalProblem) -> UniversalState:
    """Return where a search begins."""
    with preserving_state(problem.classifier.module, problem.team.seed(problem.seed)):
        return method.start(problem)


def one_pass(
    method: "UniversalAttack", problem: UniversalProblem, state: UniversalState, number: int, judge: Judge | None
) -> tuple[UniversalState, Pass]:
    """Make a pass, and look at the perturbation.

    Args:
        method: how.
        problem: for what.
        state: after the pass before.
        number: of the pass, from 0.
        judge: looks at the perturbation; None for the images X.

    Returns:
        The state after the pass, and its line of the history.

    Raises:
        ModelError: the perturbation is no number any more.
    """
    began = time.perf_counter()
    with preserving_state(problem.classifier.module, problem.team.seed(problem.seed + number)):
        state = method.advance(problem, state, number)
    if not bool(torch.isfinite(state.perturbation).all()):
        raise ModelError(
            f"pass {number + 1} of {type(method).__name__} came to NaN or infinite values; a setting may be too "
            "large, or a layer may say more than the network's type of number holds"
        )
    return state, _line(method, problem, state, judge, number, began)


def _line(
    method: "UniversalAttack",
    problem: UniversalProblem,
    state: UniversalState,
    judge: Judge | None,
    number: int,
    began: float,
) -> Pass:
    """Look at the perturbation after a pass that began at a time."""
    v, leading, saturated = state.perturbation, None, None
    if judge is None:
        predictions = problem.given().predictions(v)
        score = problem.given().score(predictions, method.aims_at, method.only)
        if "more" in state.extras:
            also = problem.given().fooled_by_each(state.extras["more"]).any(0)
            score = float((also | problem.given().answers.changed(predictions, problem.given().clean)).double().mean())
        leading = problem.given().answers.leading(predictions)
    else:
        score = judge(v)
    if problem.threat.name == "linf":
        saturated = float((v.abs() >= problem.radius * (1 - TOLERANCE)).double().mean())
    size = problem.threat.change_size(v)
    spent = state.forward, state.backward, time.perf_counter() - began
    return Pass(number + 1, score, size, *spent, method.aims_at, saturated, leading, [*method.only] or None)
