"""Fine-tuning as the papers do it: on images attacked once, or on a pool of universal perturbations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from brittle.core.attack import Attack
from brittle.errors import InputError
from brittle.threats import Threat
from brittle.training.adversarial import AdversarialTraining
from brittle.training.fine_tuning import perturbed_once
from brittle.training.universal_pool import Hardening, UniversalPool
from brittle.types import Images, Labels
from brittle.universal_attacks.perturbation import Perturbation


@dataclass(frozen=True)
class Once:
    """Images are attacked once, for the network as the training finds it, see `perturbed_once`.

    Attributes:
        attack: how.
        threat: within what.
        alpha: what the changes are multiplied by.
    """

    attack: Attack
    threat: Threat
    alpha: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return everything that determines what is done, as JSON can hold it."""
        return {"attack": repr(self.attack), "threat": repr(self.threat), "alpha": self.alpha}

    def of(self, module: nn.Module, images: Images, labels: Labels, seed: int) -> Images:
        """Return the images to train on."""
        return perturbed_once(module, images, labels, self.attack, self.threat, alpha=self.alpha, seed=seed)


def attacked_once(adversarial: Hardening | None, course: dict[str, Any], alpha: float) -> Once:
    """Return what is attacked once, of what would have been attacked in each step.

    Raises:
        InputError: no attack, or what means something only to an attack in each step.
    """
    if not isinstance(adversarial, AdversarialTraining):
        raise InputError("once is given without an attack; say which, such as --attack deepfool")
    if course:
        words = ", ".join(name.replace("_", "-") for name in course)
        raise InputError(f"{words} is given beside once, which attacks no batch of a training; leave it out")
    return Once(adversarial.attack, adversarial.threat, alpha)


def pooled(paths: Sequence[str], probability: float, alpha: float, *, attacked: bool) -> UniversalPool:
    """Return a pool of the universal perturbations in some files or folders of `brittle universal`.

    Raises:
        InputError: perturbations of several shapes, or an attack beside them; RunError where a file cannot be read.
    """
    if attacked:
        raise InputError("a pool is given beside an attack or a recipe; train on one of them")
    found = [Perturbation.load(path).tensor for path in paths]
    shapes = sorted({"x".join(map(str, one.shape)) for one in found})
    if len(shapes) > 1:
        raise InputError(f"the pool holds perturbations of {' and of '.join(shapes)}; expected one shape for all")
    return UniversalPool(torch.stack(found), probability, alpha)
