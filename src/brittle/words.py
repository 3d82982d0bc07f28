"""Words in messages: a number with its noun, a name with its article."""


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


def with_article(name: str) -> str:
    """Return a name, such as that of a type, with the article that it takes.

    Example:
        >>> with_article("int"), with_article("Tensor"), with_article("NoneType")
        ('an int', 'a Tensor', 'a NoneType')
    """
    return f"{'an' if name[:1] in (*'AEIOUaeio',) else 'a'} {name}"
