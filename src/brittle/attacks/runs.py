"""Searches for the smallest change that are several runs: how long each is, and where the later ones begin."""

from brittle.core.attack import at_least
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.types import Images


def as_many_runs(runs: int | None, steps: int) -> None:
    """Refuse a number of runs below 1 or of less than a step each.

    Raises:
        InputError: with both numbers.
    """
    if runs is None:
        return
    at_least("runs", runs, 1)
    if runs > steps:
        raise InputError(f"runs is {runs} and steps is {steps}; expected at least one step for each run")


def divided(steps: int, shortest: int, runs: int | None = None) -> list[int]:
    """Divide steps into runs that are as equal as can be.

    Args:
        steps: of all runs together.
        shortest: steps of a run, where their number is not given; a single one may be shorter.
        runs: how many there shall be; never more than steps.

    Returns:
        The steps of each run.

    Example:
        >>> divided(100, 30), divided(20, 30), divided(7, 30, 2)
        ([33, 33, 34], [20], [3, 4])
    """
    number = min(max(1, steps // shortest) if runs is None else runs, steps)
    return [(one + 1) * steps // number - one * steps // number for one in range(number)]


def far_away(problem: Problem, spread: float) -> Images:
    """Draw a point for each image, every value moved by up to a fraction of the bounds' span and back into the box."""
    bounds, images = problem.classifier.bounds, problem.images
    drawn = 2 * problem.streams.uniform(problem.ids, tuple(images.shape[1:])) - 1
    return bounds.clamp(images + spread * bounds.span * drawn)
