"""The call shape of Foolbox: `attacks.LinfPGD()(fmodel, images, labels, epsilons=8/255)` returns raw, clipped, is_adv.

Names, defaults and the order of arguments are those of Foolbox 3.3 for PyTorch: `PyTorchModel`, the two criteria,
`accuracy`, and what is in `attacks`.
"""

from brittle.compat.foolbox import attacks
from brittle.compat.foolbox.model import Misclassification, PyTorchModel, TargetedMisclassification, accuracy

__all__ = ["Misclassification", "PyTorchModel", "TargetedMisclassification", "accuracy", "attacks"]
