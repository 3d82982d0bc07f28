"""Every error that brittle raises on purpose: what was seen, what was expected, how to mend it.

BrittleError
├── InputError            images, labels or options that cannot be meant
│   ├── BoundsError       values outside the box, NaN, normalised data
│   ├── LabelError        labels of a wrong type, number or range
│   └── UnsupportedThreat an attack asked for a threat it has no mathematics for
├── ModelError            a network that cannot be loaded or whose outputs are not logits
├── DataError             a source of images that cannot be read
│   └── BadImage          one image that cannot be decoded
├── OverLimit             a file that would take more pixels, bytes or depth than the limits allow
├── RunError              a run folder that is broken, full, unwritable or belongs to other work
└── MissingExtra          an optional package that is not installed
"""


class BrittleError(Exception):
    """The root of all errors raised on purpose; the command line prints its message without a traceback."""


class InputError(BrittleError, ValueError):
    """Images, labels or options that cannot be meant."""


class BoundsError(InputError):
    """Images with values outside the classifier's bounds, or not numbers at all."""


class LabelError(InputError):
    """Labels of a wrong type, number or range."""


class UnsupportedThreat(InputError):
    """An attack was asked for a threat that it has no mathematics for."""


class ModelError(BrittleError):
    """A network that cannot be loaded, or whose outputs are not logits."""


class DataError(BrittleError):
    """A source of images that cannot be read."""


class BadImage(DataError):
    """One image that cannot be decoded; carries its name so that it can be found."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"image {name!r} cannot be read: {reason}; remove it, or pass --skip-bad to leave it out")
        self.name, self.reason = name, reason


class OverLimit(BrittleError):
    """A file that would take more pixels, bytes or depth than the limits allow; see `brittle.limits`."""


class RunError(BrittleError):
    """A run folder that is broken, full, unwritable, or belongs to another network or other data."""


class MissingExtra(BrittleError, ImportError):
    """An optional package that is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str, purpose: str):
        super().__init__(f"{purpose} needs the package {package!r}: pip install 'brittle[{extra}]'")
