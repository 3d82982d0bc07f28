"""Make every check of a case, and every case of an audit."""

from collections.abc import Sequence

import torch

from brittle import registry
from brittle.classifiers.classifier import Classifier
from brittle.data import Source
from brittle.health.check import Check
from brittle.health.context import AttackRun, HealthContext
from brittle.health.counting import CountingClassifier
from brittle.health.finite import FINITE
from brittle.health.gradients import GRADIENT_CHECKS
from brittle.health.outputs import OUTPUT_CHECKS
from brittle.health.radii import RADIUS_CHECKS
from brittle.health.refusals import REFUSALS
from brittle.health.repeats import REPEAT_CHECKS
from brittle.health.rows import ROW_CHECKS
from brittle.health.thorough import THOROUGH_CHECKS
from brittle.health.weights import WEIGHTS
from brittle.runs.finding import Health
from brittle.runs.manifest_info import NAIVELY
from brittle.runs.store import RunFolder
from brittle.threats import Threat
from brittle.types import Images, Labels

CHECKS: tuple[Check, ...] = (
    *OUTPUT_CHECKS,
    *GRADIENT_CHECKS,
    FINITE,
    REFUSALS,
    *ROW_CHECKS,
    *REPEAT_CHECKS,
    *RADIUS_CHECKS,
)
"""The cheap ones, in the order in which they are made; those of packages, those of the thorough, and the weights, which
come last, follow."""
BY_NAME: dict[str, Check] = {check.name: check for check in (*CHECKS, *THOROUGH_CHECKS, WEIGHTS)}
"""All of them, as `brittle.registry.CHECKS` has them beside those that packages bring."""
RUNS, LENGTH = 8, 8
"""The images that checks may show the network again: so many stretches of so many images, spread over the source."""


def examine(case: HealthContext, run: str = "") -> Health:
    """Make the checks.

    Args:
        case: what they look at; whether it is thorough says which ones.
        run: identity of the run, for the record.

    Returns:
        One finding for each check, and what all of them took.
    """
    brought = [registry.CHECKS[name] for name in registry.CHECKS if name not in BY_NAME]
    thorough = THOROUGH_CHECKS if case.thorough else ()
    findings = [check(case) for check in (*CHECKS, *brought, *thorough, WEIGHTS)]
    passes = case.meter.passes
    return Health(
        run=run, thorough=case.thorough, passes=passes, fraction=passes / max(case.passes, 1), findings=findings
    )


def examine_run(
    folder: RunFolder,
    attempts: Sequence[AttackRun],
    threat: Threat,
    classifier: Classifier,
    source: Source,
    *,
    weights: str,
    thorough: bool = False,
) -> Health:
    """Make the checks of an audit whose parts are all there.

    Args:
        folder: the run.
        attempts: its attacks with their rows, about the same images in the same order.
        threat: the question, with its radius where it has one.
        classifier: the network, as it was attacked.
        source: its images.
        weights: digest of the network before the audit.
        thorough: make the expensive checks too.
    """
    manifest = folder.manifest
    images, labels, index = _spread(source)
    case = HealthContext(
        meter=CountingClassifier(classifier),
        images=images,
        labels=labels,
        index=index,
        threat=threat,
        attempts=tuple(attempts),
        weights=weights,
        seed=manifest.seed,
        batch=manifest.batch,
        quantization=manifest.quantization,
        thorough=thorough,
        silent=manifest.budget is not None,
        eot_samples=manifest.eot_samples,
        confidence=manifest.confidence,
        search=manifest.search,
        known="" if manifest.network.attacked == NAIVELY else manifest.network.attacked,
    )
    return examine(case, manifest.identity)


def _spread(source: Source) -> tuple[Images, Labels, Labels]:
    """Read a few stretches of images, evenly spread, and bring one of each stretch to the front in turn."""
    count = len(source)
    starts = sorted({round(place * max(count - LENGTH, 0) / (RUNS - 1)) for place in range(RUNS)})
    blocks = [next(source.blocks(LENGTH, start=start)) for start in starts]
    blocks = [block for block in blocks if len(block)]
    images, labels, index = (
        torch.cat([getattr(block, name) for block in blocks]) for name in ("images", "labels", "index")
    )
    within = torch.cat([torch.arange(len(block)) for block in blocks])
    order = within.argsort(stable=True)
    _, first = _unique(index[order])
    chosen = order[first]
    return images[chosen], labels[chosen], index[chosen]


def _unique(index: Labels) -> tuple[Labels, Labels]:
    """Positions of the first occurrence of each value, in their order."""
    seen: dict[int, int] = {}
    for place, value in enumerate(index.tolist()):
        seen.setdefault(value, place)
    return torch.tensor(list(seen)), torch.tensor(list(seen.values()))
