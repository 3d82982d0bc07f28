"""Boundaries: the smallest changes of photographs, the normals of the boundaries they lead to, and gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from brittle.attacks.deepfool import DeepFool
from brittle.classifiers.frozen import preserving_state
from brittle.core.run import run
from brittle.errors import DataError
from brittle.maths.losses import cross_entropy
from brittle.maths.norms import steepest
from brittle.studies.shared.photographs import Photographs
from brittle.threats import Lp
from brittle.types import Labels, Logits, PerImage
from brittle.universal_attacks.images import ImageSet

SEARCH = DeepFool()
"""Finds the nearest boundary."""


@dataclass(frozen=True)
class Boundaries:
    """What was found around the images of X.

    Attributes:
        normals: of the boundary at the point that DeepFool reached, of length 1, (m, d), float32 on the CPU.
        total: sum of DeepFool's changes, (c, h, w).
        single: DeepFool's change of the first image, (c, h, w).
        gradients: sum of the images' loss gradients, each brought to length 1, (c, h, w).
        average: the mean image of X, (c, h, w).
        lengths: of DeepFool's changes in the 2-norm, (m,).
        images: how many there were; m of them reached a boundary.
    """

    normals: Tensor
    total: Tensor
    single: Tensor
    gradients: Tensor
    average: Tensor
    lengths: Tensor
    images: int


def boundaries(photographs: Photographs) -> Boundaries:
    """Go from every image of X to the nearest boundary of its class.

    The paper's normal of an image is DeepFool's change itself, which stands on the boundary where it ends; here it is
    the gradient of the difference of both classes' logits at that end, to which DeepFool's last step is parallel.

    Raises:
        DataError: no boundary was reached from any image.
    """
    images, classifier = photographs.given, photographs.classifier
    normals: list[Tensor] = []
    changes: list[Tensor] = []
    gradients, pixels = (torch.zeros(images.shape).to(classifier.device, classifier.dtype) for _ in range(2))
    for rows in images.batches():
        clean = images.at(rows)
        pixels += clean.sum(0)
        found = run(SEARCH, classifier, clean, threat=Lp(2), seed=photographs.setting.seed, ids=rows)
        reached = found.success.nonzero()[:, 0]
        moved = found.adversarial[reached].to(clean)
        to, away = (labels.to(clean.device) for labels in (found.prediction[reached], found.clean_prediction[reached]))
        normals.append(steepest(_slopes(images, moved, partial(_gap, to, away)), 2).flatten(1).float().cpu())
        changes.append((moved - clean[reached.to(clean.device)]).cpu())
        gradients += steepest(
            _slopes(images, clean, partial(cross_entropy, labels=found.clean_prediction.to(clean.device))), 2
        ).sum(0)
        photographs.tell(f"nearest boundaries, {int(rows[-1]) + 1:,} of {len(images):,} images")
    moves = torch.cat(changes)
    if not len(moves):
        raise DataError(f"DeepFool reached no boundary from any of the {len(images)} images of X")
    average, lengths = (pixels / len(images)).cpu(), moves.flatten(1).norm(dim=1)
    return Boundaries(torch.cat(normals), moves.sum(0), moves[0], gradients.cpu(), average, lengths, len(images))


def _slopes(images: ImageSet, points: Tensor, measure: Callable[[Logits], PerImage]) -> Tensor:
    """Return the gradients of what is measured of the logits, image by image."""
    points = points.detach().requires_grad_()
    with preserving_state(images.classifier.module), torch.enable_grad():
        (slopes,) = torch.autograd.grad(measure(images.classifier.logits(points)).sum(), points)
    return slopes


def _gap(to: Labels, away: Labels, logits: Logits) -> PerImage:
    """Measure the lead of one class over another."""
    return (logits.gather(1, to[:, None]) - logits.gather(1, away[:, None]))[:, 0]
