"""What the ascent climbs: how far an image is from the class that the network gave it, or how near a target."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch.nn import functional

from brittle.errors import InputError
from brittle.maths.losses import cross_entropy, logit_margin
from brittle.types import Labels, Logits, PerImage

Aim = Callable[[Logits, Logits], PerImage]
"""What grows as an image is fooled, given its logits with the perturbation and without, (n, k) each."""
Objective = Literal["cosine", "cross_entropy", "margin"]


def away(name: Objective, clip: float) -> Aim:
    """Return what grows as the perturbed logits leave the clean ones, given (perturbed, clean), (n, k) each.

    Args:
        name: "cosine": minus the cosine between both, each centred on its mean (Zhang et al., CVPR 2020, eq. 5, have no
            centring; without it a constant added to all logits, which changes no class, would change the loss);
            "cross_entropy" and "margin" with respect to the class of the clean image.
        clip: of the last two, the value beyond which an image counts as done and pulls no more (Shafahi et al., AAAI
            2020, section 3.2, clip the cross-entropy).
    """

    def cosine(moved: Logits, clean: Logits) -> PerImage:
        if moved.shape[1] == 2:
            return margin(moved, clean)
        centred = (logits - logits.mean(1, keepdim=True) for logits in (moved, clean))
        return -functional.cosine_similarity(*centred, dim=1)

    def entropy(moved: Logits, clean: Logits) -> PerImage:
        return cross_entropy(moved, clean.argmax(1)).clamp_max(clip)

    def margin(moved: Logits, clean: Logits) -> PerImage:
        return (-logit_margin(moved, clean.argmax(1))).clamp_max(clip)

    return {"cosine": cosine, "cross_entropy": entropy, "margin": margin}[name]


def towards(name: Objective, target: int, clip: float) -> Aim:
    """Return what grows as the perturbed logits come to one class.

    Args:
        name: "margin": the target's lead over the others, up to `clip`; "cross_entropy": minus that of the target, and
            no more once it is below exp(-clip); "cosine" has no target of its own and is the cross-entropy.
        target: the class.
        clip: as above.

    Raises:
        InputError: once there are logits, a target that is no class of the network.
    """

    def labels(moved: Logits) -> Labels:
        if target >= moved.shape[1]:
            raise InputError(f"the target is {target}; the network has the classes 0 to {moved.shape[1] - 1}")
        return torch.full((len(moved),), target, device=moved.device)

    def margin(moved: Logits, clean: Logits) -> PerImage:
        return logit_margin(moved, labels(moved)).clamp_max(clip)

    def entropy(moved: Logits, clean: Logits) -> PerImage:
        return -cross_entropy(moved, labels(moved)).clamp_min(math.exp(-clip))

    return margin if name == "margin" else entropy
