"""A defence around a network, and how it is met: by an adversary who knows of it, or by one who does not."""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from brittle.classifiers.classifier import Classifier
from brittle.defences import Adaptive, Defence
from brittle.defences.chain import Chain
from brittle.evaluation.spec import parse_defence
from brittle.evaluation.spec_text import given_or_written
from brittle.registry import ATTACKS, DEFENCES
from brittle.runs.manifest_info import NAIVELY
from brittle.types import Images


@dataclass(frozen=True)
class Defended:
    """A network with a defence, as attacks get to see it.

    Attributes:
        defence: made ready for the network.
        inner: the network without it.
        met: the network with it, and how attacks go about it; its note is "naively" where they do not know it.
    """

    defence: Defence
    inner: Classifier
    met: Adaptive

    @classmethod
    def of(cls, defence: Defence, inner: Classifier, clean: Images | None, *, naive: bool) -> "Defended":
        """Put a defence around a network, made ready for it unless it is ready.

        Raises:
            InputError: it needs clean images that are not given, or does not fit.
        """
        defence = defence if defence.ready else defence.prepare(inner, clean)
        if not naive:
            return cls(defence, inner, defence.adaptive(inner))
        protected = defence.protect(inner)
        if protected.rejects:
            protected = protected.around(protected.module, oblivious=True)
        return cls(defence, inner, Adaptive(protected, note=NAIVELY))

    def over(self, eot_samples: int) -> "Defended":
        """Return the same, attacked by the mean over so many draws."""
        return replace(self, met=self.met.over(eot_samples))

    @property
    def classifier(self) -> Classifier:
        """The network with the defence."""
        return self.met.classifier

    @property
    def attacked(self) -> str:
        """How attacks go about it: "naively", or as someone does who knows the defence."""
        return self.met.note

    @property
    def confidence(self) -> float:
        """By how many logits an image must be misclassified while it is searched for."""
        return self.met.confidence

    @property
    def text(self) -> str:
        """The defence as it is written, with every setting that is not as it is by default."""
        return spelled_defence(self.defence)


def defence_of(given: object) -> Defence:
    """Return a defence that is given as text or as a value.

    Raises:
        InputError: it is neither, or no defence is written so.

    Example:
        >>> defence_of("bit-depth:bits=2").bits
        2
    """
    return given_or_written("defence", given, Defence, parse_defence, "bit-depth:bits=3")


def spelled_defence(defence: Defence) -> str:
    """Return how a defence is written.

    Example:
        >>> spelled_defence(defence_of("bit-depth:bits=2+bit-depth"))
        'bit-depth:bits=2+bit-depth'
    """
    if isinstance(defence, Chain):
        return "+".join(spelled_defence(link) for link in defence.links)
    return spelled(defence, {DEFENCES.find(name): name for name in DEFENCES})


def spelled(value: Any, names: dict[Any, str]) -> str:
    """Return NAME(ATTACK):FIELD=VALUE,... of what has a name, with the fields that are not as they are by default.

    Args:
        value: a defence, a channel, or whatever else has settings.
        names: of its class, where that has one; others are told by their module and class.
    """
    name = names.get(type(value), f"{type(value).__module__}:{type(value).__qualname__}")
    changed = (
        {}
        if not is_dataclass(value)
        else {
            field.name: one
            for field in fields(value)
            if field.repr and (one := getattr(value, field.name)) != field.default
        }
    )
    attack = changed.pop("attack", None)
    inner = "" if attack is None else f"({spelled(attack, {ATTACKS[one]: one for one in ATTACKS})})"
    return name + inner + ":" * bool(changed) + ",".join(f"{key}={_plain(one)}" for key, one in changed.items())


def _plain(value: Any) -> str:
    """A setting as text that reads as the same one."""
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return repr(value) if isinstance(value, float) and float(short) != value else short
