"""`run`: the one place where method, question, aim and network meet."""

import inspect
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brittle.arguments import Count, Seed
from brittle.base.seeds import Streams
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.eot import eot_outputs
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import of_classes, refused
from brittle.classifiers.search_mode import Precision, SearchMode
from brittle.core.attack import Attack, nothing_returned, telling_whose, uses_gradients
from brittle.core.batches import Batches
from brittle.core.clean import Clean
from brittle.core.collector import Collector
from brittle.core.elsewhere import unexpected
from brittle.core.goal import Goal, LeastLikely
from brittle.core.job import Job, Options, job_of
from brittle.core.nonfinite import usable
from brittle.core.problem import Problem
from brittle.core.quantize import quantize
from brittle.core.record import Record
from brittle.core.result import Result
from brittle.core.verification import first_lag
from brittle.maths.losses import decided
from brittle.older_names import by_todays_names
from brittle.threats import MEASURES, Threat
from brittle.types import Images, PerImage


def run(  # noqa: PLR0913  # the public call: each of these is a question of its own
    attack: Attack,
    classifier: Classifier,
    images: Tensor | np.ndarray,
    labels: Tensor | np.ndarray | None = None,
    *,
    goal: Goal | LeastLikely | None = None,
    threat: Threat,
    seed: Seed = 0,
    batch: Count = 256,
    ids: Tensor | np.ndarray | None = None,
    budget: Count | None = None,
    quantization: int | None = None,
    eot_samples: Count = 1,
    confidence: float = 0.0,
    trace: bool = False,
    precision: Precision = "float32",
    compile: bool = False,
    channels_last: bool = False,
    progress: Callable[[int], None] | None = None,
    on_pass: Callable[[int], None] | None = None,
    **older: Any,
) -> Result:
    """Attack every image on its own and return one row for each.

    Args:
        attack: the method.
        classifier: the network as `Classifier(module)`, which says what its images and outputs mean (a bare module is
            refused); its mode, gradients and random state are left as they were found.
        images: (n, c, h, w), floats within the classifier's bounds or uint8.
        labels: (n,) true classes. Without a goal, the goal is any other class; without labels too, any class but the
            one predicted.
        goal: what to reach instead; with labels given as well, only images that are right before can count as a
            success.
        threat: how changes are measured and how large they may be.
        seed: of the images' random streams, from 0 to 2**63 - 1.
        batch: most images in one forward pass; halved when the GPU's memory does not suffice. With a network that sees
            one image at a time neither results nor passes depend on it; what moves results between batch sizes is the
            network's own kernels, whose last bits depend on the batch, and random numbers that the network draws.
        ids: (n,) identity of each image, which with the seed determines its random draws; by default its position.
        budget: most forward plus backward passes per image, the clean and the verifying pass included. No image is
            shown to the network more often than that: points beyond it are not evaluated. Backward passes of the step
            under way may come on top, where an attack makes any. With `quantization` a quarter is kept for the search
            on it.
        quantization: number of levels that a value may take, such as the 256 of an 8-bit file. What is returned lies on
            them, by a search that starts from what the attack found, and is judged there; deformed images are rounded
            to them whenever the network sees one. By default any value may be taken.
        eot_samples: how often a randomised network is asked about every point; it is judged by its mean logits, and
            gradients are averaged (expectation over transformation). Batches become smaller by that factor, and each
            draw counts as a pass.
        confidence: by how many logits a success must be won while it is searched for (Carlini & Wagner's kappa), so
            that what finds nothing odd about sure decisions, such as a detector, lets it pass. The verdict asks for
            none of it: where no point wins by so much, the one that wins by most counts. A `goal` with a confidence of
            its own asks for it in the verdict too.
        trace: keep the margin of every point that the attack looked at.
        precision: "bf16" lets the search compute in bfloat16 where torch's autocast does so. What it takes for a
            success is shown to the network as it is before it is kept, and counted as a pass; sizes and verdicts are
            those of the network as it is. Only for attacks that differentiate the network: others learn from its
            answers alone, at the boundary most of all, where rounding decides them.
        compile: likewise let the search go through `torch.compile`; where that fails the network is asked as it is,
            with a `RuntimeWarning`.
        channels_last: likewise let the search give a GPU images with the channels of a pixel side by side.
        progress: called with the number of images finished, batch by batch.
        on_pass: called inside a batch too, after each forward pass, with the number of points that it was of.
        **older: arguments by the names of the version before (`lattice`, `draws`), with a `DeprecationWarning`.

    Returns:
        The result, in the order of the images and on their device.

    Raises:
        InputError: invalid images, labels or options; UnsupportedThreat, BoundsError and LabelError are
            kinds of it.
        ModelError: outputs that are not logits.

    Example:
        >>> from brittle import Classifier, DeepFool, Lp
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
        >>> result = run(DeepFool(), Classifier(network), torch.rand(3, 1, 2, 2), threat=Lp(2))
        >>> result.adversarial.shape
        torch.Size([3, 1, 2, 2])
    """
    settings: dict[str, Any] = {"quantization": quantization, "eot_samples": eot_samples}
    named = by_todays_names(older, settings)
    for name in named.keys() - settings:
        raise unexpected("run", name, inspect.signature(run).parameters)
    settings |= named
    options = Options(
        *(attack, classifier, images, labels, goal, threat, seed, batch, ids, budget),
        **settings,
        confidence=confidence,
        trace=trace,
        search=SearchMode(precision, compile, channels_last),
        progress=progress,
        on_pass=on_pass,
    )
    job = job_of(options)
    again = options.budget is None  # otherwise it would ask about the same images beyond their budget
    with preserving_state(classifier.module, options.seed):
        collector = Collector(job.images, classifier.dtype)
        searched = options.search.asked(classifier)
        batches = Batches(len(job.images), job.batch, again, options.progress)
        for rows in batches:
            with batches.tried():
                _attacked(job, searched, collector, rows, batches.most)
        return collector.result(job)


def _attacked(job: Job, searched: Classifier | None, collector: Collector, batch: slice, max_points: int) -> None:
    """Attack the images of a batch, with at most `max_points` in one pass, and collect what comes out.

    A search asks the network as `searched`, where that is given; it is judged as it is.
    """
    began, rows = time.perf_counter(), torch.arange(batch.start, batch.stop)
    asked, count, x = job.options, len(rows), job.taken(rows)
    classifier, eot_samples = asked.classifier, asked.eot_samples
    streams = Streams(asked.seed, job.ids[rows].to(classifier.device), x.dtype)
    clean = Clean.of(job, rows, x, streams)
    threat = job.threat.rows(rows.to(job.images.device)).checked(x)
    doubts = uses_gradients(asked.attack)
    record = Record(threat.zero(x), budget=job.allowance, trace=asked.trace, doubts=doubts, on_pass=asked.on_pass)
    places = torch.arange(count, device=x.device)
    record.count(places, forward=1 if eot_samples == 1 else 1 + eot_samples)
    already = clean.goal.met(clean.judged(clean.outputs))
    sought, shown, homes = job.sought(clean.goal), clean.shown, clean.known_homes
    asking, plain = (classifier, None) if searched is None else (searched, classifier)
    common = (x, shown, sought, threat, places, record, streams, max_points, eot_samples, homes)
    problem = Problem(asking, *common, plain)
    idle = already | clean.refused
    if bool((~idle & ~record.spent(places)).any()):
        tried = (~idle).nonzero()[:, 0]
        with telling_whose(asked.attack):
            first_lag(problem.rows(tried), clean.outputs[tried])
            nothing_returned(asked.attack, asked.attack.perturb(problem.rows(tried)))
    sizes: dict[str, Tensor] = {}
    if job.grid is not None:
        problem = problem.in_full()
        sizes["size_unrounded"] = torch.where(already, 0.0, _sizes(problem, clean))
        left = None if asked.budget is None else asked.budget - job.verifying
        problem = quantize(job.grid, problem, (problem.solved & ~already).nonzero()[:, 0], left)
    best, adversarial = threat.seen(x, problem.record.best, classifier.bounds)
    verified = count > 0 and (asked.budget is None or asked.budget > job.verifying)
    columns = _judged(problem, clean, adversarial, already, verified=verified) | sizes
    measured = {name: measure.size(x, adversarial) for name, measure in MEASURES.items()}
    if threat.name not in measured:
        measured[threat.name] = threat.size(x, best)
    if searched is not None:
        columns |= {"verified": record.verified, "disputed": record.disputed}
    if not threat.on_images:
        columns["perturbation"] = best
    seconds = (time.perf_counter() - began) / max(count, 1)
    columns["seconds"] = torch.full((count,), seconds, dtype=torch.float64)
    collector.add(adversarial, columns, measured, _trace_of(record) if asked.trace else None)


@torch.no_grad()
def _judged(
    problem: Problem, clean: Clean, adversarial: Images, already: Tensor, *, verified: bool
) -> dict[str, Tensor]:
    """Look at what will be returned in a fresh forward pass, and measure it.

    Without a pass to verify them there was none to attack with, and the images are the clean ones.
    """
    record, classifier = problem.record, clean.classifier
    final, unusable = clean.outputs, torch.zeros_like(already)
    if verified:
        outputs, spoilt = usable(
            eot_outputs(classifier, adversarial, problem.eot_samples, problem.streams), clean.outputs
        )
        final, unusable = outputs.mean(0), unusable if spoilt is None else spoilt
        record.count(problem.ids, forward=problem.eot_samples)
        record.note_nonfinite(problem.ids, outputs=spoilt)
    judged, found = clean.judged(final), _sizes(problem, clean)
    margin = clean.goal.margin(judged)
    met = clean.goal.met(judged) & torch.isfinite(margin) & ~unusable
    size = torch.where(already, torch.zeros_like(found), found)
    (confidence, prediction) = decided(of_classes(classifier, final))
    (clean_confidence, clean_prediction) = decided(clean.classes)
    columns = {"clean_refused": clean.refused, "refused": refused(classifier, final)} if classifier.rejects else {}
    columns |= {"target": clean.goal.labels} if clean.goal.targeted else {}
    return columns | {
        "success": clean.right & ~already & met & torch.isfinite(found),
        "already": already,
        "size": torch.where(already | met, size, torch.full_like(size, torch.inf)),
        "clean_prediction": clean_prediction,
        "clean_confidence": clean_confidence,
        "prediction": prediction,
        "confidence": confidence,
        "margin": margin,
        "forward": record.forward,
        "backward": record.backward,
        "iterations": record.iterations,
        "nonfinite_outputs": record.nonfinite_outputs,
        "nonfinite_gradients": record.nonfinite_gradients,
        "zero_gradients": record.zero_gradients,
        "undone": problem.solved & ~already & ~met if verified else torch.zeros_like(met),
    }


def _sizes(problem: Problem, clean: Clean) -> PerImage:
    """Return the sizes of the changes found, (n,), infinite for none.

    A search for successes that are won by a margin also has those that are won by less, where no other was found; and a
    hurried one those that only the network as it is takes for successes.
    """
    size = problem.record.size
    if problem.goal is clean.goal and problem.plain is None:
        return size
    other = problem.threat.size(problem.images, problem.record.best)
    allowed = problem.threat.allows(other, problem.classifier.bounds.span)
    return torch.where(torch.isfinite(size) | ~allowed, size, other)


def _trace_of(record: Record) -> Tensor:
    """Lay the margins out as one row per image, NaN where an image took no part."""
    columns = []
    for ids, margin in record.trace or []:
        seen = torch.full_like(record.size, -torch.inf).scatter_reduce(0, ids, margin, "amax")
        columns.append(seen.where(torch.isfinite(seen), torch.nan))
    return torch.stack(columns, 1) if columns else record.size.new_zeros((len(record.size), 0))
