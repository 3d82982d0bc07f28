"""The rows of one part: what `run` found for a block of images, whether it survives saving, and a few pictures."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
import math
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.eot import mean_logits
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import folded
from brittle.core.attack import at_least, search_of
from brittle.core.inputs import placed
from brittle.core.result import Result
from brittle.core.run import run
from brittle.data import Block
from brittle.evaluation.plan import Planned
from brittle.maths import norms
from brittle.maths.losses import mistaken
from brittle.maths.quantization import rounded
from brittle.runs.manifest import Manifest
from brittle.runs.schema import SCHEMA
from brittle.types import Images, Labels, Mask


def without_final_query(budget: int | None, eot_samples: int = 1) -> int | None:
    """Return what a budget leaves for `run`, when what it breaks is to be queried once more as saved.

    With a single query nothing can be broken, and nothing is left to be looked at.

    Args:
        budget: most queries of an image.
        eot_samples: queries of a randomised network by which a point is judged.

    Raises:
        InputError: a budget that is no number of queries.

    Example:
        >>> without_final_query(100), without_final_query(1), without_final_query(None)
        (99, 1, None)
    """
    if budget is None:
        return None
    at_least("budget", budget, 1)
    return max(budget - eot_samples, 1)


def attacked(
    planned: Planned,
    manifest: Manifest,
    classifier: Classifier,
    block: Block,
    *,
    progress: Callable[[int], None] | None = None,
    on_pass: Callable[[int], None] | None = None,
) -> Result:
    """Attack a block of images as the manifest of a run says: an image comes out the same in every block.

    Args:
        planned: one of the run's attacks.
        manifest: of the run.
        classifier: its network.
        block: images with their positions, which their random draws go by.
        progress: as of `run`; `on_pass` likewise.
        on_pass: see there.
    """
    return run(
        planned.attack,
        classifier,
        block.images,
        block.labels,
        threat=planned.threat,
        seed=manifest.seed,
        batch=manifest.batch,
        ids=block.index,
        quantization=manifest.quantization,
        budget=without_final_query(manifest.budget, manifest.eot_samples),
        eot_samples=manifest.eot_samples,
        confidence=manifest.confidence,
        **asdict(search_of(planned.attack, manifest.search)),
        progress=progress,
        on_pass=on_pass,
    )


def survives_rounding(
    classifier: Classifier, result: Result, labels: Labels, batch: int, *, eot_samples: int = 1, seed: int = 0
) -> Mask:
    """Say which of the images that were broken are so after rounding to 8 bits; no others are looked at.

    A randomised network is judged as `run` judges it: by the mean of as many samples.
    """
    broken, bounds = result.success.nonzero()[:, 0], classifier.bounds
    wrong = torch.zeros(len(labels), dtype=torch.bool)
    if len(broken):
        saved = placed(rounded(result.adversarial[broken], bounds.lower, bounds.span), classifier)
        with preserving_state(classifier.module, seed), torch.no_grad():
            logits = mean_logits(classifier, saved, eot_samples, seed=seed, batch=batch)
        wrong[broken] = mistaken(folded(classifier, logits.cpu(), labels[broken]), labels[broken])
    return wrong


def rows_of(
    result: Result, images: Images, labels: Labels, survives: Mask, about: dict[str, list[object]], kept: np.ndarray
) -> pa.Table:
    """Lay out a block's result as the rows of a part.

    Args:
        result: what `run` returned for `images`.
        images: the clean images.
        labels: their true classes.
        survives: whether the adversarial image is still misclassified after rounding to 8 bits.
        about: the columns `index` and `name`.
        kept: positions of the images to keep as pictures.
    """
    count = len(images)
    pictures = set(kept.tolist())
    columns: dict[str, object] = {
        **about,
        "label": labels,
        "correct": result.correct,
        "clean_refused": [None] * count if result.clean_refused is None else result.clean_refused,
        "refused": [None] * count if result.refused is None else result.refused,
        "rounded_success": result.success & survives,
        "image_l1": norms.size(images, 1),
        "image_l2": norms.size(images, 2),
        "image_linf": norms.size(images, math.inf),
        "size_unrounded": [None] * count if result.size_unrounded is None else result.size_unrounded,
        **{name: torch.full((count,), side) for name, side in zip(_SHAPE, images.shape[1:], strict=True)},
        "original": [_bytes(images[row]) if row in pictures else None for row in range(count)],
        "adversarial": [_bytes(result.adversarial[row]) if row in pictures else None for row in range(count)],
        "field": [
            _bytes(result.field[row]) if result.field is not None and row in pictures else None for row in range(count)
        ],
    }
    arrays = {
        name: _column(columns[name] if name in columns else getattr(result, name), SCHEMA.field(name).type)
        for name in SCHEMA.names
    }
    return pa.table(arrays, schema=SCHEMA)


_SHAPE = ("channels", "height", "width")


def _column(values: object, kind: pa.DataType) -> pa.Array:
    plain = values.cpu().numpy() if isinstance(values, Tensor) else values
    return pa.array(plain).cast(kind) if isinstance(plain, np.ndarray) else pa.array(plain, kind)


def _bytes(image: Tensor) -> bytes:
    return image.cpu().to(torch.float32).contiguous().numpy().astype("<f4").tobytes()
