"""What a file may take when it is read: the one statement of limits, checked before anything is inflated or decoded.

A file of a few kilobytes can declare gigabytes. Every reader asks here first, and the option `--limits` (in Python
`use_limits`) changes what is allowed.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace

from brittle.errors import InputError, OverLimit
from brittle.near import meant

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
"""What a letter behind a number multiplies it by."""
SETTING = re.compile(r"(\w+)=(\d+(?:\.\d+)?(?:e\d{1,2})?)([kmgt]?)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """The most that one file may take.

    Attributes:
        pixels: of one image; 89,478,485 by default, from where on Pillow warns, too.
        array: bytes of a compressed array that is read row by row (8 GB: ImageNet's 50,000 images for validation).
        record: bytes of what is held in memory as a whole: the weights of a network, an archive (6 GB).
        cell: bytes of one image as it is stored: an image file, a cell of a table and the page that holds it; and of a
            list of labels (500 MB).
        text: bytes of a text that is taken apart: JSON, names of classes, a header (32 MB).
        depth: how deep lists and objects may lie within each other.

    Raises:
        InputError: a limit that is no whole number from 1 up.

    >>> Limits(depth=5).depth
    5
    """

    pixels: int = 1024**3 // 12
    array: int = 8 * 10**9
    record: int = 6 * 10**9
    cell: int = 500 * 10**6
    text: int = 32 * 10**6
    depth: int = 100

    def __post_init__(self):
        for field in fields(self):
            value: object = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"the limit {field.name} is {value!r}; expected a whole number from 1 up")


_CURRENT: ContextVar[Limits] = ContextVar("limits", default=Limits())  # noqa: B039 (it is frozen)


def current() -> Limits:
    """Return the limits that hold here."""
    return _CURRENT.get()


@contextmanager
def use_limits(limits: Limits | None = None, **changes: int) -> Generator[Limits]:
    """Within it, files are read by other limits; what is read later, block by block, must be read within it too.

    Args:
        limits: those that shall hold; by default those that hold already.
        **changes: single ones by their names: pixels, array, record, cell, text, depth.

    Yields:
        The limits that hold.

    Raises:
        InputError: an unknown name, or a limit that is no whole number from 1 up.

    >>> with use_limits(pixels=400_000_000) as limits:
    ...     limits.pixels
    400000000
    """
    unknown = sorted(changes.keys() - {field.name for field in fields(Limits)})
    if unknown:
        raise InputError(
            f"there is no limit {unknown[0]!r}{meant(unknown[0], (field.name for field in fields(Limits)))}; {_known()}"
        )
    token = _CURRENT.set(replace(limits or current(), **changes))
    try:
        yield current()
    finally:
        _CURRENT.reset(token)


def parse_limits(text: str) -> Limits:
    """Return the limits that an option states; those that it leaves out are the usual ones.

    Args:
        text: such as `pixels=400M,array=20G`; k, M, G and T are thousands, millions, ...

    Raises:
        InputError: another text, an unknown name, or one that is given twice.

    >>> parse_limits("pixels=400M,depth=9").pixels
    400000000
    """
    given: dict[str, int] = {}
    for part in text.split(","):
        found = SETTING.fullmatch(part.strip())
        if not found:
            raise InputError(f"--limits {part!r} is not NAME=NUMBER, such as pixels=400M; {_known()}")
        name, number, unit = found.groups()
        if name in given:
            raise InputError(f"--limits names {name!r} twice; name it once")
        given[name] = int(float(number) * UNITS[unit.lower()])
    with use_limits(Limits(), **given) as limits:
        return limits


def stated_limits(limits: Limits) -> str:
    """Return limits as the option takes them, without the usual ones.

    >>> stated_limits(Limits(depth=9)), stated_limits(Limits())
    ('depth=9', '')
    """
    usual = Limits()
    changed = (field.name for field in fields(limits) if getattr(limits, field.name) != getattr(usual, field.name))
    return ",".join(f"{name}={getattr(limits, name)}" for name in changed)


def check_limit(name: str, seen: int, what: str) -> None:
    """Refuse what would take more than a limit.

    Args:
        name: of the limit.
        seen: what it would take.
        what: which file, and what in it, in words.

    Raises:
        OverLimit: what it would take, the limit, and how to raise it.
    """
    if reason := over_limit(name, seen):
        raise OverLimit(f"{what} {reason}")


def over_limit(name: str, seen: int) -> str:
    """Say that something would take more than a limit, and how to raise it; "" where it does not."""
    limit: int = getattr(current(), name)
    if seen <= limit:
        return ""
    unit = {"pixels": "pixels", "depth": "lists within lists"}.get(name, "bytes")
    return (
        f"would take {seen:,} {unit}, more than the limit of {limit:,}; where you trust it, raise the limit: "
        f"--limits {name}={seen} on the command line, brittle.use_limits({name}={seen}) in Python"
    )


def _known() -> str:
    return f"known are {', '.join(field.name for field in fields(Limits))}"
