"""The security curve of results: robust accuracy against the size of the change allowed."""

from collections.abc import Sequence

import torch

from brittle.core.result import Result
from brittle.errors import InputError
from brittle.metrics.curves import Curve, Outcome
from brittle.metrics.curves import security_curve as curve_of_outcomes
from brittle.metrics.estimate import LEVEL


def security_curve(
    results: Result | Sequence[Result], radii: Sequence[float] | None = None, level: float = LEVEL
) -> Curve:
    """Robust accuracy against the radius, for each image the worst case over all results given.

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
        InputError: no results, results of different images or norms, or a radius for each image.

    Example:
        >>> from brittle import Classifier, DeepFool, Lp, run
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
        >>> result = run(DeepFool(), Classifier(network), torch.rand(3, 1, 2, 2), threat=Lp(2))
        >>> security_curve(result, [0.0]).accuracy[0].value
        1.0
    """
    given = [results] if isinstance(results, Result) else [*results]
    if not given:
        raise InputError("there are no results; give at least one")
    norms = {"" if one.terms is None else one.terms.threat.name for one in given}
    if len(norms) > 1 or "" in norms:
        raise InputError(f"the results are of the norms {', '.join(sorted(norms)) or 'of nobody'}; expected one norm")
    if len({len(one) for one in given}) > 1:
        raise InputError(
            f"the results are of {', '.join(str(len(one)) for one in given)} images; expected the same ones"
        )
    return curve_of_outcomes([_outcome(one) for one in given], norms.pop(), radii, level)


def _outcome(result: Result) -> Outcome:
    terms = result.terms
    if terms is None or terms.searches:
        return Outcome(result.table())
    if isinstance(terms.threat.radius, torch.Tensor):
        raise InputError("every image has a radius of its own, of which there is no curve; give one radius for all")
    return Outcome(result.table(), float(terms.threat.radius))
