"""Every class is abstract or final: nothing that is made is also what something else is made from."""

import importlib
import inspect
import pkgutil
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable

import brittle

BUILT_UPON = {
    "brittle.base.rows.Rows": "a mixin: cuts tensors to some images; asked of at every cut, and slower as an ABC",
    "brittle.studies.bench.work.Work": "a mixin: the identity, read off the fields",
    "brittle.core.attack.State": "what an attack that remembers nothing keeps of an image",
    "brittle.classifiers.classifier.Classifier": "a dense network is one whose row of logits holds all of its pixels",
    "brittle.attacks.pgd.PGD": "the planted faults are PGD but for one method",
    "brittle.studies.shared.subject.Benchmark": "the studies that train a network say only where it comes from",
    "brittle.threats.lp.Lp": "a threat that is not here any more is shown as if it were a norm",
}
"""The concrete classes that others are made from, and why; errors are a tree, so that one can be caught as its kind."""


def classes() -> set[type]:
    """Return every class that a module of brittle holds."""
    names = [one.name for one in pkgutil.walk_packages(brittle.__path__, "brittle.") if "__main__" not in one.name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of modules that have moved
        values = [value for name in names for value in vars(importlib.import_module(name)).values()]
    return {value for value in values if isinstance(value, type) and value.__module__.split(".")[0] == "brittle"}


def named(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def is_abstract(kind: type) -> bool:
    """Whether a class has abstract methods, or says itself that it is none to be made."""
    return inspect.isabstract(kind) or ABC in kind.__bases__ or getattr(kind, "_is_protocol", False)


def built_upon(kinds: Iterable[type]) -> set[str]:
    """Return the concrete classes among the bases of others."""
    kinds = list(kinds)
    bases = {base for kind in kinds for base in kind.__mro__[1:] if base in kinds}
    return {named(base) for base in bases if not is_abstract(base) and not issubclass(base, BaseException)}


def test_every_class_is_abstract_or_final():
    assert built_upon(classes()) == set(BUILT_UPON)


def test_a_planted_subclass_is_caught():
    class Whole:
        pass

    class Part(Whole):
        pass

    class Base(ABC):
        @abstractmethod
        def work(self): ...

    class Leaf(Base):
        def work(self): ...

    class Below(Leaf):
        pass

    assert built_upon([Whole, Part]) == {named(Whole)}
    assert built_upon([Base, Leaf]) == set()
    assert built_upon([Base, Leaf, Below]) == {named(Leaf)}
