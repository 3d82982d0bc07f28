"""How far a number may be off and still count: one statement for radii and boxes, wherever one is compared."""

TOLERANCE = 1e-6
"""How far a size may exceed the radius and still count as within it: float32 sums of pixels are no better than this."""


def most_within(radius: float, span: float = 1.0) -> float:
    """Return the largest size that counts as within a radius: by `TOLERANCE` of the larger of it and the bounds' span.

    Example:
        >>> f"{most_within(0.5):g}", most_within(100.0) == 100 + 100 * TOLERANCE
        ('0.500001', True)
    """
    return radius + TOLERANCE * max(span, radius)


def in_range(lowest: float, highest: float, lower: float = 0.0, upper: float = 1.0) -> bool:
    """Say whether values from `lowest` to `highest` lie within a box, up to `TOLERANCE` of its width; NaN does not.

    Example:
        >>> in_range(-1e-7, 1.0), in_range(0.0, 255.0), in_range(0.0, 255.0001, 0.0, 255.0), in_range(0.0, float("nan"))
        (True, False, True, False)
    """
    slack = TOLERANCE * (upper - lower)
    return lowest >= lower - slack and highest <= upper + slack
