"""A segmentation network with photographs and its own segmentations of them, which stand in for true ones."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.door import answer
from brittle.identity.compare import fingerprint
from brittle.identity.sources import own_digest
from brittle.metrics import pixel_confusion
from brittle.metrics.estimate import Floats, Integers
from brittle.studies.bench.study import Setting, sized
from brittle.studies.gd_uap.one_class import OneClass
from brittle.studies.shared.photographs import LINF, Photographs
from brittle.studies.shared.views import View
from brittle.universal_attacks.ascent import UniversalAscent
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.search import Pass, UniversalProblem, find_universal

CLASSES, BACKGROUND, SOFA = 21, 0, 18
"""Classes of Pascal VOC: how many, and two of them."""
DEEPLAB = View("DeepLab v3 on MobileNet v2 (Pascal VOC)", "deeplabv3_mnv2_pascal.pt2")
MOST = {"small": (8, 20), "full": (40, 60)}
"""Images of X and held-out ones."""
POOL = {"small": 40, "full": 120}
"""Images of the half of X among which those with less background are looked for."""
SURE = 0.9
"""Least probability of its class on the clean image for a pixel that the network is sure of."""
VOID = 255
"""Stands for the class of a pixel that does not count, as on Pascal VOC's borders."""
PAINTING = UniversalAscent(target=1, loss="margin", clip=100.0, batch=2)
"""How all photographs are painted with one class."""


class Segmented:
    """The network with photographs and its clean segmentations, made when first asked for."""

    def __init__(self, setting: Setting):
        paper = setting.scale == "paper"
        self.photographs = Photographs(DEEPLAB, setting, None if paper else sized(MOST, setting.scale))
        pool = None if paper else (sized(POOL, setting.scale), 1)
        self._pool = Photographs(DEEPLAB, setting, pool)

    @torch.no_grad()
    def labels(self, image: Tensor) -> Integers:
        """Return the class of every pixel of one image (1, c, h, w), (h, w)."""
        return self._logits(image).argmax(0).cpu().numpy().astype(np.int64)

    def _logits(self, image: Tensor) -> Tensor:
        return answer(self.photographs.classifier.module, image)[0]

    @cached_property
    @torch.no_grad()
    def clean(self) -> list[tuple[Integers, Integers]]:
        """The segmentations of the held-out images as they are: of pixels that the network is sure of, and of all."""
        images, found = self.photographs.held_out, list[tuple[Integers, Integers]]()
        self.photographs.tell(f"{len(images)} clean segmentations")
        for row in range(len(images)):
            logits = self._logits(images.at(torch.tensor([row])))
            best, classes = logits.max(0)
            probability = (best - logits.logsumexp(0)).exp()
            whole = classes.cpu().numpy().astype(np.int64)
            found.append((np.where(probability.cpu().numpy() >= SURE, whole, VOID), whole))
        return found

    def moved(self, perturbation: Tensor) -> list[Integers]:
        """Return the segmentations of the held-out images with a perturbation."""
        images, bounds = self.photographs.held_out, self.photographs.classifier.bounds
        rows = (torch.tensor([row]) for row in range(len(images)))
        return [self.labels(bounds.clamp(images.at(row) + perturbation)) for row in rows]

    def confusions(self, moved: list[Integers]) -> dict[str, Integers]:
        """Count each held-out image's pixels by clean and perturbed class, (n, k, k): those it is sure of, and all."""
        pairs = list(zip(self.clean, moved, strict=True))
        return {
            which: np.stack([pixel_confusion(clean[place], now, CLASSES, ignored=VOID) for clean, now in pairs])
            for place, which in enumerate(("sure", "all"))
        }

    @cached_property
    def noisy(self) -> list[Integers]:
        """The segmentations of the held-out images with noise of equal norm."""
        return self.moved(self.photographs.noise(LINF))

    @cached_property
    def noise(self) -> dict[str, Integers]:
        """What noise does to the pixels."""
        return self.confusions(self.noisy)

    @cached_property
    def given(self) -> list[Integers]:
        """The classes of the pixels of X as they are."""
        return self._all_labels(self.photographs.given)

    def _all_labels(self, images: ImageSet) -> list[Integers]:
        return [self.labels(images.at(torch.tensor([row]))) for row in range(len(images))]

    @cached_property
    def less_background(self) -> ImageSet:
        """As many images as X has, of which the network takes the least for background."""
        pool = self._pool.given
        self.photographs.tell(f"looking for less background in {len(pool)} photographs")
        background = [float((labels == BACKGROUND).mean()) for labels in self._all_labels(pool)]
        rows = np.argsort(background, kind="stable")[: len(self.photographs.given)].copy()
        return ImageSet(self.photographs.classifier, pool.images[torch.from_numpy(rows)], pool.batch)

    def changed(self, perturbation: Tensor) -> float:
        """Return the fraction of the pixels of X that change their class: the judge of a search."""
        pairs = zip(self.given, self._given_with(perturbation), strict=True)
        return float(np.mean([(before != now).mean() for before, now in pairs]))

    def _given_with(self, perturbation: Tensor) -> list[Integers]:
        images, bounds = self.photographs.given, self.photographs.classifier.bounds
        rows = (images.at(torch.tensor([row])) for row in range(len(images)))
        return [self.labels(bounds.clamp(image + perturbation.to(image))) for image in rows]

    def painted(self) -> Tensor:
        """Make the perturbation with which all pixels of all photographs shall be a sofa's."""
        photographs = self.photographs
        classifier = Classifier(OneClass(photographs.classifier.module, SOFA))
        given = ImageSet(classifier, photographs.given.images, photographs.given.batch)
        problem = UniversalProblem(classifier, given.shape, LINF, given, photographs.setting.seed)
        key = fingerprint([photographs.identity(), repr(PAINTING), own_digest()])
        kept = photographs.setting.folder / "perturbations" / f"sofa-{key[:16]}.safetensors"

        def share(perturbation: Tensor) -> float:
            return float(np.mean([(labels == SOFA).mean() for labels in self._given_with(perturbation)]))

        def watch(line: Pass) -> None:
            photographs.tell(
                f"all a sofa, pass {line.number} of {PAINTING.passes}, {line.score:.1%} of the pixels of X"
            )

        return find_universal(PAINTING, problem, share, checkpoint=kept, identity=key, watch=watch).tensor


def resampled(counts: Integers, samples: Floats) -> Integers:
    """Add up each sample's images: (n, k, k) and positions (r, m) to (r, k, k)."""
    draws, images = len(samples), len(counts)
    places = samples.astype(np.int64) + images * np.arange(draws)[:, None]
    times = np.bincount(places.ravel(), minlength=draws * images).reshape(draws, images)
    return (times @ counts.reshape(images, -1)).reshape(draws, *counts.shape[1:])


def mean_ious(counts: Integers) -> Floats:
    """Return `brittle.metrics.mean_iou` of many counts of pixels (r, k, k) at once, (r,)."""
    both, expected = np.diagonal(counts, axis1=1, axis2=2), counts.sum(2)
    fraction = both / np.maximum(expected + counts.sum(1) - both, 1)
    return fraction.sum(1) / np.maximum((expected > 0).sum(1), 1)
