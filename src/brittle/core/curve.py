"""The security curve of results: robust accuracy against the size of the change allowed."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from brittle.arguments import fitted
from brittle.arguments import seen as seen_as
from brittle.core.inputs import check_radius
from brittle.core.result import Result
from brittle.errors import InputError
from brittle.metrics.curves import Curve, Outcome
from brittle.metrics.curves import security_curve as curve_of_outcomes
from brittle.metrics.estimate import LEVEL
from brittle.tolerance import most_within


def security_curve(
    results: Result | Sequence[Result], radii: Sequence[float] | None = None, level: float = LEVEL
) -> Curve:
    """Robust accuracy against the radius, for each image the worst case over all results given.

    Of targeted results, and of others with a goal of their own, it is the fraction that is right before and not brought
    to the goal (`Curve.goal`): images that became another wrong class count as standing, so that it is no robust
    accuracy.

    One result of a search for the smallest change gives the whole curve. Of attacks within a radius, give one result
    for each radius: such an attack says nothing below its own.

    Args:
        results: of `run`, about the same images and network, by one norm.
        radii: where to work the curve out, in the units of the images; by default wherever it changes.
        level: coverage of the intervals, each for its radius by itself.

    Returns:
        The curve; `plot` draws it, and its value at 0 is the clean accuracy. Without labels every image that could be
        attacked counts as right.

    Raises:
        InputError: no results, results of different images, norms or goals, a radius for each image, a radius that is
            no number of at least 0, one beyond that of every attack, where nothing was looked for, or one that no
            change of such images can have, such as 8 for 8/255.

    Example:
        >>> from brittle import Classifier, DeepFool, Lp, run
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
        >>> result = run(DeepFool(), Classifier(network), torch.rand(3, 1, 2, 2), threat=Lp(2))
        >>> security_curve(result, [0.0]).accuracy[0].value
        1.0
    """
    given = [results] if isinstance(results, Result) else [*results]
    other = next((one for one in given if not isinstance(one, Result)), None)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not given or other is not None:
        seen = "there are no results" if other is None else f"{seen_as(other)} is given"
        raise InputError(f"{seen}; expected results of brittle.run, at least one")
    norms = {"" if one.terms is None else one.terms.threat.name for one in given}
    if len(norms) > 1 or "" in norms:
        raise InputError(f"the results are of the norms {', '.join(sorted(norms)) or 'of nobody'}; expected one norm")
    if len({len(one) for one in given}) > 1:
        raise InputError(
            f"the results are of {', '.join(str(len(one)) for one in given)} images; expected the same ones"
        )
    goal = _goal_of(given)
    outcomes = [_outcome(one) for one in given]
    for radius in [] if radii is None else fitted("radii", radii, Sequence[float]):
        terms = given[0].terms
        if terms is not None and radius >= 0:
            check_radius(terms.threat.within(radius), given[0].adversarial, terms.bounds)
    radii = None if radii is None else _checked(fitted("radii", radii, Sequence[float]), outcomes)
    return replace(curve_of_outcomes(outcomes, norms.pop(), radii, level), goal=goal)


def _goal_of(results: Sequence[Result]) -> str:
    """Return the goal of all results; refuse several."""
    goals = {"" if one.terms is None else one.terms.goal for one in results}
    if len(goals) > 1:
        told = ", ".join(sorted(one or "any other class" for one in goals))
        raise InputError(f"the results are of different goals ({told}); expected one goal, and one curve for each")
    first = results[0].target
    if first is not None and any(one.target is None or not torch.equal(first, one.target) for one in results):
        raise InputError("the results are of different targets; expected the same targets, and one curve for each")
    return goals.pop()


def _checked(radii: Sequence[float], outcomes: Sequence[Outcome]) -> Sequence[float]:
    """Refuse radii at which nothing is known."""
    looked = [one.radius for one in outcomes]
    farthest = math.inf if None in looked else max(radius for radius in looked if radius is not None)
    for radius in radii:
        if not radius >= 0:
            raise InputError(f"a radius is {radius}; expected numbers of at least 0")
        if radius > most_within(farthest):
            raise InputError(
                f"a radius is {radius:g}, and the attacks looked for changes up to {farthest:g} alone; give radii up "
                "to that, one more result of an attack at this radius, or one of a search for the smallest change"
            )
    return radii


def _outcome(result: Result) -> Outcome:
    terms = result.terms
    if terms is None or terms.searches:
        return Outcome(result.table())
    if isinstance(terms.threat.radius, torch.Tensor):
        raise InputError("every image has a radius of its own, of which there is no curve; give one radius for all")
    return Outcome(result.table(), float(terms.threat.radius))
