"""A set of images that many passes go over, and what the network says of them with a perturbation added."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from brittle.arguments import Count, check_fields
from brittle.base.stored import StoredImages
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.core.inputs import as_images, placed
from brittle.errors import InputError, ModelError
from brittle.processes.team import ALONE, Team
from brittle.threats import Lp, SharedThreat
from brittle.types import Images, Logits, Mask
from brittle.universal_attacks.answers import CLASSES, Answers
from brittle.universal_attacks.only_classes import OnlyClasses

ADDED = Lp("inf")
"""How a perturbation of any norm is put on an image: it is added."""
PLACES = 0
"""Seed of the places at which images wear a patch where it is judged."""


@dataclass(frozen=True)
class ImageSet:
    """Images and the network that looks at them; no label is needed, a perturbation fools it against itself.

    Attributes:
        classifier: the network.
        images: (n, c, h, w), floats within the bounds or uint8, on any device, or in a file; brought to the network
            batch by batch.
        batch: most images in one forward pass.
        ids: which image is which, int64 (n,), such as positions in a data set, by which the places of patches are
            drawn; 0 to n - 1 by default.
        answers: how the network's outputs are read: by default as logits of an image's class. `ClassOfPixels` or
            `DepthOfPixels` where it answers for every pixel, in a row for each (`PixelRows`, `DepthRows`): then answers
            are (n, pixels), and all fractions are of pixels.
        threat: how a perturbation is put on an image: added, or, under `Patch` and `Frame`, in place of a part of it.
        team: the processes that go in step, each of which asks the network of its share of the images.

    Raises:
        InputError: no images, or of another shape.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
        >>> some = ImageSet(Classifier(network), torch.rand(5, 1, 2, 2))
        >>> some.fooling_rate(torch.zeros(1, 2, 2))
        0.0
    """

    classifier: Classifier
    images: Tensor | StoredImages
    batch: Count = 64
    threat: SharedThreat = ADDED
    ids: Tensor | None = None
    answers: Answers = CLASSES
    team: Team = field(default=ALONE, compare=False, repr=False)

    def __post_init__(self):
        check_fields(self)
        if self.images.ndim != 4 or not len(self.images):
            raise InputError(f"the images have shape {tuple(self.images.shape)}; expected (n, channels, h, w), n >= 1")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def pixels(self) -> bool:
        """Whether there is an answer for every pixel."""
        return self.answers.pixels

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def at(self, rows: Tensor) -> Images:
        """Return some images beside the network, as floats within its bounds.

        Raises:
            BoundsError: values outside the bounds.
        """
        chosen = self.images[rows.to(self.images.device)]
        return placed(as_images(chosen, self.classifier.bounds), self.classifier)

    def batches(self) -> Iterator[Tensor]:
        """Yield the positions of all images, a batch at a time."""
        yield from torch.arange(len(self)).split(self.batch)

    @cached_property
    def clean(self) -> Tensor:
        """The network's answer to each image, such as its class, (n,); of pixels (n, pixels)."""
        return self.predictions(None)

    @cached_property
    def classes(self) -> int:
        """How many classes the network knows."""
        with preserving_state(self.classifier.module), torch.no_grad():
            return self.classifier.checked(self.at(torch.arange(1))).shape[1]

    @cached_property
    def clean_logits(self) -> StoredImages:
        """What the network says of each image, (n, k) float32, in a file: of many classes they fill the memory.

        Raises:
            ModelError: outputs that are not logits.
        """
        labels = list[Tensor]()

        def parts() -> Iterator[Logits]:
            for logits, count in self._asked(lambda rows: self.classifier.checked(self.at(rows))):
                labels.append(self.answers.read(logits, count))
                yield logits.float().cpu()

        with preserving_state(self.classifier.module, self.team.seed(0)), torch.no_grad():
            stored = StoredImages.of(parts(), exact=True)
        vars(self).setdefault("clean", torch.cat(labels))  # the same pass says it
        return stored

    @torch.no_grad()
    def predictions(self, perturbation: Tensor | None) -> Tensor:
        """Return the network's answer to each image with the perturbation (c, h, w), (n,) or (n, pixels).

        Raises:
            ModelError: outputs that are not logits.
        """

        def answers(rows: Tensor) -> Tensor:
            return self.answers.read(self.logits(self.at(rows), perturbation, rows), len(rows))

        with preserving_state(self.classifier.module, self.team.seed(0)):
            return self.each(answers)

    def each(self, ask: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what is asked of all images, batch by batch, of which each of a team asks its share.

        Args:
            ask: given positions, returns as many rows for each of them.
        """
        return torch.cat([part for part, _ in self._asked(ask)])

    def _asked(self, ask: Callable[[Tensor], Tensor]) -> Iterator[tuple[Tensor, int]]:
        """Yield what is asked and of how many images, a batch of each of a team at a time."""
        for rows in torch.arange(len(self)).split(self.batch * self.team.size):
            own = rows[self.team.mine(len(rows))]
            yield self.team.joined(ask(own) if len(own) else torch.zeros(0), len(rows)), len(rows)

    def under(self, threat: SharedThreat) -> "ImageSet":
        """Return the same images with perturbations put on as a threat says; what is known of the clean ones stays."""
        if threat == self.threat or (isinstance(threat, Lp) and isinstance(self.threat, Lp)):
            return self
        other = replace(self, threat=threat)
        vars(other).update(
            {name: vars(self)[name] for name in ("clean", "classes", "clean_logits") if name in vars(self)}
        )
        return other

    def worn(self, images: Images, perturbation: Tensor, rows: Tensor) -> Images:
        """Return images with the perturbation: added and clamped, or at each one's own place.

        Args:
            images: as `at` returns them.
            perturbation: of the shape that the threat tells.
            rows: their positions in the set, which determine the places.
        """
        expected = self.threat.change_shape(self.shape)
        if perturbation.shape != expected:
            raise InputError(
                f"the perturbation has shape {tuple(perturbation.shape)}; expected {expected} to be worn under "
                f"{type(self.threat).__name__}: for a patch or a frame take these images `.under(Patch(side))`"
            )
        ids = rows if self.ids is None else self.ids[rows.to(self.ids.device)]
        return self.threat.put_on(images, perturbation.to(images), self.classifier.bounds, ids, PLACES)

    def logits(self, images: Images, perturbation: Tensor | None, rows: Tensor) -> Logits:
        """Return the logits of images (see `worn`) with the perturbation; of clean ones they are looked at.

        Raises:
            ModelError: outputs that are not logits, or NaN.
        """
        if perturbation is None:
            return self.classifier.checked(images)
        moved = self.classifier.logits(self.worn(images, perturbation, rows))
        if bool(moved.isnan().any()):
            raise ModelError("the network says NaN of images with the perturbation, and not of them as they are")
        return moved

    def fooled(self, perturbation: Tensor) -> Mask:
        """Say which images, or pixels of them, get another answer than without it, (n,) or (n, pixels)."""
        return self.answers.changed(self.predictions(perturbation), self.clean)

    def fooled_by_each(self, perturbations: Iterable[Tensor]) -> Mask:
        """Say which images each of some perturbations fools, (m, n)."""
        return torch.stack([self.fooled(one) for one in perturbations])

    def judge(self, target: int | None = None, only: Sequence[int] = ()) -> Callable[[Tensor], float]:
        """Return what says how good a perturbation is, see `score`.

        Raises:
            InputError: all images are of the target already, or there are none of the classes, or none of others.
        """
        if target is not None and bool((self.clean == target).all()):
            raise InputError(f"the network takes all {len(self)} images for class {target} already; give others, too")
        if only and len(self.of(only).unique()) < 2:
            which = "all" if bool(self.of(only).all()) else "none"
            raise InputError(
                f"the network takes {which} of the {len(self)} images for the classes {', '.join(map(str, only))}; "
                "give images of these and of others"
            )
        return lambda perturbation: self.score(self.predictions(perturbation), target, only)

    def of(self, classes: Sequence[int]) -> Mask:
        """Say which images the network takes for one of some classes, (n,)."""
        return OnlyClasses(tuple(classes)).chosen(self.clean)

    def score(self, predictions: Tensor, target: int | None = None, only: Sequence[int] = ()) -> float:
        """Return how good a perturbation is with which the images get these answers, (n,) or (n, pixels).

        Without more, the fraction that gets another one; for a target the fraction of the images of other classes
        that is taken for it, 1 where there are none; for classes the fraction fooled of these minus that of the others.
        """
        if target is not None:
            others = self.clean != target
            if self.pixels:  # the mean over images, as of all other rates
                shares = (others & (predictions == target)).sum(1).double() / others.sum(1)
                return float(shares[others.any(1)].mean()) if bool(others.any()) else 1.0
            reached = predictions[others] == target
            return float(reached.double().mean()) if len(reached) else 1.0
        fooled = self.answers.shares(predictions, self.clean)
        if only:
            chosen = self.of(only)
            return float(fooled[chosen].mean() - fooled[~chosen].mean())
        return float(fooled.mean())

    def reaching_rate(self, perturbation: Tensor, target: int) -> float:
        """Return the fraction of the images of other classes that are taken for one class; 1 where there are none."""
        return self.score(self.predictions(perturbation), target)

    def best_rate(self, perturbations: Tensor) -> float:
        """Return the fraction of the images that at least one of some perturbations (m, c, h, w) fools."""
        return float(self.fooled_by_each(perturbations).any(0).double().mean())

    def fooling_rate(self, perturbation: Tensor) -> float:
        """Return the fraction of the images that get another answer; of pixels, their mean fraction."""
        return self.score(self.predictions(perturbation))
