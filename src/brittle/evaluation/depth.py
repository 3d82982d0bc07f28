"""`audit_depth`: the smallest changes that break the depths that a network sees in images."""

from pathlib import Path
from typing import Any

from brittle.arguments import checked
from brittle.core.attack import Attack
from brittle.dense.depth_estimator import DepthEstimator
from brittle.evaluation.dense import ATTACK, NOTHING, SHARE, Audited, DenseTask, audit_dense
from brittle.evaluation.depth_work import DepthWork
from brittle.evaluation.progress import Progress
from brittle.metrics.depth import THRESHOLD, checked_ratio
from brittle.plugins.own_code import telling_of_own_code
from brittle.runs.dense_manifests import DepthManifest
from brittle.runs.depth import DepthFolder
from brittle.runs.depth_summary import DepthSummary
from brittle.specs import Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec, Question

DEPTH = DenseTask(
    "depth",
    DepthEstimator,
    DepthFolder,
    DepthWork,
    DepthSummary.of,
    lambda _, extra, fields: DepthManifest(**fields, ratio=extra["ratio"] or THRESHOLD),
)


@checked
@telling_of_own_code()
def audit_depth(  # noqa: PLR0913  # each of these is a question of its own
    model: ModelLike | ModelSpec,
    data: DataLike | DataSpec,
    out: Path | str,
    *,
    question: Question | None = None,
    attack: str | Attack = ATTACK,
    share: float = SHARE,
    ratio: float = THRESHOLD,
    effort: Effort | None = None,
    force: bool = False,
    watch: Progress | None = None,
    **options: Any,
) -> Audited[DepthSummary]:
    """Attack a network with a depth for every pixel on images, each on its own by `run_dense`.

    What the pixels are to leave is the network's own depth of the clean image, by a ratio at least: no true depths are
    read, and labels that the images have are passed over. Each image is kept as soon as it is attacked: killed at any
    moment and called again, the audit goes on with the next one and ends with the same rows.

    Args:
        model: what `open_network` understands, a network, a module, a callable or a classifier; or a `ModelSpec`.
        data: images as `audit` takes them, with or without labels; or a `DataSpec`.
        out: the folder: `depth.json` with all rows, `depths/` with a file for each image, and pictures of
            the first ones.
        question: the norm, linf by default, or l2; a radius, within which changes must lie to count, by default none;
            and the confidence of the search.
        attack: of dense outputs, as text, such as `pixel-descent:steps=50`, or as a value.
        share: of an image's pixels whose depth must be wrong.
        ratio: from which it is, as of `run_dense`.
        effort: batch (1 by default), budget, seed and device.
        force: replace another audit in the folder.
        watch: told of the progress.
        **options: single fields of these values, as in `audit`.

    Returns:
        The figures.

    Raises:
        BrittleError: invalid input or an input/output failure.

    Example:
        >>> import tempfile
        >>> import torch
        >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 3, padding=1), torch.nn.Softplus())
        >>> images = torch.rand(2, 3, 8, 8)
        >>> made = audit_depth(
        ...     network, (images, torch.zeros(2, dtype=torch.int64)), tempfile.mkdtemp(), attack="pixel-descent:steps=9"
        ... )
        >>> made.summary.broken.n
        2
    """
    asked = Asked.of(model, data, question, effort, options, without=NOTHING)
    extra = {"ratio": None if checked_ratio(ratio) == THRESHOLD else ratio}
    return audit_dense(DEPTH, asked, out, attack, share, extra, force=force, watch=watch)
