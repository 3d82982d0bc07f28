"""A detector that looks at how many dimensions the neighbours of an image seem to fill, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from brittle.arguments import Within, check_fields
from brittle.attacks.deepfool import DeepFool
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.core.attack import Attack
from brittle.core.inputs import placed
from brittle.core.run import run
from brittle.defences.defence import Adaptive, Defence, Masking
from brittle.errors import InputError, ModelError
from brittle.maths.intrinsic_dimensionality import local_intrinsic_dimensionality
from brittle.threats import Lp
from brittle.types import Images, PerImage
from brittle.universal_attacks.layers import Layers, layers_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

REFERENCE = 100
"""Images of a minibatch, as in the paper."""
AT_ONCE = 100
"""Images whose features are computed at a time."""
ITSELF = 1e-9
"""Fraction of the squared lengths below which the square of a distance is rounding."""
LEARNS_FROM = DeepFool()
"""Needs no radius, as the optimisation-based attack of the paper."""
FEWEST = 5
"""Adversarial images from which anything can be learnt; ours."""


@dataclass(frozen=True)
class LID(Defence):
    """Detection by local intrinsic dimensionality: adversarial images lie where more dimensions are filled.

    Ma, Li, Wang, Erfani, Wijewickrema, Schoenebeck, Song, Houle & Bailey, ICLR 2018, section 4 and algorithm 1
    (arXiv:1801.02613): in every layer the maximum-likelihood estimate over the k nearest of a minibatch of 100 clean
    images, and a logistic regression of these numbers that tells adversarial images from clean and noisy ones. Broken
    by attacks that win by a margin (Athalye, Carlini & Wagner, ICML 2018, section 5, arXiv:1802.00420).

    The refusal is an output of its own, the largest class score plus the log-odds of the regression less its threshold:
    G(x)_(N+1) of Carlini & Wagner (AISec 2017, section 3, arXiv:1705.07263) with a sum for their product, which needs
    no positive scores.

    Deviations: neighbours are sought in one fixed minibatch, kept with the defence, so that what is said of an image
    depends on no other one; which also gives the detector a gradient. The layers are the activations of convolutions
    and the logits. The threshold is set on clean images that the regression has not seen, to a rate of false alarms.

    Args:
        attack: makes the adversarial images that the detector learns from, written `lid(ATTACK)`; DeepFool by default,
            which needs no radius.
        radius: where that attack needs one, in linf and as a fraction of the bounds' span.
        k: neighbours, 3 to 50; 20 by default, as in the paper for minibatches of 100.
        false_alarms: fraction of clean images that are refused.
        layers: names of the layers to look at, as of `brittle universal`; found by default.
        confidence: by how many logits an adversary who knows of the detector wants to win, see `adaptive`.

    Raises:
        InputError: a setting out of range.

    Example:
        >>> LID().images_needed, LID(k=10).masking
        (300, <Masking.DETECTOR: 'detector'>)
    """

    title: ClassVar[str] = "LID detector"
    masking: ClassVar[Masking] = Masking.DETECTOR
    images_needed: ClassVar[int] = 3 * REFERENCE

    attack: Attack = LEARNS_FROM
    radius: Annotated[float, Within(0, 1)] = 8 / 255
    k: Annotated[int, Within(3, REFERENCE // 2)] = 20
    false_alarms: Annotated[float, Within(0, 0.5)] = 0.05
    layers: tuple[str, ...] = ()
    confidence: Annotated[float, Within(0)] = 1.0
    learnt: "_Detector | None" = field(default_factory=lambda: None, repr=False, compare=False)

    def __post_init__(self):
        check_fields(self)

    @property
    def ready(self) -> bool:
        """Whether it has learnt."""
        return self.learnt is not None

    def prepare(self, classifier: Classifier, images: Images | None) -> Self:
        """Learn from clean images: the first 100 are the neighbours, the next teach, the last set the threshold.

        Raises:
            InputError: too few images, or an attack that breaks none of them.
        """
        super().prepare(classifier, images)
        assert images is not None
        neighbours, taught, held = placed(images[: self.images_needed], classifier).split(REFERENCE)
        with preserving_state(classifier.module, 0):
            names = _names_of(classifier, neighbours[:1], self.layers)
            measure = _Measure.around(classifier, names, neighbours, self.k)
        adversarial, clean = self._adversarial(classifier, taught)
        noise = _noisy(clean, adversarial - clean, classifier)
        with preserving_state(classifier.module, 0), torch.no_grad():
            known, odd = (measure.all_of(classifier, some) for some in (torch.cat([taught, noise]), adversarial))
            weights = _regression(known, odd)
            scores = (measure.all_of(classifier, held) * weights).sum(1)
        return replace(self, learnt=_Detector(measure, weights, -scores.quantile(1 - self.false_alarms)))

    def protect(self, classifier: Classifier) -> Classifier:
        """Return the classifier with the detector's output after those of its classes.

        Raises:
            InputError: the detector has not been prepared, or the classifier has another one.
        """
        if self.learnt is None:
            raise InputError(
                "the LID detector has seen no clean images; call prepare(classifier, images) with "
                f"{self.images_needed} of them first, or name some with --defence-data"
            )
        if classifier.rejects:
            raise InputError("the classifier has a detector already; expected one that refuses no images")
        return Classifier(_Guarded(classifier, self.learnt), classifier.bounds, rejects=True)

    def adaptive(self, classifier: Classifier) -> Adaptive:
        """Return how one attacks who knows the detector: through its output, and by a margin over class and detector.

        A margin alone, without the detector's gradient, is what breaks the published detector. Neighbours in a fixed
        minibatch give it a gradient that leads somewhere. On 60 digits APGD broke most through it, and plain PGD most
        without it: try both (`Classifier(..., oblivious=True)` leaves it out).
        """
        note = f"by a margin of {self.confidence:g} over the label and the detector, through the detector's output"
        return Adaptive(self.protect(classifier), confidence=self.confidence, note=note)

    def _adversarial(self, classifier: Classifier, images: Images) -> tuple[Images, Images]:
        """Return adversarial images of those that the attack breaks, and these."""
        wanted = self.attack.threats
        norm = next(name for name in ("linf", "l2", *wanted) if name in wanted)
        threat = Lp(norm.removeprefix("l"))
        if self.attack.needs_radius:
            threat = threat.within(self.radius * classifier.bounds.span)
        found = run(self.attack, classifier, images, threat=threat)
        broken = found.success.nonzero()[:, 0]
        if len(broken) < FEWEST:
            raise InputError(
                f"{type(self.attack).__name__} broke {len(broken)} of {len(images)} clean images, and the detector "
                f"needs at least {FEWEST} to learn from; give it a larger radius or another attack, such as "
                "lid(pgd):radius=0.1"
            )
        return found.adversarial[broken], images[broken]


@dataclass(frozen=True, eq=False)
class _Measure:
    """What is measured of images: names of layers, and what each of them, and the logits, give for the neighbours."""

    names: tuple[str, ...]
    neighbours: tuple[Tensor, ...]
    sample: Images
    k: int

    @classmethod
    def around(cls, classifier: Classifier, names: tuple[str, ...], images: Images, k: int) -> "_Measure":
        with torch.no_grad():
            layers = _layers(classifier, images[:1], names)
            whole = [_values(classifier.logits(part), layers, part) for part in images.split(AT_ONCE)]
        return cls(names, tuple(torch.cat(one) for one in zip(*whole, strict=True)), images[:1], k)

    def of(self, outputs: Tensor, layers: Layers | None, images: Images) -> Tensor:
        """Return the features of images whose outputs are known, (n, layers + 1), in float64."""
        found = zip(_values(outputs, layers, images), self.neighbours, strict=True)
        return torch.stack([local_intrinsic_dimensionality(_distances(*pair), self.k) for pair in found], 1)

    def all_of(self, classifier: Classifier, images: Images) -> Tensor:
        """Return the features of any number of images."""
        layers = _layers(classifier, self.sample, self.names)
        return torch.cat([self.of(classifier.logits(part), layers, part) for part in images.split(AT_ONCE)])


@dataclass(frozen=True, eq=False)
class _Detector:
    """What is measured, and the regression's plane: log-odds beyond the threshold are features @ weights + offset."""

    measure: _Measure
    weights: Tensor
    offset: Tensor


class _Guarded(nn.Module):
    """A network whose last output says whether an image is refused."""

    def __init__(self, classifier: Classifier, detector: _Detector):
        super().__init__()
        self.module = classifier.module  # registered, so that modes and devices are seen
        self.classifier, self.detector = classifier, detector
        with preserving_state(classifier.module):
            self.layers = _layers(classifier, detector.measure.sample, detector.measure.names)

    def forward(self, images: Images) -> Tensor:
        """Return the logits of the classes, and after them the score of a refusal."""
        outputs = self.classifier.logits(images)
        features = self.detector.measure.of(outputs, self.layers, images)
        odd: PerImage = ((features * self.detector.weights).sum(1) + self.detector.offset).to(outputs.dtype)
        return torch.cat([outputs, (outputs.amax(1) + odd)[:, None]], 1)


def _names_of(classifier: Classifier, image: Images, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the layers that are looked at; none where a network has no activations of convolutions."""
    try:
        return layers_of(classifier.module, image, names).names
    except ModelError:
        return ()


def _layers(classifier: Classifier, image: Images, names: tuple[str, ...]) -> Layers | None:
    return layers_of(classifier.module, image, names) if names else None


def _values(outputs: Tensor, layers: Layers | None, images: Images) -> list[Tensor]:
    """Return what each layer gives for images, and the logits, each flat."""
    inner = [] if layers is None else layers(images)
    return [one.flatten(1).to(torch.float32 if one.itemsize < 4 else one.dtype) for one in (*inner, outputs)]


def _distances(points: Tensor, others: Tensor) -> Tensor:
    """Return the Euclidean distances between rows, (n, m), in float64; infinite between equal ones.

    Equal are those that differ by no more than rounding: an image of the minibatch is not its own neighbour, as in the
    paper.
    """
    others = others.double()
    centre = others.mean(0)
    points, others = points.double() - centre, others - centre
    scale = points.square().sum(1, keepdim=True) + others.square().sum(1)
    squared = scale - 2 * points @ others.T
    itself = squared <= ITSELF * scale
    return torch.where(itself, 1.0, squared).sqrt().masked_fill(itself, torch.inf)


def _noisy(images: Images, changes: Images, classifier: Classifier) -> Images:
    """Return images with Gaussian noise as large as changes of theirs, as the paper's noisy examples have."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(images.shape, generator=generator, dtype=torch.float64).to(images)
    size = changes.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)
    return classifier.bounds.clamp(images + noise * size[:, None, None, None])


def _regression(known: Tensor, odd: Tensor) -> Tensor:
    """Return the weights of a logistic regression that tells odd features from known ones, but for the offset."""
    from sklearn.linear_model import LogisticRegression

    features = torch.cat([known, odd])
    centre, spread = features.mean(0), features.std(0).clamp_min(torch.finfo(features.dtype).tiny)
    rows: NDArray[Any] = ((features - centre) / spread).cpu().numpy()
    labels = torch.cat([torch.zeros(len(known)), torch.ones(len(odd))]).numpy()
    fitted = cast("Any", LogisticRegression(class_weight="balanced", max_iter=1000)).fit(rows, labels)
    return torch.as_tensor(fitted.coef_[0]).to(features) / spread
