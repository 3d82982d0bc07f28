"""What there is to choose from, as rows for a table."""

from dataclasses import dataclass

from brittle.core.attack import Attack
from brittle.data import FORMS
from brittle.errors import InputError
from brittle.evaluation.spec import options_of, written
from brittle.models import ARCHITECTURES
from brittle.registry import ATTACKS, COMBINATORS, UNIVERSAL
from brittle.studies import STUDIES
from brittle.universal.search import UniversalAttack

KINDS = ("attacks", "universal", "models", "data", "studies")


@dataclass(frozen=True)
class Listed:
    """One thing to choose.

    Attributes:
        kind: one of `KINDS`.
        name: what to write.
        meaning: in one line.
        options: fields with their defaults, as text.
    """

    kind: str
    name: str
    meaning: str
    options: str = ""


NETWORK_FORMS = {
    "FILE.pt2": "a torch.export archive",
    "FILE.onnx": "an ONNX network (extra: onnx)",
    "FILE.py:FACTORY": "a function that returns a module, with --weights FILE.safetensors",
    "torchvision:NAME": "a torchvision network with its weights (extra: vision)",
    "timm:NAME": "a timm network with its weights (extra: vision)",
    "hf:NAME": "an image classifier of the Hugging Face hub (extra: hub)",
}


def listing(what: str = "all") -> list[Listed]:
    """List attacks, universal perturbations, models, data or studies, or all of them.

    Raises:
        InputError: anything else.

    Example:
        >>> [row.name for row in listing("attacks")][:2]
        ['adef', 'alma']
    """
    if what not in (*KINDS, "all"):
        raise InputError(f"{what!r} cannot be listed; expected {', '.join(KINDS)} or all")
    data = (Listed("data", name, meaning) for name, meaning in FORMS.items())
    rows = [*_attacks(), *_universal(), *_models(), *data, *_studies()]
    return [row for row in rows if what in (row.kind, "all")]


def _attacks() -> list[Listed]:
    rows: list[Listed] = []
    for name, kind in {**ATTACKS, **COMBINATORS}.items():
        threats = "" if name in COMBINATORS else f" [{', '.join(kind.threats)}]"
        rows.append(Listed("attacks", written(name), _first_line(kind.__doc__) + threats, _options(kind)))
    return rows


def _universal() -> list[Listed]:
    return [
        Listed("universal", name, f"{_first_line(kind.__doc__)} [{', '.join(kind.threats)}]", _options(kind))
        for name, kind in UNIVERSAL.items()
    ]


def _options(kind: type[Attack] | type[UniversalAttack]) -> str:
    return ", ".join(f"{field}={_short(value)}" for field, value in options_of(kind).items())


def _models() -> list[Listed]:
    built = [
        Listed(
            "models", name, "built in, with weights" if one.shipped else "built in, needs --weights or `brittle train`"
        )
        for name, one in ARCHITECTURES.items()
    ]
    return [*built, *(Listed("models", form, meaning) for form, meaning in NETWORK_FORMS.items())]


def _studies() -> list[Listed]:
    return [Listed("studies", name, STUDIES.title(name)) for name in STUDIES]


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _short(value: object) -> str:
    return (
        f"{value:.4g}"
        if isinstance(value, float)
        else str(value).lower()
        if isinstance(value, bool | None)
        else str(value)
    )
