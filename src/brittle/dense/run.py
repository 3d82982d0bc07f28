"""`run_dense`: the smallest changes that break a network with an answer for every pixel."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from brittle.arguments import Count, Seed, Within, fitted
from brittle.base.seeds import Streams
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.core.attack import Attack, nothing_returned, telling_whose
from brittle.core.batches import Batches
from brittle.core.inputs import as_images, as_labels, check_radius, placed
from brittle.core.nonfinite import usable
from brittle.core.problem import Problem
from brittle.core.record import Record
from brittle.core.terms import Terms
from brittle.dense.depth_estimator import DepthEstimator
from brittle.dense.goal import PixelGoal
from brittle.dense.network import DenseNetwork
from brittle.dense.questions import Asked, ClassQuestion, DepthQuestion, Question
from brittle.dense.result import DenseResult, joined, on_device
from brittle.dense.segmenter import Segmenter
from brittle.errors import InputError
from brittle.notebook import EXAMPLES
from brittle.threats import MEASURES, Threat
from brittle.types import Images

Task = Literal["segmentation", "depth"]
"""What a dense network says of each pixel: a class, or a depth."""
PASSES_OF_THE_JUDGE = 2
"""Of each image: one of the clean image, and one that verifies what is returned."""


def run_dense(  # noqa: PLR0913  # the public call: each of these is a question of its own
    attack: Attack,
    classifier: Classifier,
    images: Tensor | np.ndarray,
    labels: Tensor | np.ndarray | None = None,
    *,
    targets: Tensor | np.ndarray | None = None,
    counted: Tensor | np.ndarray | None = None,
    void: int | None = None,
    share: float = 0.99,
    task: Task = "segmentation",
    ratio: float | None = None,
    threat: Threat,
    seed: Seed = 0,
    batch: Count = 1,
    ids: Tensor | np.ndarray | None = None,
    budget: Count | None = None,
    confidence: float = 0.0,
    progress: Callable[[int], None] | None = None,
    on_pass: Callable[[int], None] | None = None,
) -> DenseResult:
    """Attack every image of a network with an answer for every pixel on its own, and return one row for each.

    An image is broken where at least a share of its pixels that count are wrong, or on target. The change is judged,
    recorded and verified as by `run`; only what the outputs mean is another matter.

    Args:
        attack: the method; one for dense outputs, such as `PixelDescent`.
        classifier: the network as `Classifier(module)`: from images (n, c, h, w) within its bounds to logits of every
            class at every pixel (n, k, h', w'), or to a depth for every pixel (n, h', w') or (n, 1, h', w'). Its mode,
            gradients and random state are left as they were found.
        images: (n, c, h, w), floats within the bounds or uint8.
        labels: (n, h', w') true classes (whole numbers) or depths (floats), which the pixels are to leave; by default
            what the network says of the clean images.
        targets: (n, h', w') classes or depths that the pixels are to reach instead.
        counted: (n, h', w') bool: the pixels that count, such as those of the object that is to vanish; all by default.
            Pixels without a depth to leave or to reach (not finite, or not above 0) never count.
        void: a value of labels or targets that marks pixels which do not count, such as 255 on the borders of Pascal
            VOC's objects; of classes alone.
        share: of the counted pixels that must be wrong, or on target; 0.99 as by default in adv-lib's attacks of
            segmentation (Rony et al., CVPR 2023, arXiv:2206.07179).
        task: "segmentation" of networks with a class for every pixel, or "depth".
        ratio: of depths alone: a depth d is wrong where max(d / d*, d* / d) is at least this, d* being the one to
            leave, and on target where it is less; 1.25 by default, the threshold of the delta accuracy (Eigen, Puhrsch
            & Fergus, NIPS 2014, section 4.3, arXiv:1406.2283).
        threat: how changes are measured and how large they may be.
        seed: of the images' random streams, from 0 to 2**63 - 1.
        batch: most images in one forward pass; 1 by default, since outputs are large; halved when the GPU's memory does
            not suffice. A network that draws random numbers is asked once about each point.
        ids: (n,) identity of each image, which with the seed determines its random draws; by default its position.
        budget: most forward plus backward passes of an image, the clean and the verifying pass included; what was
            asked beyond it is not evaluated. The backward pass of the step under way may come on top.
        confidence: by how many logits (of depths: by how much of the ratio's logarithm) each of the pixels that are
            needed must be won while it is searched for; the verdict asks none of it, as in `run`: where no point wins
            by so much, the one that wins by most counts.
        progress: called with the number of images finished, batch by batch.
        on_pass: called inside a batch too, after each forward pass, with the number of points that it was of.

    Returns:
        The result, in the order of the images and on their device.

    Raises:
        InputError: invalid images, labels or options; UnsupportedThreat, BoundsError and LabelError are
            kinds of it.
        ModelError: outputs that are not logits (n, k, h', w'), or depths.

    Example:
        >>> from brittle import Classifier, Lp, PixelDescent
        >>> network = torch.nn.Conv2d(3, 4, 3, padding=1)
        >>> result = run_dense(PixelDescent(steps=20), Classifier(network), torch.rand(2, 3, 8, 8), threat=Lp("inf"))
        >>> result.map.shape, len(result)
        (torch.Size([2, 8, 8]), 2)
        >>> deep = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 3, padding=1), torch.nn.Softplus())
        >>> result = run_dense(
        ...     PixelDescent(steps=20), Classifier(deep), torch.rand(2, 3, 8, 8), threat=Lp("inf"), task="depth"
        ... )
        >>> sorted(result.errors)
        ['absolute', 'clean_absolute', 'clean_within', 'within']
    """
    seed, batch = fitted("seed", seed, Seed), fitted("batch", batch, Count)
    budget = fitted("budget", budget, Count | None)
    confidence = fitted("confidence", confidence, Annotated[float, Within(0)])
    check_budget(budget)
    kind = _TASKS[fitted("task", task, Task)]
    network = kind.network.of(classifier)
    x = as_images(images, network.bounds)
    threat = threat.checked(x)
    check_radius(threat, x, network.bounds)
    if not takes_pixels(attack):
        raise InputError(
            f"{type(attack).__name__} goes by one class per image; expected an attack of dense outputs, such as "
            "PixelDescent (an attack of your own says dense = True)"
        )
    attack.check(threat)
    question = kind.question.of(x, Asked(labels, targets, counted, void, share, ratio))
    known = torch.arange(len(x)) if ids is None else as_labels(ids, x, "ids")
    job = _Job(attack, network, x, known, question, threat, seed, budget, confidence, on_pass)
    parts: list[DenseResult] = []
    with preserving_state(network.module, seed):
        batches = Batches(len(x), batch, budget is None, progress)
        for rows in batches:
            with batches.tried():
                parts.append(job.attacked(rows))
    result = joined(parts)
    originals = x[result.success.nonzero()[:EXAMPLES, 0]].clone()
    goal = "" if targets is None else "targeted"
    return replace(result, terms=Terms(attack, threat, classifier.bounds, originals, goal))


def check_budget(budget: int | None) -> None:
    """Refuse a budget that the judge's passes use up.

    Raises:
        InputError: with the budget and the least that is expected.
    """
    if budget is not None and budget <= PASSES_OF_THE_JUDGE:
        raise InputError(
            f"budget is {budget}; expected more than {PASSES_OF_THE_JUDGE}, which the clean image and the verdict take"
        )


def takes_pixels(attack: Attack) -> bool:
    """Whether an attack, or for a search around attacks each of these, takes networks that answer for every pixel."""
    parts = attack.parts()
    return all(takes_pixels(part) for part in parts) if parts else attack.dense


@dataclass(frozen=True)
class _Task:
    """How networks for a task answer, and what they are asked."""

    network: type[DenseNetwork]
    question: type[ClassQuestion | DepthQuestion]


_TASKS: Mapping[str, _Task] = {
    "segmentation": _Task(Segmenter, ClassQuestion),
    "depth": _Task(DepthEstimator, DepthQuestion),
}


@dataclass(frozen=True)
class _Job:
    """What was asked, looked at and taken in."""

    attack: Attack
    network: DenseNetwork
    images: Images
    ids: Tensor
    question: Question
    threat: Threat
    seed: int
    budget: int | None
    confidence: float
    on_pass: Callable[[int], None] | None

    def attacked(self, rows: slice) -> DenseResult:
        """Attack some images, all of them in one pass."""
        began, network = time.perf_counter(), self.network
        x = placed(self.images[rows], network)
        count, numbers = len(x), torch.arange(len(self.images), device=x.device)[rows]
        maps = network.checked_maps(x) if count else x.new_zeros((0, network.fewest, *x.shape[2:]))
        goal, clean = self.question.goal(rows, maps), maps.flatten(1)
        sought = replace(goal, confidence=self.confidence)
        threat = self.threat.rows(numbers.to(self.images.device)).checked(x)
        left = None if self.budget is None else self.budget - 1
        record = Record(threat.zero(x), budget=left, on_pass=self.on_pass)
        places = torch.arange(count, device=x.device)
        record.count(places, forward=1)
        already = goal.met(clean)
        streams = Streams(self.seed, self.ids[rows].to(x.device), x.dtype)
        problem = Problem(network, x, clean, sought, threat, places, record, streams, max(count, 1))
        if not bool(already.all()):
            with telling_whose(self.attack):
                nothing_returned(self.attack, self.attack.perturb(problem.rows((~already).nonzero()[:, 0])))
        columns = _judged(problem, network, goal, maps, already)
        seconds = torch.full((count,), (time.perf_counter() - began) / max(count, 1), dtype=torch.float64)
        return on_device(DenseResult(**columns, seconds=seconds), self.images.device)


@torch.no_grad()
def _judged(problem: Problem, network: DenseNetwork, goal: PixelGoal, maps: Tensor, already: Tensor) -> dict[str, Any]:
    """Look at what will be returned in a fresh forward pass, and measure it."""
    record, threat, x, clean = problem.record, problem.threat, problem.images, problem.clean
    _, adversarial = threat.seen(x, record.best, problem.classifier.bounds)
    final, spoilt = usable(problem.classifier.logits(adversarial), clean) if len(x) else (clean, None)
    record.count(problem.ids, forward=1)
    record.note_nonfinite(problem.ids, outputs=spoilt)
    other = threat.size(x, record.best)
    met = goal.met(final) & threat.allows(other, problem.classifier.bounds.span)
    met = met if spoilt is None else met & ~spoilt
    size = torch.where(already, 0.0, torch.where(met, other, torch.inf))
    sizes = {name: measure.size(x, adversarial) for name, measure in MEASURES.items()}
    sizes.setdefault(threat.name, other)
    return {
        "adversarial": adversarial,
        "success": met & ~already,
        "already": already,
        "size": size,
        "sizes": sizes,
        "clean_share": goal.share(clean),
        "share": goal.share(final),
        "clean_map": network.answers(maps),
        "map": network.answers(final.reshape(maps.shape)),
        "errors": goal.errors(clean, final),
        "margin": goal.margin(final),
        "forward": record.forward,
        "backward": record.backward,
        "iterations": record.iterations,
        "nonfinite_outputs": record.nonfinite_outputs,
        "nonfinite_gradients": record.nonfinite_gradients,
    }
