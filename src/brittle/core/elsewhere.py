"""Arguments of other libraries that go elsewhere here, and what to write instead."""

from collections.abc import Iterable

from brittle.near import did_you_mean

_RADIUS = "the radius goes in threat=, such as brittle.run(..., threat=brittle.Lp('inf', 8 / 255))"
_NORM = "the norm goes in threat=, such as brittle.run(..., threat=brittle.Lp(2, 0.5))"
_GOAL = "the classes to reach go in goal=, as brittle.run(..., goal=brittle.Targeted(classes))"
_BATCH = "the batch size goes in batch=, as run(..., batch=8)"
ELSEWHERE = {
    **dict.fromkeys(("eps", "epsilon", "epsilons", "radius"), _RADIUS),
    **dict.fromkeys(("norm", "ord", "p"), _NORM),
    **dict.fromkeys(("targeted", "target", "targets", "target_classes"), _GOAL),
    **dict.fromkeys(("batch_size", "bs"), _BATCH),
    "bounds": "the bounds are those of brittle.Classifier(module, bounds=(0, 1))",
}


def unexpected(function: str, name: str, known: Iterable[str]) -> TypeError:
    """Return the error of a keyword that a function or an attack does not have.

    Example:
        >>> print(unexpected("run", "batch_size", ["batch"]))
        run() got an unexpected keyword argument 'batch_size'; the batch size goes in batch=, as run(..., batch=8)
    """
    instead = f"; {ELSEWHERE[name]}" if name in ELSEWHERE else did_you_mean(name, known)
    return TypeError(f"{function}() got an unexpected keyword argument {name!r}{instead}")
