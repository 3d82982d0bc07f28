"""Threats by name; a new threat is its file and its line here."""

import math
from collections.abc import Callable
from functools import partial

from brittle.arguments import parse_number, seen
from brittle.errors import InputError, quoted
from brittle.names import OLDER_NORMS, OWN_THREAT
from brittle.near import meant
from brittle.plugins import Registry, parts_of_spec
from brittle.threats.colour import ColourShift
from brittle.threats.flow import Flow
from brittle.threats.frame import Frame
from brittle.threats.lp import Lp
from brittle.threats.patch import Patch
from brittle.threats.pixels import Pixels
from brittle.threats.threat import Threat
from brittle.words import with_article

BUILT_IN: dict[str, Callable[[float], Threat]] = {
    "linf": partial(Lp, "inf"),
    "l2": partial(Lp, 2),
    "l1": partial(Lp, 1),
    "l0": partial(Lp, 0),
    "pixels": Pixels,
    "flow": Flow,
    "colour": ColourShift,
    "patch": Patch,
    "frame": Frame,
}
"""Brittle's own, each called with the radius."""
THREATS: "Registry[Callable[..., Threat]]" = Registry(
    "threat", BUILT_IN, "brittle.threats", callable, "a subclass of brittle.Threat that takes its radius"
)
"""All of them, those of packages too; called with the radius."""
MEASURES: dict[str, Threat] = {name: BUILT_IN[name](math.inf) for name in ("linf", "l2", "l1", "l0", "pixels")}
"""Those by which every change is measured, whatever the question was."""


def spelled(name: str) -> str:
    """Return the one name of a threat, for names of older versions too.

    Example:
        >>> spelled("inf"), spelled("flow")
        ('linf', 'flow')
    """
    return OLDER_NORMS.get(name, name)


def parse_threat(text: str, radius: float | None = None) -> Threat:
    """Read a threat such as `linf`, `linf:8/255`, `pixels:3`, `flow` or `FILE.py:CLASS`.

    Args:
        text: the name, and behind a colon the radius: for norms in the units of the images, for flow in pixels. Or the
            user's own class, whose radius is given apart.
        radius: where the text says none; by default there is none, so that the smallest change is looked for.

    Raises:
        InputError: another name, a radius that is none, or what makes no threat.

    Example:
        >>> parse_threat("linf:51/255")
        Lp(radius=0.2, p=inf)
        >>> parse_threat("flow", 3.0).radius, parse_threat("l2").radius
        (3.0, inf)
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # it is a user's
        raise InputError(f"the norm is {seen(text)}; expected {', '.join(BUILT_IN)}")
    in_file = parts_of_spec(text)
    if in_file is None:
        name, colon, rest = text.strip().partition(":")
        name = spelled(name.lower())
        if name not in THREATS:
            raise InputError(
                f"the norm is {seen(name)}{meant(name, THREATS)}; expected {', '.join(THREATS)}, or FILE.py:CLASS for "
                "your own"
            )
    else:
        (name, rest), colon = in_file, in_file[1]
    own = parse_number(rest.strip()) if colon else radius
    return _made(THREATS.find(name), name, math.inf if own is None else own)


def _made(make: Callable[[float], object], name: str, radius: float) -> Threat:
    """Make a threat by somebody else's class, and check what comes out."""
    try:
        threat = make(radius)
    except TypeError as error:
        raise InputError(f"{name} cannot be made of a radius alone: {quoted(error)}") from error
    if not isinstance(threat, Threat):
        raise InputError(f"{name} made {with_article(type(threat).__name__)}; expected a brittle.Threat")
    return check_named(threat)


def check_named(threat: Threat) -> Threat:
    """Return a threat whose name may stand in a record: one of brittle's own, or one called like none of them.

    Raises:
        InputError: it is called like another threat, like a norm, or by what is no name.

    Example:
        >>> check_named(Lp(2)).name
        'l2'
    """
    own = BUILT_IN.get(threat.name)
    if own is None and not OWN_THREAT.fullmatch(threat.name):
        raise InputError(
            f"the threat {type(threat).__name__} is called {seen(threat.name)}; expected up to 32 small letters, "
            "digits and hyphens, a letter first, and not as a norm begins"
        )
    if own is not None and type(threat) is not type(own(math.inf)):
        raise InputError(f"the threat {type(threat).__name__} is called {threat.name}, as brittle's own; rename it")
    return threat


def described(name: str) -> Threat:
    """Return the threat of a name that a run folder holds, without a radius; one of nobody's where it is unknown here.

    Example:
        >>> described("inf").title, described("another").title
        ('L∞', 'another')
    """
    try:
        return _made(THREATS[spelled(name)], name, math.inf)
    except (KeyError, InputError):
        return _Unknown(name)


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
