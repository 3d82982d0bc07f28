"""`audit_segmentation`: the smallest changes that break what a network says of the pixels of images."""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from brittle.arguments import checked
from brittle.core.attack import Attack
from brittle.dense.questions import checked_share
from brittle.dense.run import check_budget
from brittle.errors import DataError
from brittle.evaluation.command import command_words
from brittle.evaluation.compatibility import first_look
from brittle.evaluation.plan import plan, spec_of, threat_of, threat_settings
from brittle.evaluation.progress import NullProgress, Progress
from brittle.evaluation.provenance import data_info, network_info, provenance
from brittle.evaluation.radius import check_reach
from brittle.evaluation.segmented_images import SegmentationWork
from brittle.evaluation.subject import open_subject
from brittle.identity.sources import users_modules
from brittle.plugins.own_code import telling_of_own_code
from brittle.runs.kinds import SEGMENTATION
from brittle.runs.manifest_info import ThreatInfo
from brittle.runs.place import check_folder, files_named
from brittle.runs.result_manifests import SegmentationManifest
from brittle.runs.segmentation import SegmentationFolder
from brittle.runs.segmentation_summary import SegmentationSummary
from brittle.runs.surroundings import machine, now, versions_of
from brittle.specs import Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec, Question
from brittle.threats import parse_threat

ATTACK = "pixel-descent"
SHARE = 0.99
"""As `run_dense` has it."""
NOTHING = (
    *("binary", "labels", "defence", "defence_data", "naive", "channel", "class_order"),
    *("target", "quantization", "eot_samples"),
)
"""Options of an audit that mean nothing where there is a class for every pixel, and no true one is read."""


@dataclass(frozen=True)
class AuditedSegmentation:
    """An audit of a network with a class for every pixel.

    Attributes:
        folder: that holds it.
        summary: what it comes to.
        said: what was done to the images on their way to the network, in sentences.
    """

    folder: Path
    summary: SegmentationSummary
    said: list[str]


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
) -> AuditedSegmentation:
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
    share, budget = checked_share(share), asked.effort.budget
    check_budget(budget)
    threat, eps = threat_of(asked.question)
    (planned,) = plan([attack], threat or parse_threat("linf"), eps, dense=True)
    path, loaded = Path(out), users_modules()
    check_folder(path, SEGMENTATION, files_named(asked.model.spec, asked.data.spec, asked.model.weights))
    subject = open_subject(asked.model, asked.data, device=asked.effort.device, pixels=True)
    network, classifier, source = subject.network, subject.classifier, subject.source
    if not len(source):
        raise DataError(f"{source.spec} holds no images; an audit needs at least one")
    said = subject.said()
    look = partial(first_look, classifier, source, blank=budget is not None)
    _, shape = look()
    if math.isfinite(planned.threat.radius):
        check_reach(planned.threat, shape, classifier.bounds)
    ask = None if budget is not None else look
    origin = provenance(network, classifier, source, loaded, ask, chosen=[planned.attack, planned.threat])
    given: dict[str, object] = {"task": "segmentation", "data": source.spec, "out": path.name}
    given |= {"attack": spec_of(attack).text, "share": None if share == SHARE else share, **asked.stated()}
    manifest = SegmentationManifest(
        created=now(),
        command=command_words(["audit", network.spec], given),
        seed=asked.effort.seed or 0,
        device=asked.effort.device or subject.device,
        machine=machine(),
        batch=asked.effort.batch or 1,
        network=network_info(network, classifier, origin),
        data=data_info(source, again=True, remarks=subject.remarks),
        threat=ThreatInfo(norm=planned.info.norm, radius=planned.info.radius, settings=threat_settings(planned.threat)),
        attack=planned.info,
        classes=list(network.classes),
        share=share,
        budget=budget,
        confidence=asked.question.confidence or 0.0,
        versions=versions_of(),
        code=origin.code,
    )
    with SegmentationFolder.create(path, manifest, force=force) as folder:
        if not folder.whole:
            SegmentationWork(folder, planned, classifier, source, watch or NullProgress()).go()
            folder.note_files(origin.files())
        folder.finish()
        return AuditedSegmentation(path, SegmentationSummary.of(folder), [*said, *subject.left_out()])
