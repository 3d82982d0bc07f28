"""Images without the few directions along which a network's decisions change most."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from brittle.arguments import Count, check_fields
from brittle.classifiers.callable_module import no_gradients
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.defences.transformation import InputTransformation
from brittle.errors import InputError
from brittle.maths.subspace import by_gram
from brittle.types import Images

IMAGES = 200
"""Clean images whose gradients are taken, unless more directions are wanted."""
AT_ONCE = 16
"""Images in one pass."""


@dataclass(frozen=True)
class SubspaceRemoval(InputTransformation):
    """Removal of the dominant subspace: the part of an image along the leading directions of the network's gradients.

    Moosavi-Dezfooli, Fawzi, Fawzi & Frossard, CVPR 2017, section 4, find that the normals of a network's boundaries at
    many images lie near a subspace of few dimensions, and take that for the reason why one perturbation fools most
    images. Who believes it removes the subspace: x - V V' (x - m), V the leading right singular vectors of the normals,
    each of length 1, m the mean of the clean images, whose part stays. Here a normal is the gradient, at a clean
    image, of the difference of the two largest logits. It is linear, so an adversary who knows it differentiates it.

    Args:
        count: directions that are removed.

    Raises:
        InputError: fewer clean images than twice the directions, images of another shape than those, or a network
            without a gradient.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> clean = torch.rand(200, 1, 4, 4)
        >>> defence = SubspaceRemoval(count=2).prepare(Classifier(network), clean)
        >>> defence.directions.shape
        torch.Size([2, 16])
    """

    title: ClassVar[str] = "Removal of the dominant subspace"
    differentiable: ClassVar[bool] = True
    images_needed: ClassVar[int] = IMAGES

    count: Count = 50
    directions: Tensor | None = field(default=None, repr=False, compare=False)
    middle: Tensor | None = field(default=None, repr=False, compare=False)

    def __post_init__(self):
        check_fields(self)
        object.__setattr__(self, "images_needed", max(IMAGES, 2 * self.count))

    @property
    def ready(self) -> bool:
        """Whether it has directions."""
        return self.directions is not None

    def prepare(self, classifier: Classifier, images: Images | None) -> Self:
        """Take the leading directions of the gradients at clean images."""
        super().prepare(classifier, images)
        assert images is not None  # it is refused above
        clean = (images - classifier.bounds.lower) / classifier.bounds.span
        normals = torch.cat([*_normals(classifier, images)])
        found = by_gram(lambda: normals.split(AT_ONCE), self.count)
        return replace(self, directions=found.directions.float().cpu(), middle=clean.float().mean(0).cpu())

    def transform(self, images: Images) -> Images:
        """Return the images without what lies along the directions, clamped."""
        if self.directions is None or self.middle is None:
            raise InputError(f"{self.title} has no directions; call `prepare` with clean images first")
        if images.shape[1:] != self.middle.shape:
            raise InputError(
                f"the images are {tuple(images.shape[1:])}, and those that the directions were taken at "
                f"{tuple(self.middle.shape)}; prepare it with images of their kind"
            )
        directions, middle = self.directions.to(images), self.middle.to(images)
        along = (images - middle).flatten(1) @ directions.T
        return (images - (along @ directions).view_as(images)).clamp(0, 1)


def _normals(classifier: Classifier, images: Images) -> Iterator[Tensor]:
    """Yield the gradients of the difference of the two largest logits, of length 1, in rows (n, values).

    Raises:
        InputError: they are all zero, or infinite.
        ModelError: the network passes none on.
    """
    for some in images.split(AT_ONCE):
        with preserving_state(classifier.module), torch.enable_grad():
            moved = some.detach().to(classifier.device, classifier.dtype).clone().requires_grad_()
            leading = classifier.logits(moved).topk(2, dim=1).values
            if not leading.requires_grad:
                raise no_gradients("its outputs do not depend on the images in a way that torch can differentiate")
            (gradient,) = torch.autograd.grad((leading[:, 0] - leading[:, 1]).sum(), moved)
        rows = gradient.float().flatten(1).cpu()
        lengths = rows.norm(dim=1, keepdim=True)
        if not bool(torch.isfinite(lengths).all()) or not bool(lengths.any()):
            raise InputError("the network has no gradient at the clean images, or an infinite one; expected logits")
        yield rows / lengths.clamp_min(torch.finfo(torch.float32).tiny)
