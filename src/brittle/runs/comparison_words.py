"""What changed from one audit to another, in a sentence."""

from brittle.metrics.formats import significant
from brittle.runs.comparison import Difference
from brittle.runs.rate import Rate


def points(value: float) -> str:
    """A difference of two rates, in points of a hundred.

    Example:
        >>> points(-0.021), points(0.0), points(0.004)
        ('−2.1', '0.0', '+0.4')
    """
    text = f"{100 * value:+.1f}".replace("-", "−")
    return text[1:] if text[1:] == "0.0" else text


def points_ends(rate: Rate) -> str:
    """The interval of a difference of two rates, in points of a hundred."""
    return f"{points(rate.low)} to {points(rate.high)}"


def comparison_headline(name: str, found: Difference) -> str:
    """Say in a sentence or two what changed, and whether chance alone explains it.

    Args:
        name: of the later audit.
        found: what changed to it.

    Returns:
        What became of the robust accuracy; and of the clean accuracy and the smallest change where their intervals
        rule out that they stayed as they were.
    """
    value = found.robust.difference.value
    beside = _beside(found)
    if found.least_drop > 0:
        first = f"{name} is less robust: by {points(value)[1:]} points, and by at least {points(found.least_drop)[1:]}"
    elif found.most_drop < 0:
        first = f"{name} is more robust: by {points(value)[1:]} points, and by at least {points(found.most_drop)[1:]}"
    elif beside:
        return f"No difference in robust accuracy is shown for {name}; but {' and '.join(beside)}."
    else:
        return f"No difference in robust accuracy is shown for {name}."
    return f"{first}; {' and '.join(beside)}." if beside else f"{first}."


def _beside(found: Difference) -> list[str]:
    """What else changed, beyond what chance explains."""
    lines: list[str] = []
    clean = found.clean.difference
    if clean.low > 0 or clean.high < 0:
        way = "rose" if clean.value > 0 else "fell"
        lines.append(f"clean accuracy {way} by {points(clean.value)[1:]} points ({points_ends(clean)})")
    factor = found.factor
    if factor is not None and factor.estimate.has_interval and (factor.low > 1 or factor.high < 1):
        way = "grew" if factor.value > 1 else "shrank"
        ends = f"{significant(factor.low)} to {significant(factor.high)}"
        lines.append(f"the smallest change {way} to {significant(factor.value)} times its size ({ends})")
    return lines
