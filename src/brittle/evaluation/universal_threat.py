"""Within what a universal perturbation is made: norm and radius, by default the published ones."""

import math

from brittle.errors import InputError
from brittle.evaluation.plan import threat_of
from brittle.near import meant
from brittle.specs import Question
from brittle.threats import SharedThreat, parse_threat

NORMS = ("linf", "l2", "l1", "patch", "frame")
LINF, L2, PUBLISHED_VALUES = 10 / 255, 2000 / 255, 3 * 224 * 224
"""The radii of Moosavi-Dezfooli et al., CVPR 2017, section 3, and the number of values of their images."""


def usual_radius(norm: str, shape: tuple[int, int, int]) -> float:
    """Return the radius of Moosavi-Dezfooli et al., CVPR 2017: 10/255 in linf; in l2 the same change per value.

    For patches and frames that which their threats name.

    Example:
        >>> usual_radius("l2", (3, 224, 224)) * 255, usual_radius("patch", (3, 224, 224))
        (2000.0, 50.0)

    Raises:
        InputError: the norm has none.
    """
    if norm == "l1":
        raise InputError("there is no usual radius in l1 for a perturbation of all images; say it, such as --eps 50")
    if norm in ("patch", "frame"):
        usual = parse_threat(norm).usual_radius(shape)
        assert usual is not None
        return usual[0]
    return LINF if norm == "linf" else L2 * math.sqrt(math.prod(shape) / PUBLISHED_VALUES)


def shared_threat(norm: str, radius: float) -> SharedThreat:
    """Return the threat of a name."""
    threat = parse_threat(norm, radius)
    assert isinstance(threat, SharedThreat)
    return threat


def norm_and_radius(question: Question) -> tuple[str, float | None]:
    """Return the norm and the radius that were asked for.

    Raises:
        InputError: a norm in which no universal perturbations are made.
    """
    threat, eps = threat_of(question)
    norm = NORMS[0] if threat is None else threat.name
    if norm not in NORMS:
        raise InputError(
            f"the norm is {norm!r}{meant(norm, NORMS)}; universal perturbations are made for {', '.join(NORMS)}"
        )
    return norm, eps
