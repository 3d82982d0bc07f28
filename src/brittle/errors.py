"""Every error that brittle raises on purpose: what was seen, what was expected, how to fix it.

BrittleError
├── InputError            invalid images, labels or options
│   ├── BoundsError       values outside the box, NaN, normalised data
│   ├── LabelError        labels of a wrong type, number or range
│   └── UnsupportedThreat an attack asked for a threat it has no mathematics for
├── ModelError            a network that cannot be loaded or whose outputs are not logits
│   └── ForwardFailed     a network that raised an error of its own
├── DataError             a source of images that cannot be read
│   └── BadImage          one image that cannot be decoded
├── OverLimit             a file that would take more pixels, bytes or depth than the limits allow
├── RunError              a run folder that is broken, full, unwritable or belongs to other work
├── OracleError           a service that gives no answer, or whose budget of queries is spent
├── OwnCodeFailed         an attack, threat, source or network of the user's own that raised an error
└── MissingExtra          an optional package that is not installed

What a message quotes of a file passes through `quoted`: it stays short, and cannot steer a terminal.
"""

from brittle.names import shown

QUOTED = 160
"""Most characters of one quotation."""
LONGEST = 2000
"""Most characters of a message, whatever it quotes."""


def quoted(text: object, length: int = QUOTED) -> str:
    r"""Text that somebody else wrote, for a message: one line, shortened, what is no visible character escaped.

    Args:
        text: anything with a text, such as another library's error or a name from a file.
        length: the most characters of it.

    Example:
        >>> quoted("two\nlines, \x1b[31mred"), quoted("x" * 1000, 8)
        ('two lines, \\x1b[31mred', 'xxxxxxx…')
    """
    words = str(text)[: 8 * length].split()  # what follows is never shown
    return truncate(escaped(" ".join(words)), length)


def truncate(text: str, length: int) -> str:
    """The text, cut with an ellipsis where it is longer than `length`."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def escaped(text: str, but: str = "") -> str:
    r"""The text as `shown`, with characters that may stay as they are.

    Args:
        text: any.
        but: characters that may stay.

    Example:
        >>> escaped("a\u202eb\n", but="\n")
        'a\\u202eb\n'
    """
    if not but or text.isprintable():  # the usual text, of which a page has thousands
        return shown(text)
    return "".join(one if one in but else shown(one) for one in text)


class BrittleError(Exception):
    """The root of all errors raised on purpose; the command line prints its message without a traceback.

    Its text is bounded and holds no control characters but ends of lines, whatever was put into it.
    """

    def __str__(self) -> str:
        """Return the message."""
        return truncate(escaped(super().__str__(), but="\n"), LONGEST)


class InputError(BrittleError, ValueError):
    """Invalid images, labels or options."""


class BoundsError(InputError):
    """Images with values outside the classifier's bounds, or not numbers at all."""


class LabelError(InputError):
    """Labels of a wrong type, number or range."""


class UnsupportedThreat(InputError):
    """An attack was asked for a threat that it has no mathematics for."""


class ModelError(BrittleError):
    """A network that cannot be loaded, or whose outputs are not logits."""


class ForwardFailed(ModelError):
    """A network raised an error of its own when it was asked; that is the `__cause__`."""


class DataError(BrittleError):
    """A source of images that cannot be read."""


class BadImage(DataError):
    """One image that cannot be decoded; carries its name so that it can be found."""

    def __init__(self, name: str, reason: str):
        super().__init__(
            f"image {truncate(name, QUOTED)!r} cannot be read: {reason}; remove it, or pass --skip-bad to leave it out"
        )
        self.name, self.reason = name, reason

    def __reduce__(self) -> tuple[type["BadImage"], tuple[str, str]]:
        """Say how it is made again in another process."""
        return BadImage, (self.name, self.reason)


class OverLimit(BrittleError):
    """A file that would take more pixels, bytes or depth than the limits allow; see `brittle.limits`."""


class RunError(BrittleError):
    """A run folder that is broken, full, unwritable, or belongs to another network or other data."""


class OracleError(BrittleError):
    """An oracle that gives no answer, or whose budget of queries is spent."""


class OwnCodeFailed(BrittleError):
    """An attack, threat, source or network of the user's own raised an error of another kind: the `__cause__`."""


class MissingExtra(BrittleError, ImportError):
    """An optional package that is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str, purpose: str):
        super().__init__(f"{purpose} needs the package {package!r}: pip install 'brittle[{extra}]'")
        self._given = package, extra, purpose

    def __reduce__(self) -> tuple[type["MissingExtra"], tuple[str, str, str]]:
        """Say how it is made again in another process."""
        return MissingExtra, self._given
