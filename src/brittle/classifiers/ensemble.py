"""Several networks as one, by the mean of their logits; and networks that are shown images of another size."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from brittle.arguments import fitted
from brittle.classifiers.behind import Behind
from brittle.classifiers.classifier import Classifier
from brittle.errors import InputError, ModelError
from brittle.types import Images


def ensemble(classifiers: Sequence[Classifier], weights: Sequence[float] | None = None) -> Classifier:
    """Return the classifier whose logits are the mean of those of others.

    Fusion of logits, Dong et al., CVPR 2018, section 3.4 (arXiv:1710.06081): what breaks several networks at once
    breaks one that is not among them more often than what breaks one of them. A network with larger logits has more
    say; `weights` can undo that.

    Args:
        classifiers: of the same classes, that take images of the same size and bounds; see `at_size` for others.
        weights: one for each, divided by their sum; all equal by default, as in the paper.

    Raises:
        InputError: no classifiers, other bounds, one that may refuse images, or weights that are none.
        ModelError: in the forward pass, networks with other numbers of classes.

    Example:
        >>> one, two = (Classifier(lambda x, k=k: x.flatten(1) * k) for k in (1.0, 3.0))
        >>> ensemble([one, two]).logits(torch.full((1, 1, 1, 2), 0.5))
        tensor([[1., 1.]])
    """
    classifiers = fitted("classifiers", classifiers, Sequence[Classifier])
    if not classifiers:
        raise InputError("an ensemble of no networks; give at least one classifier")
    bounds = classifiers[0].bounds
    if other := [one for one in classifiers if one.bounds != bounds]:
        raise InputError(
            f"the images of one network lie from {bounds.lower:g} to {bounds.upper:g}, those of another from "
            f"{other[0].bounds.lower:g} to {other[0].bounds.upper:g}; expected the same bounds: put the scaling into "
            "the module"
        )
    if any(one.rejects for one in classifiers):
        raise InputError("a network that may refuse images has no place in an ensemble; leave it out")
    shares = torch.ones(len(classifiers)) if weights is None else torch.tensor(weights, dtype=torch.float32)
    if len(shares) != len(classifiers) or not bool(torch.isfinite(shares).all()) or (shares < 0).any():
        raise InputError(f"the weights are {weights}; expected {len(classifiers)} numbers of at least 0")
    if not shares.sum() > 0:
        raise InputError("all weights of the ensemble are 0; expected one above 0")
    return Classifier(_Ensemble(classifiers, (shares / shares.sum()).tolist()), bounds)


def at_size(classifier: Classifier, size: tuple[int, int]) -> Classifier:
    """Return a classifier that takes images of any size and brings them to the one that the network takes.

    Resampling is bilinear, with antialiasing where images become smaller, and can be differentiated: networks of
    different input sizes can so be attacked and compared on the same images.

    Args:
        classifier: of images of `size`.
        size: its height and width.

    Example:
        >>> small = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
        >>> at_size(small, (2, 2)).logits(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 3])
    """

    def resampled(images: Images) -> Images:
        if tuple(images.shape[2:]) == tuple(size):
            return images
        return nn.functional.interpolate(images, size, mode="bilinear", antialias=True).clamp(0, 1)

    return classifier.around(Behind(resampled, classifier.module, classifier.bounds))


class _Ensemble(nn.Module):
    """The weighted mean of logits, each read as its own classifier says."""

    def __init__(self, classifiers: Sequence[Classifier], shares: Sequence[float]):
        super().__init__()
        self.members = nn.ModuleList(one.module for one in classifiers)
        self.classifiers, self.shares = tuple(classifiers), tuple(shares)

    def forward(self, images: Tensor) -> Tensor:
        total: Tensor | None = None
        for classifier, share in zip(self.classifiers, self.shares, strict=True):
            logits = classifier.logits(images)
            if total is not None and logits.shape != total.shape:
                raise ModelError(
                    f"one network of the ensemble has {total.shape[1]} classes and another {logits.shape[1]}; expected "
                    "networks of the same classes"
                )
            total = logits * share if total is None else total + logits * share
        assert total is not None  # there is at least one
        return total
