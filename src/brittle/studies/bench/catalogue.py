"""Every study by name: a study is imported when it is asked for."""

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING

from brittle.studies.bench.listed import LISTED, Listed

if TYPE_CHECKING:
    from brittle.studies.bench.study import Study

ROOT = "brittle.studies"


class Catalogue(MutableMapping[str, "Study"]):
    """Studies by name, each imported when it is first asked for.

    Args:
        listed: where each study is found, and what is said of it.

    Example:
        >>> STUDIES.title("attack-optimality")
        'How close every minimum-norm attack comes to the smallest changes known'
    """

    def __init__(self, listed: dict[str, Listed]):
        self._listed = dict(listed)
        self._studies: dict[str, Study] = {}

    def __getitem__(self, name: str) -> "Study":
        if name not in self._studies:
            module, _, attribute = self._listed[name].at.partition(":")
            self._studies[name] = getattr(import_module(f"{ROOT}.{module}"), attribute)
        return self._studies[name]

    def __setitem__(self, name: str, study: "Study") -> None:
        self._studies[name] = study
        self._listed[name] = Listed("", study.title, study.source)

    def __delitem__(self, name: str) -> None:
        del self._listed[name]
        self._studies.pop(name, None)

    def __contains__(self, name: object) -> bool:
        """Whether there is such a study; asking imports none."""
        return name in self._listed

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def title(self, name: str) -> str:
        """Return a study's title; it is not imported for it.

        Raises:
            KeyError: there is no such study.
        """
        return self._listed[name].title

    def source(self, name: str) -> str:
        """Return the paper of a study; it is not imported for it.

        Raises:
            KeyError: there is no such study.
        """
        return self._listed[name].source


STUDIES = Catalogue(LISTED)
