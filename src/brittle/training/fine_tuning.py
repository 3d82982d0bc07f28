"""Fine-tuning on images that were attacked once, before it, for the network as it was."""

import math
from collections.abc import Callable

from torch import nn

from brittle.arguments import Count, Seed, checked
from brittle.base.bounds import Bounds
from brittle.classifiers.classifier import Classifier
from brittle.core.attack import Attack, at_least
from brittle.core.inputs import as_images
from brittle.core.run import run
from brittle.errors import InputError
from brittle.threats import Threat
from brittle.types import Images, Labels


@checked
def perturbed_once(  # noqa: PLR0913  # what is attacked, how, and how far the change is carried on
    module: nn.Module,
    images: Images,
    labels: Labels,
    attack: Attack,
    threat: Threat,
    *,
    alpha: float = 1.0,
    batch: Count = 256,
    seed: Seed = 0,
    progress: Callable[[int], None] | None = None,
) -> Images:
    """Attack training images for a network as it is, to fine-tune it on what comes out.

    Moosavi-Dezfooli, Fawzi & Frossard, CVPR 2016, the section on fine-tuning (arXiv:1511.04599): 5 extra epochs with
    half the learning rate on images changed by DeepFool, the same ones in every epoch; and, to show that larger
    changes make the network weaker, on images with the change multiplied by 2 and 3. Give what this returns to `fit`
    with the labels as they were; the weights that the module has are its start. To attack the images anew in each step,
    give `fit` an `AdversarialTraining` instead.

    Deviations: changed images are clipped to [0, 1], as all images that train a network here are; images that are wrong
    already stay as they are.

    Args:
        module: from images to logits; it is asked in eval mode, and left as it was found.
        images: (n, c, h, w), floats in [0, 1] or uint8, on any device.
        labels: (n,) int64, the true classes.
        attack: how they are attacked; `DeepFool()` as published.
        threat: how changes are measured, and how large they may be before they are multiplied.
        alpha: what the changes of the pixels are multiplied by, before they are clipped.
        batch: most images in one pass.
        seed: of the images' random draws.
        progress: called with the number of images finished, batch by batch.

    Returns:
        The images to train on, (n, c, h, w), floats of the images' type on their device. Where the attack found
        nothing, the allowed point that came nearest takes the place of its success.

    Raises:
        InputError: invalid images, labels or options, or a threat that the attack does not know.
        ModelError: outputs that are not logits.

    Example:
        >>> import torch
        >>> from brittle import DeepFool, Lp
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> images, labels = torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 0])
        >>> perturbed_once(module, images, labels, DeepFool(), Lp(2), alpha=2.0).shape
        torch.Size([3, 1, 2, 2])
    """
    _check(alpha)
    classifier = Classifier(module)
    given = as_images(images, classifier.bounds)
    found = run(attack, classifier, given, labels, threat=threat, seed=seed, batch=batch, progress=progress)
    return magnified(given, found.adversarial, alpha).to(given.dtype)


def magnified(images: Images, changed: Images, alpha: float) -> Images:
    """Carry the changes of images on in their direction, and clip the images to [0, 1].

    Args:
        images: (n, c, h, w) as they were.
        changed: (n, c, h, w); what `alpha` = 1 gives, to the bit where they lie in [0, 1].
        alpha: what the changes are multiplied by.

    Example:
        >>> import torch
        >>> magnified(torch.tensor([0.25]), torch.tensor([0.5]), 2.0)
        tensor([0.7500])
    """
    _check(alpha)
    return Bounds().clamp(changed + (alpha - 1) * (changed - images))


def _check(alpha: float) -> None:
    at_least("alpha", alpha, 0)
    if not math.isfinite(alpha):
        raise InputError(f"alpha is {alpha}; expected a finite number, such as 1")
