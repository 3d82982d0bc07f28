"""Threats by name; a new threat is its file and its line here."""

import math
from collections.abc import Callable
from functools import partial

from brittle.arguments import number, seen
from brittle.errors import InputError
from brittle.threats.colour import ColourShift
from brittle.threats.flow import Flow
from brittle.threats.lp import Lp
from brittle.threats.pixels import Pixels
from brittle.threats.threat import Threat

THREATS: dict[str, Callable[[], Threat]] = {
    "linf": partial(Lp, "inf"),
    "l2": partial(Lp, 2),
    "l1": partial(Lp, 1),
    "l0": partial(Lp, 0),
    "pixels": partial(Pixels, math.inf),
    "flow": partial(Flow, math.inf),
    "colour": partial(ColourShift, math.inf),
}
"""How each is made, without a radius."""
OLDER = {"0": "l0", "1": "l1", "2": "l2", "inf": "linf"}
"""Names by which older versions knew the norms."""


def spelled(name: str) -> str:
    """Return the one name of a threat, for names of older versions too.

    Example:
        >>> spelled("inf"), spelled("flow")
        ('linf', 'flow')
    """
    return OLDER.get(name, name)


def parse_threat(text: str, radius: float | None = None) -> Threat:
    """Read a threat such as `linf`, `linf:8/255`, `pixels:3` or `flow`.

    Args:
        text: the name, and behind a colon the radius: for norms in the units of the images, for flow in pixels.
        radius: where the text says none; by default there is none, so that the smallest change is looked for.

    Raises:
        InputError: another name, or a radius that is none.

    Example:
        >>> parse_threat("linf:51/255")
        Lp(radius=0.2, p=inf)
        >>> parse_threat("flow", 3.0).radius, parse_threat("l2").radius
        (3.0, inf)
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # it is a user's
        raise InputError(f"the norm is {seen(text)}; expected {', '.join(THREATS)}")
    name, colon, rest = text.strip().partition(":")
    make = THREATS.get(spelled(name.lower()))
    if make is None:
        raise InputError(f"the norm is {seen(name)}; expected {', '.join(THREATS)}")
    own = number(rest.strip()) if colon else radius
    return make() if own is None else make().within(own)


def described(name: str) -> Threat:
    """Return the threat of a name that a run folder holds, without a radius; one of nobody's where it is unknown here.

    Example:
        >>> described("inf").title, described("another").title
        ('L∞', 'another')
    """
    make = THREATS.get(spelled(name))
    return _Unknown(name) if make is None else make()


class _Unknown(Lp):
    """A threat that was registered where a run was made, and is not here: what is known of it is the name."""

    def __init__(self, name: str):
        super().__init__(2)
        object.__setattr__(self, "known_as", name)

    @property
    def name(self) -> str:
        """The name."""
        return str(vars(self)["known_as"])

    @property
    def title(self) -> str:
        """The name."""
        return self.name

    def sentence(self, size: str) -> str:
        """Return what can be said without knowing it."""
        return f"A change of at most {size} in {self.name}"
