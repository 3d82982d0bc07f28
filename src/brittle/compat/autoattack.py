"""The call shape of AutoAttack: `AutoAttack(module, norm="Linf", eps=8/255).run_standard_evaluation(x, y, bs=250)`.

Names, defaults and the order of arguments are those of the authors' package. It writes its figures to a log; here they
are in `result`, a `brittle.Result` with one row for each image of the last evaluation.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Never, cast, overload

import torch
from torch import Tensor, nn

from brittle.attacks import autoattack
from brittle.attacks.apgd import APGD
from brittle.attacks.fab import FAB
from brittle.attacks.square import Square
from brittle.classifiers.classifier import Classifier
from brittle.compat.calls import TAKEN, Absent, as_given, changed, logits_of, norm_of, refuse
from brittle.compat.native import AUTOATTACK, absent
from brittle.core.attack import Attack
from brittle.core.combinators import Cascade
from brittle.core.inputs import as_labels
from brittle.core.result import Result
from brittle.core.run import run
from brittle.errors import InputError
from brittle.near import did_you_mean, meant
from brittle.threats import Lp
from brittle.types import Images, Labels

MEMBERS: dict[str, Attack] = {
    "apgd-ce": APGD(100, restarts=5),
    "apgd-dlr": APGD(100, restarts=5, loss="dlr"),
    "fab": FAB(100, restarts=5),
    "square": Square(5000, rescaled=False),
    "apgd-t": APGD(100, targets=autoattack.TARGETS),
    "fab-t": FAB(100, targets=autoattack.TARGETS),
}
"""What `attacks_to_run` names, with the settings of the package's version `custom`."""
VERSIONS = {
    "standard": ("apgd-ce", "apgd-t", "fab-t", "square"),
    "plus": ("apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"),
    "rand": ("apgd-ce", "apgd-dlr"),
    "custom": (),
}
"""The members of each version, in their order."""
_SETTABLE = (
    *("attack", "attacks_to_run", "classifier", "device", "epsilon", "result", "results", "seed", "threat", "verbose"),
    "version",
)
_PARTS = ("apgd", "apgd_targeted", "fab", "square")
"""Attributes of the package whose settings scripts change."""
_ABSENT = {
    "verbose": TAKEN,
    "device": TAKEN,
    "is_tf_model": Absent(False, "give a torch.nn.Module"),
    "log_path": Absent(None, "print(adversary.result), or result.to_arrow() for a file"),
}
_NO_STATE = {
    "state_path": Absent(None, "an audit goes on where it was killed: brittle.audit(..., attacks=['autoattack'])"),
}


class AutoAttack:
    """The ensemble by which robust accuracies are compared: `brittle.AutoAttack`.

    `verbose` and `device` are taken and change nothing: nothing is printed, and images go to where the network is.

    Args:
        model: from images in [0, 1] to logits.
        norm: Linf, L2 or L1.
        eps: the radius.
        seed: of the random draws; 0 by default, where the package takes the time.
        attacks_to_run: of `MEMBERS`, with the version custom; it can be assigned later, too, and of other versions then
            runs only these, with the version's settings.
        version: standard, plus, rand or custom.
        others: further arguments of the package, refused where they ask for something.

    Attributes:
        result: of the last `run_standard_evaluation`; None before there was one.
        results: of the last `run_standard_evaluation_individual`, by member.
        attack: what is run; another one can be assigned.

    Raises:
        InputError: another norm, version or member.
        AttributeError: an attribute that nothing would go by is assigned.

    Example:
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
        >>> adversary = AutoAttack(module, norm="Linf", eps=0.5, version="standard", verbose=False)
        >>> x, y = torch.full((2, 1, 2, 2), 0.5), torch.tensor([0, 1])
        >>> adversary.run_standard_evaluation(x, y, bs=2).shape
        torch.Size([2, 1, 2, 2])
        >>> len(adversary.result)
        2
    """

    def __init__(  # the arguments of the package
        self,
        model: nn.Module,
        norm: str = "Linf",
        eps: float = 0.3,
        seed: int | None = None,
        attacks_to_run: Sequence[str] = (),
        version: str = "standard",
        **others: Any,
    ):
        refuse("AutoAttack", others, _ABSENT)
        p = norm_of("AutoAttack", norm, {"Linf": math.inf, "L2": 2.0, "L1": 1.0})
        if attacks_to_run and version != "custom":
            raise InputError(
                f"version is {version!r} and attacks_to_run is {[*attacks_to_run]}; expected a list of attacks with "
                "version='custom', and none with another"
            )
        self.classifier, self.threat = Classifier(model), Lp(p, eps)
        self.seed = 0 if seed is None else seed
        self.version = version
        self.attack: Attack | None = (
            None if version == "custom" else autoattack.AutoAttack(cast("autoattack.Version", version))
        )
        self._names = VERSIONS[version]
        self.result: Result | None = None
        self.results: dict[str, Result] = {}
        if attacks_to_run:
            self.attacks_to_run = attacks_to_run

    @property
    def attacks_to_run(self) -> tuple[str, ...]:
        """The members that are run, in their order; assign a list to run others."""
        return self._names

    @attacks_to_run.setter
    def attacks_to_run(self, names: Sequence[str]) -> None:
        known = [names] if isinstance(names, str) else [*names]
        unknown = [one for one in known if one not in MEMBERS]
        if unknown:
            raise InputError(
                f"attacks_to_run has {unknown[0]!r}{meant(unknown[0], MEMBERS)}; expected of {', '.join(MEMBERS)}"
            )
        if not known:
            raise InputError(f"attacks_to_run is empty; expected of {', '.join(MEMBERS)}")
        if self.version == "rand":
            raise InputError(
                "attacks_to_run is that of the version rand, whose gradients are means; write "
                "brittle.run(brittle.Cascade((brittle.APGD(), ...)), ..., eot_samples=20)"
            )
        self._names = tuple(known)
        self.attack = Cascade(tuple(self._member(one) for one in known))

    @property
    def epsilon(self) -> float:
        """The radius."""
        return float(self.threat.radius)

    @epsilon.setter
    def epsilon(self, radius: float) -> None:
        self.threat = replace(self.threat, radius=radius)

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("_") or name in _SETTABLE:
            if name == "version" and value != getattr(self, "version", value):
                raise AttributeError(f"the version is set once; write AutoAttack(..., version={value!r})")
            object.__setattr__(self, name, value)
            return
        known = ", ".join(_SETTABLE)
        raise AttributeError(
            f"autoattack.AutoAttack would not go by {name!r}{did_you_mean(name, _SETTABLE)}; settable are {known}; "
            "for another network or norm make a new one"
        )

    def __getattr__(self, name: str) -> Any:
        instead = ""
        if name in _PARTS:
            instead = (
                "; to change the settings of a member assign `attack`, such as brittle.Cascade((brittle.APGD(100, "
                "restarts=2), brittle.Square(1000)))"
            )
        raise AttributeError(f"autoattack.AutoAttack has no {name!r}{instead}")

    def _member(self, name: str) -> Attack:
        """Return a member with the settings of the version."""
        member = MEMBERS[name]
        if self.version != "custom" and isinstance(member, APGD | FAB) and not member.targets:
            wide = self.threat.name == "l1" and name.startswith("apgd")
            return replace(member, restarts=5 if self.version == "plus" or wide else 1)
        if self.version == "standard" and self.threat.name == "l1" and name == "apgd-t":
            return replace(member, targets=5)
        return member

    @overload
    def run_standard_evaluation(
        self, x_orig: Tensor, y_orig: Tensor, bs: int = ..., return_labels: Literal[False] = ..., **others: Any
    ) -> Images: ...
    @overload
    def run_standard_evaluation(
        self, x_orig: Tensor, y_orig: Tensor, bs: int = ..., *, return_labels: Literal[True], **others: Any
    ) -> tuple[Images, Labels]: ...
    def run_standard_evaluation(
        self, x_orig: Tensor, y_orig: Tensor, bs: int = 250, return_labels: bool = False, **others: Any
    ) -> Images | tuple[Images, Labels]:
        """Attack images.

        Args:
            x_orig: (n, c, h, w) in [0, 1], or uint8.
            y_orig: (n,) the true classes.
            bs: most images in one pass.
            return_labels: give what the network says of the images, too.
            others: `state_path` of the package, which is refused.

        Returns:
            The changed images, (n, c, h, w); those that were not broken as they were. With `return_labels` also the
            classes predicted, (n,).
        """
        refuse("run_standard_evaluation", others, _NO_STATE)
        if self.attack is None:
            raise InputError(f"version is 'custom', and nothing is to be run; assign attacks_to_run, of {[*MEMBERS]}")
        self.result, found, said = self._run(self.attack, x_orig, y_orig, bs)
        return (found, said) if return_labels else found

    def run_standard_evaluation_individual(
        self, x_orig: Tensor, y_orig: Tensor, bs: int = 250, return_labels: bool = False
    ) -> dict[str, Any]:
        """Attack all images with each member by itself.

        Args:
            x_orig: (n, c, h, w) in [0, 1], or uint8.
            y_orig: (n,) the true classes.
            bs: most images in one pass.
            return_labels: give what the network says of the images, too.

        Returns:
            By member what `run_standard_evaluation` returns. The results lie in `results`.

        Raises:
            InputError: no members, or the version rand, whose gradients are means.
        """
        if not self._names or self.version == "rand":
            raise InputError(
                f"version is {self.version!r} and attacks_to_run is {[*self._names]}; expected members of standard, "
                "plus or custom; of rand take brittle.run(brittle.APGD(), ..., eot_samples=20)"
            )
        given: dict[str, Any] = {}
        self.results = {}
        for name in self._names:
            self.results[name], found, said = self._run(self._member(name), x_orig, y_orig, bs)
            given[name] = (found, said) if return_labels else found
        return given

    def _run(self, attack: Attack, images: Tensor, labels: Tensor, bs: int) -> tuple[Result, Images, Labels]:
        x = as_given(images, self.classifier)
        result = run(attack, self.classifier, x, labels, threat=self.threat, seed=self.seed, batch=bs)
        said = torch.where(result.success, result.prediction, result.clean_prediction)
        return result, changed(result, x), said

    def clean_accuracy(self, x_orig: Tensor, y_orig: Tensor, bs: int = 250) -> float:
        """Return the fraction of images that the network has right without an attack."""
        x = as_given(x_orig, self.classifier)
        right = logits_of(self.classifier, x, bs).argmax(1) == as_labels(y_orig, x).to(x.device)
        return float(right.double().mean())


def __getattr__(name: str) -> Never:
    absent(__name__, name, AUTOATTACK, globals())
