"""`audit_segmentation`: the smallest changes that break what a network says of the pixels of images."""

from pathlib import Path
from typing import Any

from brittle.arguments import checked
from brittle.core.attack import Attack
from brittle.dense.segmenter import Segmenter
from brittle.evaluation.dense import ATTACK, NOTHING, SHARE, Audited, DenseTask, audit_dense
from brittle.evaluation.progress import Progress
from brittle.evaluation.segmentation_work import SegmentationWork
from brittle.plugins.own_code import telling_of_own_code
from brittle.runs.dense_manifests import SegmentationManifest
from brittle.runs.segmentation import SegmentationFolder
from brittle.runs.segmentation_summary import SegmentationSummary
from brittle.specs import Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec, Question

SEGMENTATION = DenseTask(
    "segmentation",
    Segmenter,
    SegmentationFolder,
    SegmentationWork,
    SegmentationSummary.of,
    lambda network, _, fields: SegmentationManifest(**fields, classes=list(network.classes)),
)


@checked
@telling_of_own_code()
def audit_segmentation(  # noqa: PLR0913  # each of these is a question of its own
    model: ModelLike | ModelSpec,
    data: DataLike | DataSpec,
    out: Path | str,
    *,
    question: Question | None = None,
    attack: str | Attack = ATTACK,
    share: float = SHARE,
    effort: Effort | None = None,
    force: bool = False,
    watch: Progress | None = None,
    **options: Any,
) -> Audited[SegmentationSummary]:
    """Attack a network with a class for every pixel on images, each on its own by `run_dense`.

    What the pixels are to leave is the network's own segmentation of the clean image: no masks are read, and labels
    that the images have are passed over. Each image is kept as soon as it is attacked: killed at any moment and called
    again, the audit goes on with the next one and ends with the same rows.

    Args:
        model: what `open_network` understands, a network, a module, a callable or a classifier; or a `ModelSpec`.
        data: images as `audit` takes them, with or without labels; or a `DataSpec`.
        out: the folder: `segmentation.json` with all rows, `segmented/` with a file for each image, and pictures of
            the first ones.
        question: the norm, linf by default, or l2; a radius, within which changes must lie to count, by default none;
            and the confidence of the search.
        attack: of dense outputs, as text, such as `pixel-descent:steps=50`, or as a value.
        share: of an image's pixels that must be segmented otherwise.
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
        >>> network, images = torch.nn.Conv2d(3, 4, 3, padding=1), torch.rand(2, 3, 8, 8)
        >>> made = audit_segmentation(
        ...     network, (images, torch.zeros(2, dtype=torch.int64)), tempfile.mkdtemp(), attack="pixel-descent:steps=9"
        ... )
        >>> made.summary.broken.n
        2
    """
    asked = Asked.of(model, data, question, effort, options, without=NOTHING)
    return audit_dense(SEGMENTATION, asked, out, attack, share, {}, force=force, watch=watch)
