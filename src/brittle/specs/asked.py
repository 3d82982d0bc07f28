"""What is asked, whichever way it was written: as values, or as single keywords."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from brittle.arguments import UnknownKeyword, fitted
from brittle.errors import InputError
from brittle.older_names import by_todays_names
from brittle.specs.groups import DataLike, DataSpec, ModelLike, ModelSpec
from brittle.specs.option import names_of
from brittle.specs.question import Effort, Question
from brittle.words import with_article


@dataclass(frozen=True)
class Asked:
    """All that is asked, whichever way it was written."""

    model: ModelSpec
    data: DataSpec
    question: Question
    effort: Effort

    @classmethod
    def of(
        cls,
        model: ModelLike | ModelSpec,
        data: DataLike | DataSpec | None,
        question: Question | None = None,
        effort: Effort | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        without: Collection[str] = (),
    ) -> "Asked":
        """Gather values and single keywords.

        Args:
            model: the network, or all about it.
            data: the images, or all about them.
            question: what is asked.
            effort: what is spent.
            options: single fields by their names on the command line.
            without: of these names, those that do not matter to the function that asks.

        Raises:
            TypeError: a keyword that no group has.
            InputError: a keyword beside the value that has it as a field; or what does not matter and was given.
        """
        names = {name for group in (ModelSpec, DataSpec, Question, Effort) for name in names_of(group)}
        given = by_todays_names(options or {}, names, level=4)
        asked = cls(
            model if isinstance(model, ModelSpec) else ModelSpec(model, **_taken(ModelSpec, given)),
            data if isinstance(data, DataSpec) else DataSpec(data, **_taken(DataSpec, given)),
            Question(**_taken(Question, given)) if question is None else question,
            Effort(**_taken(Effort, given)) if effort is None else effort,
        )
        for group in (asked.model, asked.data, asked.question, asked.effort):
            own_names = names_of(type(group))
            if twice := sorted(own_names.keys() & given.keys()):
                raise InputError(
                    f"{twice[0]} is given beside {with_article(type(group).__name__)}; say it there: "
                    f"{own_names[twice[0]]}"
                )
            for field in fields(group):
                name = next(name for name, own in own_names.items() if own == field.name)
                if name in without and getattr(group, field.name) != field.default:
                    raise InputError(
                        f"{type(group).__name__}.{field.name} is given, which does nothing here; leave it out"
                    )
        if given:
            raise UnknownKeyword(next(iter(given)), names - {*without})
        return asked

    def stated(self) -> dict[str, object]:
        """Return what is not as it is by default, by the names of the command line; network and images left out."""
        groups = (self.model, self.data, self.question, self.effort)
        return {
            name: getattr(group, own)
            for group in groups
            for name, own in names_of(type(group)).items()
            if name not in ("model", "data") and getattr(group, own) != type(group).__dataclass_fields__[own].default
        }


def _taken(kind: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    """Take a group's keywords out of those given, as its fields."""
    hints = get_type_hints(kind, include_extras=True)
    names = {name: own for name, own in names_of(kind).items() if name in given and name not in ("model", "data")}
    return {own: fitted(name, given.pop(name), hints[own]) for name, own in names.items()}
