"""The call shape of Foolbox: `attacks.LinfPGD()(fmodel, images, labels, epsilons=8/255)` returns raw, clipped, is_adv.

Names, defaults and the order of arguments are those of Foolbox 3.3 for PyTorch: `PyTorchModel`, the two criteria,
`accuracy`, and what is in `attacks`.
"""

from typing import Never

from brittle.compat.foolbox import attacks, model
from brittle.compat.foolbox.model import Misclassification, PyTorchModel, TargetedMisclassification, accuracy
from brittle.compat.native import FOOLBOX, absent

utils = criteria = model
"""Where Foolbox keeps `accuracy` and the criteria."""

__all__ = ["Misclassification", "PyTorchModel", "TargetedMisclassification", "accuracy", "attacks"]


def __getattr__(name: str) -> Never:
    absent(__name__, name, FOOLBOX, globals())
