"""`corrupt`: the accuracy of a network on images as they are, and under the common corruptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from PIL import Image

from brittle.arguments import Within, checked
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import of_classes, refused
from brittle.data import Source
from brittle.data.folder import without_labels
from brittle.errors import DataError, InputError
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.command import command_words
from brittle.evaluation.compatibility import batch_of, check_model_on_data
from brittle.evaluation.progress import NullProgress, Progress
from brittle.evaluation.provenance import data_info, network_info, provenance
from brittle.evaluation.subject import open_subject
from brittle.files import as_out
from brittle.identity.sources import users_modules
from brittle.near import meant
from brittle.physical.corruptions import KINDS, Corruption
from brittle.pictures import picture_of, png_of
from brittle.plugins.own_code import telling_of_own_code
from brittle.runs.corruptions import CLEAN, CorruptionsFolder, CorruptionsSummary, cell_name
from brittle.runs.kinds import CORRUPTIONS
from brittle.runs.place import check_folder, files_named
from brittle.runs.result_manifests import CorruptionsManifest
from brittle.runs.surroundings import machine, now, versions_of
from brittle.specs import SEARCHING, Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec
from brittle.types import Images, Mask

SEVERITIES = (1, 2, 3, 4, 5)
"""All that are published."""
LARGEST = 112
"""Longer side of a picture on the page, in pixels."""
Severity = Annotated[int, Within(SEVERITIES[0], SEVERITIES[-1])]


@dataclass(frozen=True)
class Corrupted:
    """A measurement under corruptions.

    Attributes:
        folder: that holds it.
        summary: what it comes to.
        said: what was done to the images on their way to the network, in sentences.
    """

    folder: Path
    summary: CorruptionsSummary
    said: list[str]


@checked
@telling_of_own_code()
def corrupt(  # noqa: PLR0913  # each of these is a question of its own
    model: ModelLike | ModelSpec,
    data: DataLike | DataSpec,
    out: Path | str,
    *,
    kinds: Sequence[str] = (),
    severities: Sequence[Severity] = (),
    published: Literal["auto", "cifar", "imagenet"] = "auto",
    effort: Effort | None = None,
    force: bool = False,
    watch: Progress | None = None,
    **options: Any,
) -> Corrupted:
    """Measure the accuracy of a network on images as they are, and under common corruptions.

    Hendrycks & Dietterich, ICLR 2019 (arXiv:1903.12261). Each combination of a kind and a severity is kept as soon as
    it is measured: killed at any moment and called again, the measurement goes on with the next one. The mean over
    corruptions is that of accuracies, without the published weights by the errors of AlexNet, which are those of one
    network on ImageNet.

    Args:
        model: what `open_network` understands, a network, a module, a callable or a classifier; or a `ModelSpec`.
        data: labelled images as `audit` takes them, or a `DataSpec`.
        out: the folder: `corruptions.json` with all figures, `corrupted/` with a file and a picture for each cell.
        kinds: names of `brittle.physical.corruptions.KINDS`; all fifteen by default.
        severities: of 1 to 5; all by default.
        published: whose list of severities, see `Corruption`; "auto" goes by the images' size.
        effort: batch (by default by the size of an image), seed (0 by default; an image gets the same draws in every
            measurement) and device.
        force: replace another measurement in the folder.
        watch: told of the progress.
        **options: single fields of these values, as in `audit`.

    Returns:
        The figures.

    Raises:
        BrittleError: invalid input or an input/output failure.

    Example:
        >>> import tempfile
        >>> made = corrupt("digits-lenet", "digits", tempfile.mkdtemp(), kinds=["fog"], severities=[5], max_images=20)
        >>> made.summary.cells["fog", 5].n
        20
    """
    nothing = ("channel", "target", "norm", "eps", "quantization", "confidence", "budget", "eot_samples", *SEARCHING)
    asked = Asked.of(model, data, None, effort, options, without=nothing)
    chosen, levels = _chosen(kinds), sorted({*(severities or SEVERITIES)})
    path, loaded = Path(out), users_modules()
    check_folder(path, CORRUPTIONS, files_named(asked.model.spec, asked.data.spec, asked.model.weights))
    subject = open_subject(asked.model, asked.data, device=asked.effort.device)
    classifier, source = subject.classifier, subject.source
    if not source.labelled:
        raise DataError(without_labels(source.spec))
    source, remarks = match_classes(subject.network.classes, source, asked.data.class_order)
    said, shape = subject.said(remarks), check_model_on_data(classifier, source, blank=False)
    ask = partial(check_model_on_data, classifier, source, blank=False)
    origin = provenance(subject.network, classifier, source, loaded, ask)
    seed, batch = asked.effort.seed or 0, asked.effort.batch or batch_of(shape)
    given: dict[str, object] = {"data": source.spec, "out": as_out(path), "kind": [*kinds], **asked.stated()}
    given |= {"severity": [*severities], "published": None if published == "auto" else published}
    manifest = CorruptionsManifest(
        created=now(),
        command=command_words(["corrupt", subject.network.spec], given),
        seed=seed,
        device=asked.effort.device or subject.device,
        machine=machine(),
        batch=batch,
        network=network_info(subject.network, classifier, origin, subject.defended, asked=asked.model),
        data=data_info(
            source,
            subject.network.classes,
            again=True,
            remarks=[*remarks, *subject.remarks],
            class_order=asked.data.class_order,
        ),
        kinds=chosen,
        severities=levels,
        published=published,
        versions=versions_of(),
        code=origin.code,
    )
    with CorruptionsFolder.create(path, manifest, force=force) as folder:
        if not folder.whole:
            channels = {
                cell_name(kind, level): Corruption(kind, level, published) for kind in chosen for level in levels
            }
            _measure(folder, _Work(classifier, source, batch, seed), {CLEAN: None, **channels}, watch or NullProgress())
            folder.note_files(origin.files())
        folder.finish()
        return Corrupted(path, CorruptionsSummary.of(folder), said)


def _chosen(kinds: Sequence[str]) -> list[str]:
    """Return the kinds that are asked for, in the order of the paper."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise InputError(
            f"there is no corruption {unknown[0]!r}{meant(unknown[0], KINDS)}; there are {', '.join(KINDS)}"
        )
    return [kind for kind in KINDS if not kinds or kind in kinds]


@dataclass(frozen=True)
class _Work:
    classifier: Classifier
    source: Source
    batch: int
    seed: int

    def right(self, corruption: Corruption | None, watch: Progress, name: str) -> tuple[str, bytes | None]:
        """Return which images are right under a corruption, and a picture of the first one."""
        letters: list[str] = []
        picture: bytes | None = None
        for block in self.source.blocks(self.batch):
            if not len(block):
                continue
            images = block.images
            if corruption is not None:
                images = corruption(images, seed=self.seed, ids=block.index)
            picture = picture or _picture(images[0])
            letters += ["01"[found] for found in self._judged(images, block.labels).tolist()]
            watch.advance(name, len(block))
        return "".join(letters), picture

    def _judged(self, images: Images, labels: torch.Tensor) -> Mask:
        classifier = self.classifier
        with preserving_state(classifier.module, self.seed), torch.no_grad():
            outputs = classifier.checked(images.to(classifier.device, classifier.dtype))
        right = of_classes(classifier, outputs).argmax(1).cpu() == labels
        return right & ~refused(classifier, outputs).cpu()


def _measure(folder: CorruptionsFolder, work: _Work, channels: dict[str, Corruption | None], watch: Progress) -> None:
    """Measure what is not measured yet, and write the file of all cells."""
    found = {name: right for name in channels if (right := folder.cell(name)) is not None}
    count = len(work.source)
    watch.begin(count * len(channels), count * len(found))
    for name, channel in channels.items():
        if name not in found:
            found[name], picture = work.right(channel, watch, name)
            folder.write_cell(name, found[name], picture)
    folder.write_all({name: found[name] for name in channels})


def _picture(image: torch.Tensor) -> bytes:
    picture = picture_of(image.double().numpy())
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return png_of(picture)
