"""A registry: things to choose from by name, loaded when they are asked for."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from brittle.errors import BrittleError, InputError, quoted
from brittle.near import meant
from brittle.plugins.user_file import object_in, parts_of_spec
from brittle.words import with_article

OWN = "brittle"
"""The origin of what brittle itself brings."""
SHOWN = 300
"""Characters of a foreign error that are shown."""
T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """An entry point that cannot be used.

    Attributes:
        name: which it announces.
        origin: the package with its version, or both origins of a name that clashes.
        reason: in words.
    """

    name: str
    origin: str
    reason: str


class Registry(Mapping[str, T], Generic[T]):
    """What there is to choose from of one kind, by name: brittle's own, and what installed packages announce.

    Nothing is imported before it is asked for. A name that two of them bring is refused, whoever asks. Iteration leaves
    out what cannot be loaded or clashes; `faults` says what that is, and asking for it by name says why.

    Args:
        what: one of them in words, such as "attack".
        own: brittle's own by name, as objects or as "module:NAME"; or the place of such a mapping as "module:NAME".
        group: of the entry points of packages; None where these bring none.
        fits: says whether an object is of the kind.
        expected: what must be brought, in words.

    Example:
        >>> colours = Registry("colour", {"red": "colorsys:rgb_to_hsv"}, None, callable, "a function")
        >>> list(colours), colours.origin("red"), colours["red"](0.0, 0.0, 0.0)
        (['red'], 'brittle', (0.0, 0.0, 0.0))
    """

    def __init__(
        self,
        what: str,
        own: Mapping[str, T] | Mapping[str, str] | str,
        group: str | None,
        fits: Callable[[object], bool],
        expected: str,
    ):
        self.what, self.group, self.expected = what, group, expected
        self._given, self._fits = own, fits

    def __getitem__(self, name: str) -> T:
        """Return what has this name.

        Raises:
            KeyError: nothing has.
            InputError: two have it, or it cannot be loaded.
        """
        announced = self._announced().get(name, ())
        if len(announced) + (name in self._own) > 1:
            raise InputError(_words(self.what, self._clash(name)))
        if name in self._own:
            own = self._own[name]
            return cast(T, _loaded(own) if isinstance(own, str) else own)
        if not announced:
            raise KeyError(name)
        return self._entry(announced[0])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of what can be had, which loads what packages bring."""
        faulty = {fault.name for fault in self.faults()}
        return iter([name for name in (*self._own, *self._announced()) if name not in faulty])

    def __len__(self) -> int:
        """Return how many can be had."""
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        """Say whether the name is known, whether or not it can be loaded; loads nothing."""
        return name in self._own or name in self._announced()

    def origin(self, name: str) -> str:
        """Return where a name or `FILE.py:NAME` comes from: brittle, a package with its version, or the file."""
        if name in self._own:
            return OWN
        announced = self._announced().get(name)
        return _origin(announced[0]) if announced else name.rpartition(":")[0]

    def faults(self) -> list[Fault]:
        """Return the entry points that cannot be loaded, and the names that clash."""
        found: list[Fault] = []
        for name, announced in self._announced().items():
            if len(announced) + (name in self._own) > 1:
                found.append(self._clash(name))
                continue
            try:
                self._entry(announced[0])
            except BrittleError as error:
                found.append(Fault(name, _origin(announced[0]), str(error)))
        return found

    def find(self, text: str, also: Iterable[str] = ()) -> T:
        """Return what has this name, or what a Python file of the user's calls so.

        Args:
            text: a name, or `FILE.py:NAME`.
            also: other names that may be meant, for the message.

        Raises:
            InputError: nothing has it, what there is is of another kind, or the file cannot be run.
        """
        if text in self:
            return self[text]
        if parts_of_spec(text) is not None:
            return self._checked(object_in(text, self.what), text)
        known = [*self, *also]
        there = ", ".join(known) or "none"
        raise InputError(
            f"there is no {self.what} {text!r}{meant(text, known)}; there are {there}, and FILE.py:NAME for your own"
        )

    @property
    def _own(self) -> Mapping[str, object]:
        given = self._given
        return cast("Mapping[str, object]", _loaded(given) if isinstance(given, str) else given)

    def _announced(self) -> dict[str, list[EntryPoint]]:
        return {} if self.group is None else _entries(self.group, tuple(sys.path))

    def _clash(self, name: str) -> Fault:
        origins = [OWN] * (name in self._own) + [_origin(one) for one in self._announced()[name]]
        both = " and ".join(origins)
        return Fault(name, both, f"it is brought by {both}; uninstall one of them, or let it use another name")

    def _entry(self, point: EntryPoint) -> T:
        found = _imported(point)
        if isinstance(found, BrittleError):
            raise InputError(_words(self.what, Fault(point.name, _origin(point), str(found))))
        return self._checked(found, f"{point.value} of {_origin(point)}")

    def _checked(self, found: object, of: str) -> T:
        if not self._fits(found):
            shown = found.__name__ if isinstance(found, type) else with_article(type(found).__name__)
            raise InputError(f"{of} is {shown}, no {self.what}; expected {self.expected}")
        return cast(T, found)


def _words(what: str, fault: Fault) -> str:
    return f"the {what} {fault.name!r} cannot be used: {fault.reason}"


def _loaded(place: str) -> Any:
    """What lies at "module:NAME"."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _origin(point: EntryPoint) -> str:
    return "an unknown package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


@cache
def _entries(group: str, path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    """The entry points of a group by name, in the order of their names; looked up anew where the path is another."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        found.setdefault(point.name, []).append(point)
    return found


@cache
def _imported(point: EntryPoint) -> object:
    """What an entry point announces, or the error that says why it cannot be loaded."""
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # the rest of brittle works without it
        reason = quoted(error, SHOWN)
        return InputError(f"{_origin(point)} fails to import ({type(error).__name__}{': ' * bool(reason)}{reason})")
