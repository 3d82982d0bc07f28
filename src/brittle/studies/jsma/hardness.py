"""The saliency-map paper's matrices: which class can be led to which, how hard that is, and whether it is foretold."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from brittle.attacks.jsma import JSMA, saliency_maps
from brittle.core.goal import Targeted
from brittle.core.run import run
from brittle.data import Block
from brittle.errors import InputError
from brittle.metrics import (
    Estimate,
    adversarial_distance,
    correlation,
    hardness,
    jackknife,
    limited,
    mean,
    pair_means,
    robustness,
)
from brittle.metrics.estimate import Flags, Floats, Integers
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study
from brittle.studies.bench.work import Work
from brittle.studies.jsma.drawings import Matrices, drawings
from brittle.studies.shared.networks import ORIGINS
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.threats import Lp

TABLE = "jsma"
IMAGES = 100
"""Test images at the small scale, each led to all other classes."""
MORE = 1000
"""The same at full scale."""
NETWORK = NetworkSource(
    "MNIST-A",
    "mnist/test.parquet",
    ("mnist-a.safetensors",),
    "mnist-a",
    "mnist/train.parquet",
    (("small", 2), ("full", 5), ("paper", None)),
    images=IMAGES,
    full=MORE,
)
"""The network of the paper's experiments is not at hand; this one is nearest to it."""
LENET = replace(ORIGINS[0], row="LeNet", images=IMAGES, full=MORE)
LIMIT = 0.145
"""Upsilon of the success rate and the mean distortions."""
LIMITS = (0.003, 0.013, 0.026, 0.051, 0.077, 0.102, 0.128, 0.255, 0.383)
"""Maximum distortions Upsilon_k of the hardness."""
_SEARCHES: dict[str, tuple[NetworkSource, JSMA]] = {
    "MNIST-A, raised, logits": (NETWORK, JSMA(on="logits")),
    "MNIST-A, raised, probabilities": (NETWORK, JSMA(on="probabilities")),
    "MNIST-A, lowered, logits": (NETWORK, JSMA(on="logits", theta=-1.0)),
    "LeNet, raised, logits": (LENET, JSMA(on="logits")),
}
SEARCHES = {row: replace(attack, fraction=max(LIMITS)) for row, (_, attack) in _SEARCHES.items()}
"""The paper's experiments are the first: pairs of features, theta = 1, the Jacobian of the logits."""
_PAPERS = next(iter(SEARCHES))
_LOWERED = "MNIST-A, lowered, logits"

_REACH, _FORETOLD = "What is reached", "Hardness and adversarial distance"
COLUMNS = (
    Column("images", "images", "number", _REACH),
    Column("success", "success, all pairs", "percent", _REACH),
    Column("all", "features changed", "percent", _REACH),
    Column("found", "of successes", "percent", _REACH),
    Column("hardness", "mean hardness", "ratio", _FORETOLD),
    Column("distance", "mean adversarial distance", "ratio", _FORETOLD),
    Column("robustness", "robustness R(F)", "ratio", _FORETOLD),
    Column("correlation", "correlation", "ratio", _FORETOLD),
)
_PUBLISHED = {"success": "success rate %", "found": "mean features changed %"}
NOTES = (
    "Every image that the network gets right is led to each of the nine other classes. Success and features changed: "
    f"with at most Υ = {100 * LIMIT:.1f} % of the features (pixels) changed; features changed are a fraction of all, "
    "the "
    "mean over all attempts, failed ones included, and over the successful ones alone. The paper's 97 % and 4.02 % are "
    "those of its abstract.",
    "The paper's LeNet is not at hand. MNIST-A (Madry et al. 2018) is near it in size, and has ReLU after both of its "
    "convolutions; LeNet as Caffe has it has none between them, and less is reached.",
    "Hardness H(s, t): the area under the mean distortion against the success rate, by the trapezoid rule over maximum "
    f"distortions Υ of {', '.join(f'{100 * one:.1f}' for one in LIMITS)} %. One run with the largest Υ tells all, "
    "because the search goes the same way whatever its limit. A pair that is never reached has hardness 0: see its "
    "success rate.",
    "Adversarial distance A(x, t): the fraction of the features whose saliency towards t is 0 on the clean image; on "
    "probabilities that is where the slope of the target is not above 0 (for lowered features, not below). As the "
    "formula has it, features count that are saturated already: most pixels of MNIST are black and cannot be lowered. "
    "R(F) is the least of all images and targets. Correlation: Pearson's of hardness and mean distance over the 90 "
    "pairs of classes, which share their classes: it has no interval.",
    f"Scale small: the first {IMAGES} test images, so that a pair of classes has about {IMAGES // 10} attempts, and "
    f"{dict(NETWORK.epochs)['small']} epochs of training. Scale full: {MORE:,} images. Scale paper: all 10,000.",
    INTERVALS,
)


@dataclass
class _Attempts:
    """What was tried: one entry for each image and target, image by image."""

    source: list[Integers] = field(default_factory=list[Integers])
    target: list[Integers] = field(default_factory=list[Integers])
    success: list[Flags] = field(default_factory=list[Flags])
    changed: list[Integers] = field(default_factory=list[Integers])
    distance: list[Floats] = field(default_factory=list[Floats])


@dataclass(frozen=True)
class Pairs(Work):
    """A search from every image to all other classes."""

    subject: Benchmark
    row: str
    name = "JSMA"
    identity_fields = ("attack",)

    @property
    def attack(self) -> JSMA:
        """The search, with the largest of the limits."""
        return SEARCHES[self.row]

    def measure(self) -> Measured:
        """Lead every image that is right to every other class.

        Raises:
            DataError: the network gets no image right.
        """
        attempts, examples = _Attempts(), dict[tuple[int, int], np.ndarray]()
        features = classes = 0
        for block in self.subject.blocks(self.row.split(", ", 1)[1]):
            classes, features = self.subject.classes(block.images), block.images[0].numel()
            self._block(block, classes, attempts, examples)
        if not attempts.source:
            raise self.subject.none_right()
        source, target = np.concatenate(attempts.source), np.concatenate(attempts.target)
        success, changed = np.concatenate(attempts.success), np.concatenate(attempts.changed)
        distance = np.concatenate(attempts.distance)
        limits = np.asarray([_whole(one, features) for one in (LIMIT, *LIMITS)])
        reached, cut = limited(changed, success, limits)
        fraction = cut / features
        rates = pair_means(source, target, reached.astype(np.float64), classes)
        distortions = pair_means(source, target, fraction, classes)
        matrices = Matrices(
            success=rates[..., 0],
            hardness=hardness(rates[..., 1:], distortions[..., 1:]),
            distance=pair_means(source, target, distance, classes),
        )
        values = _values(reached[:, 0], fraction[:, 0], distance, matrices, classes - 1)
        curve = (reached[:, 1:].mean(axis=0), fraction[:, 1:].mean(axis=0))
        names = self.subject.source.classes or tuple(str(number) for number in range(classes))
        figures = drawings(self.row, names, matrices, LIMITS, curve, examples, self._maps(examples, classes))
        return Measured(values, remark=self.subject.story(), figures=figures)

    def _maps(self, examples: dict[tuple[int, int], np.ndarray], classes: int) -> dict[tuple[int, int], np.ndarray]:
        """Compute the saliency of one clean image of each class for all classes."""
        found: dict[tuple[int, int], np.ndarray] = {}
        attack, targets = self.attack, torch.arange(classes)
        for source in sorted(source for source, target in examples if source == target):
            images = torch.from_numpy(examples[source, source]).expand(classes, -1, -1, -1)
            maps = saliency_maps(self.subject.classifier, images, targets, on=attack.on, increasing=attack.theta > 0)
            found |= {(source, target): one for target, one in enumerate(maps.cpu().numpy())}
        return found

    def _block(
        self, block: Block, classes: int, attempts: _Attempts, examples: dict[tuple[int, int], np.ndarray]
    ) -> None:
        """Attack one batch of images, target by target, and keep one picture of each pair of classes."""
        classifier, attack = self.subject.classifier, self.attack
        right = self.subject.right(block.images, block.labels).nonzero()[:, 0]
        images, labels = block.images[right], block.labels[right]
        step, tried = 2 if attack.pairs else 1, _Attempts()
        for shift in range(1, classes) if len(right) else ():
            targets = (labels + shift) % classes
            result = run(attack, classifier, images, goal=Targeted(targets), threat=Lp(0), batch=self.subject.batch)
            maps = saliency_maps(classifier, images, targets, on=attack.on, increasing=attack.theta > 0)
            tried.target.append(targets.numpy())
            tried.success.append(result.success.cpu().numpy())
            tried.changed.append(step * result.iterations.cpu().numpy())
            tried.distance.append(adversarial_distance(maps.double().cpu().numpy()))
            for place in result.success.nonzero()[:, 0].tolist():
                pair = (int(labels[place]), int(targets[place]))
                examples.setdefault(pair, result.adversarial[place].cpu().numpy())
        for place, label in enumerate(labels.tolist()):
            examples.setdefault((label, label), images[place].cpu().numpy())
        if len(right):
            attempts.source.append(labels.numpy().repeat(classes - 1))
            attempts.target.append(np.stack(tried.target, 1).ravel())
            attempts.success.append(np.stack(tried.success, 1).ravel())
            attempts.changed.append(np.stack(tried.changed, 1).ravel())
            attempts.distance.append(np.stack(tried.distance, 1).ravel())


def _whole(fraction: float, features: int) -> int:
    """How many features a search by pairs can change at most."""
    return int(fraction * features) // 2 * 2


def _values(
    reached: Flags, fraction: Floats, distance: Floats, matrices: Matrices, targets: int
) -> dict[str, Estimate | str]:
    """The table's figures; intervals over images, since the targets of an image depend on each other."""
    hit, part = reached.reshape(-1, targets), fraction.reshape(-1, targets)
    found, count = (part * hit).sum(axis=1), hit.sum(axis=1)

    def of_successes(samples: Floats) -> Floats:
        rows = samples.astype(np.int64)
        return found[rows].sum(axis=1) / np.maximum(count[rows].sum(axis=1), 1)

    values: dict[str, Estimate | str] = {
        "images": f"{len(hit):,}",
        "success": mean(hit.mean(axis=1), bounds=(0, 1)),
        "all": mean(part.mean(axis=1), bounds=(0, 1)),
        "found": jackknife(np.arange(len(hit), dtype=np.float64), of_successes) if count.any() else "no success",
        "distance": mean(distance.reshape(-1, targets).mean(axis=1), bounds=(0, 1)),
        "hardness": f"{np.nanmean(matrices.hardness):.3f}",
        "robustness": f"{robustness(distance):.3f}",
    }
    try:
        values["correlation"] = correlation(matrices.hardness, matrices.distance)
    except InputError as error:
        values["correlation"] = str(error)
    return values


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: each search on the one network."""
    subjects = {origin.row: Benchmark(origin, setting) for origin in (NETWORK, LENET)}
    works = [Pairs(subjects[_SEARCHES[row][0].row], row) for row in SEARCHES]
    return [Cell(work.row, work.name, work.measure, work.identity) for work in works]


def _published(row: str, column: str) -> Figure:
    return published()[TABLE].values[_PUBLISHED[column]] if row == _PAPERS and column in _PUBLISHED else None


JSMA_HARDNESS = Study(
    name="jsma-hardness",
    title="Which class can be led to which by few features, and how hard that is",
    source=published()[TABLE].source + ", section 5",
    cells=cells,
    rows=(
        Row(_PAPERS, "As in the paper's experiments: pairs of features, θ = 1, the Jacobian of the logits."),
        *(Row(row, "Published figures are for the search above.") for row in SEARCHES if row != _PAPERS),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    of="Network and search",
    minutes={"small": 6},
    orders=(Order("Lowering features reaches less than raising them", ((_LOWERED, "success"), (_PAPERS, "success"))),),
)
