"""The call shape of AutoAttack: `AutoAttack(module, norm="Linf", eps=8/255).run_standard_evaluation(x, y, bs=250)`.

Names, defaults and the order of arguments are those of the authors' package. It writes its figures to a log; here they
are in `result`, a `brittle.Result` with one row for each image of the last evaluation.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, cast, overload

import torch
from torch import Tensor, nn

from brittle.attacks import autoattack
from brittle.attacks.apgd import APGD
from brittle.attacks.fab import FAB
from brittle.attacks.square import Square
from brittle.classifiers.classifier import Classifier
from brittle.compat.calls import TAKEN, Absent, as_given, changed, logits_of, norm_of, refuse
from brittle.core.attack import Attack
from brittle.core.combinators import Cascade
from brittle.core.inputs import as_labels
from brittle.core.result import Result
from brittle.core.run import run
from brittle.errors import InputError
from brittle.near import meant
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
        attacks_to_run: of `MEMBERS`, with the version custom.
        version: standard, plus, rand or custom.
        others: further arguments of the package, refused where they ask for something.

    Attributes:
        result: of the last evaluation; None before there was one.

    Raises:
        InputError: another norm, version or member.

    Example:
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
        >>> adversary = AutoAttack(module, norm="Linf", eps=8 / 255, version="standard", verbose=False)
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
        unknown = [one for one in attacks_to_run if one not in MEMBERS]
        if unknown:
            raise InputError(
                f"attacks_to_run has {unknown[0]!r}{meant(unknown[0], MEMBERS)}; expected of {', '.join(MEMBERS)}"
            )
        if bool(attacks_to_run) != (version == "custom"):
            raise InputError(
                f"version is {version!r} and attacks_to_run is {[*attacks_to_run]}; expected a list of attacks with "
                "version='custom', and none with another"
            )
        self.classifier, self.threat = Classifier(model), Lp(p, eps)
        self.seed = 0 if seed is None else seed
        self.attack = (
            Cascade(tuple(MEMBERS[one] for one in attacks_to_run))
            if attacks_to_run
            else autoattack.AutoAttack(cast("autoattack.Version", version))
        )
        self.result: Result | None = None

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
        x = as_given(x_orig, self.classifier)
        self.result = run(self.attack, self.classifier, x, y_orig, threat=self.threat, seed=self.seed, batch=bs)
        found = changed(self.result, x)
        said = torch.where(self.result.success, self.result.prediction, self.result.clean_prediction)
        return (found, said) if return_labels else found

    def clean_accuracy(self, x_orig: Tensor, y_orig: Tensor, bs: int = 250) -> float:
        """Return the fraction of images that the network has right without an attack."""
        x = as_given(x_orig, self.classifier)
        right = logits_of(self.classifier, x, bs).argmax(1) == as_labels(y_orig, x).to(x.device)
        return float(right.double().mean())
