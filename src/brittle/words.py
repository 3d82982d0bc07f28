"""Words in messages: a number with its noun, a name with its article, a length of time."""

import math


def plural(number: int, noun: str, nouns: str = "") -> str:
    """Return a number of things in words.

    Args:
        number: how many.
        noun: one of them.
        nouns: several; by default with an s.

    Example:
        >>> plural(1, "image"), plural(2000, "image"), plural(0, "pass", "passes")
        ('1 image', '2,000 images', '0 passes')
    """
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def time_in_words(seconds: float) -> str:
    """Return a length of time as people say it; "an unknown time" for NaN.

    Example:
        >>> time_in_words(4.21), time_in_words(312), time_in_words(3900), time_in_words(float("nan"))
        ('4.2 s', '5 min 12 s', '1 h 5 min', 'an unknown time')
    """
    if not math.isfinite(seconds):
        return "an unknown time"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def with_article(name: str) -> str:
    """Return a name, such as that of a type, with the article that it takes.

    Example:
        >>> with_article("int"), with_article("Tensor"), with_article("NoneType")
        ('an int', 'a Tensor', 'a NoneType')
    """
    return f"{'an' if name[:1] in (*'AEIOUaeio',) else 'a'} {name}"


def middle_of(count: int) -> str:
    """Return what the middle one of so many numbers is called, which of an even number is the lower of two.

    Example:
        >>> middle_of(3), middle_of(4)
        ('median', 'lower middle')
    """
    return "median" if count % 2 else "lower middle"
