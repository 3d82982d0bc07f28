"""What may be said of an argument beyond its type, and how values and types are put into words."""

from dataclasses import dataclass
from os import PathLike, fspath
from typing import Annotated, Any, Protocol, cast, runtime_checkable

from brittle.errors import quoted
from brittle.words import with_article

WORDS = 63
"""Bits of the whole numbers that torch calculates with, the sign not counted."""
MOST = 2**53
"""The largest count: whole numbers up to here are the same in int64 and in float64."""
EXPECTED = {
    "Attack": "an attack, such as PGD(steps=40)",
    "Bounds": "Bounds(lowest, highest)",
    "Classifier": "a classifier: Classifier(module), or Classifier(module, bounds=(0, 255)) for images from 0 to 255",
    "Engine": "an engine, such as brittle.ProcessEngine() or brittle.RayEngine()",
    "Goal": "a goal, such as Targeted(labels)",
    "ImageSet": "a set of images: ImageSet(classifier, images)",
    "LeastLikely": "LeastLikely()",
    "Lp": "a norm with its radius, such as Lp('inf', 10 / 255)",
    "Network": "what open_network returns",
    "Path": "a path",
    "Source": "what open_source returns",
    "Tensor": "a tensor",
    "Threat": "a threat, such as Lp('inf', 8 / 255)",
    "UniversalAttack": "a universal attack, such as UniversalAscent()",
    "UniversalProblem": "UniversalProblem(classifier, shape, threat, images)",
    "bool": "True or False",
    "float": "a number",
    "int": "a whole number",
    "str": "text",
}
"""How what a type stands for is said, by the type's name."""


class Misfit(Exception):
    """A value that is not what its type says; holds what was expected."""


@runtime_checkable
class Rule(Protocol):
    """What a value must be beyond its type, as `Annotated` carries it."""

    def taken(self, value: Any) -> Any:
        """Return the value as its type says it, where it stands for one in another form."""

    def fit(self, value: Any) -> Any:
        """Return the value as it is to be used; `Misfit` where it cannot be."""


@dataclass(frozen=True)
class Within:
    """The numbers from one to another."""

    least: float = 0
    most: float = MOST

    def taken(self, value: Any) -> Any:
        """Leave it."""
        return value

    def fit(self, value: Any) -> Any:
        """Refuse what lies outside."""
        if not self.least <= value <= self.most:
            raise Misfit(f"at least {self.least}" if value < self.least else f"at most {self.most}")
        return value


@dataclass(frozen=True)
class Usable:
    """A device that torch can calculate on here, by name; torch's own value stands for its name."""

    def taken(self, value: Any) -> Any:
        """Name torch's own value."""
        import torch

        return str(value) if isinstance(value, torch.device) else value

    def fit(self, value: str) -> str:
        """Try it."""
        import torch

        name = value
        try:
            if torch.device(name).type == "meta":
                raise Misfit("a device that calculates, such as 'cpu'")
            torch.ones(1, device=name).add(1).cpu()
        except Misfit:
            raise
        except Exception as error:  # every backend that torch lacks has an error of its own
            reason = quoted(str(error).partition("\n")[0], 80) or type(error).__name__
            raise Misfit(f"a device that torch can use here, such as 'cpu' ({reason})") from error
        return name


@dataclass(frozen=True)
class AsText:
    """A path, as the text that it stands for."""

    def taken(self, value: Any) -> Any:
        """Write it out."""
        return fspath(value) if isinstance(value, PathLike) else cast("object", value)

    def fit(self, value: Any) -> Any:
        """Leave it."""
        return value


Count = Annotated[int, Within(1)]
"""How many, at least one."""
CountOrNone = Annotated[int, Within(0)]
"""How many, possibly none."""
Seed = Annotated[int, Within(0, 2**WORDS - 1)]
"""A seed: what torch's generators and int64 hold, and NumPy's generators take."""
Device = Annotated[str, Usable()]
"""The name of a device, or torch's own value for it."""
FileName = Annotated[str, AsText()]
"""A path, a name or a pattern: what a function reads as text."""


def seen(value: object) -> str:
    """Say what a value is, in a few words.

    Example:
        >>> import torch
        >>> seen("pgd"), seen(int), seen(torch.zeros(2, 3)), seen([1]), seen(0.5)
        ("'pgd'", 'the class int', 'a tensor (2, 3) of torch.float32', 'a list', '0.5')
    """
    import numpy as np
    from torch import Tensor

    if value is None or isinstance(value, bool | float):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**40 else f"a number of {value.bit_length()} bits"
    if isinstance(value, str):
        return repr(short(value))
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)} of {value.dtype}"
    if isinstance(value, np.ndarray):
        return f"an array {value.shape} of {value.dtype}"
    return with_article(type(value).__name__)


def short(text: str) -> str:
    """Cut a long text."""
    return text if len(text) <= 80 else text[:77] + "..."
