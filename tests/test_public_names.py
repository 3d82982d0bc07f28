"""The public names: sorted, complete and documented."""

import ast
import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import brittle
from brittle.core.attack import Attack
from brittle.registry import ATTACKS, COMBINATORS

PUBLIC = [(name, getattr(brittle, name)) for name in brittle.__all__]
CLASSES = [(name, value) for name, value in PUBLIC if inspect.isclass(value)]


def place(name: str) -> tuple[int, list[str | int]]:
    """The order of ruff's RUF022: CONSTANTS, then Classes, then the rest, each in natural order."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def test_all_is_sorted():
    assert brittle.__all__ == sorted(brittle.__all__, key=place)
    assert len(set(brittle.__all__)) == len(brittle.__all__)


def test_all_is_what_type_checkers_see_and_what_is_imported_when_asked():
    tree = ast.parse(Path(brittle.__file__).read_text())
    (seen,) = [node for node in tree.body if isinstance(node, ast.If)]
    places = {alias.name: node.module for node in seen.body for alias in node.names}
    assert places == brittle._PLACES
    assert set(brittle.__all__) == {*places, "__version__"}
    assert {*dir(brittle)} >= {*places}


def test_what_is_no_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        brittle.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, v in PUBLIC if callable(v)], ids=lambda x: x if isinstance(x, str) else ""
)
def test_public_names_are_documented(name, value):
    assert value.__doc__, f"{name} has no docstring"
    assert not value.__doc__.startswith(f"{name}("), f"{name} has but the docstring that dataclasses make up"
    assert value.__module__.startswith("brittle.")


@pytest.mark.parametrize(("name", "value"), CLASSES, ids=lambda x: x if isinstance(x, str) else "")
def test_public_methods_are_documented(name, value):
    for member, function in vars(value).items():
        if member.startswith("_"):
            continue
        if isinstance(function, property | staticmethod | classmethod) or inspect.isfunction(function):
            assert inspect.getdoc(getattr(value, member)) or inspect.getdoc(function), (
                f"{name}.{member} has no docstring"
            )


def documented(attack: type) -> set[str]:
    """The names under `Attributes:` in the docstrings of a class and of those it inherits from."""
    names: set[str] = set()
    for parent in attack.__mro__:
        text = inspect.cleandoc(vars(parent).get("__doc__") or "")
        _, _, section = text.partition("Attributes:\n")
        section = re.split(r"\n\S", section)[0]
        for line in re.findall(r"^ {4}(\w[\w, ]*):", section, re.MULTILINE):
            names |= {part.strip() for part in line.split(",")}
    return names


@pytest.mark.parametrize("attack", {**ATTACKS, **COMBINATORS}.values(), ids={**ATTACKS, **COMBINATORS}.keys())
def test_every_setting_of_an_attack_is_documented(attack):
    assert issubclass(attack, Attack)
    assert attack.__dataclass_params__.frozen
    settings = {field.name for field in dataclasses.fields(attack)}
    assert settings <= documented(attack), f"undocumented: {settings - documented(attack)}"


def test_a_setting_without_a_word_is_caught():
    @dataclasses.dataclass(frozen=True)
    class Mute:
        """Has two settings.

        Attributes:
            first: said, and
                secret: not meant as a name.
        """

        first: int = 0
        secret: int = 0

    assert documented(Mute) == {"first"}


@pytest.mark.parametrize("names", [ATTACKS, COMBINATORS], ids=["attacks", "combinators"])
def test_the_registry_is_sorted_and_public(names):
    assert list(names) == sorted(names)
    for attack in names.values():
        assert attack.__name__ in brittle.__all__
