"""Pictures of images that stood before and fall now: what the audit kept, and what is attacked once more."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from brittle.data import Block, Source
from brittle.errors import BrittleError, RunError, quoted
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.kept_words import network_again, threat_again, words_of_images
from brittle.evaluation.part import attacked
from brittle.evaluation.plan import Planned, plan
from brittle.evaluation.progress import Progress
from brittle.evaluation.provenance import data_info
from brittle.evaluation.subject import OpenedSubject, open_subject
from brittle.files import write_atomically
from brittle.names import restored
from brittle.pictures import picture_of, png_of
from brittle.runs.comparable import ComparedRows
from brittle.runs.comparison import STAGES, ChangedImage, Comparison, picture
from brittle.runs.manifest import Manifest
from brittle.runs.schema import pixels_in
from brittle.specs import DataSpec

Pixels = NDArray[np.float64]
Pair = tuple[Pixels, Pixels]
"""The original and the adversarial image, (channels, height, width) each, within the network's bounds."""


def keep_pictures(
    made: Comparison, rows: Sequence[ComparedRows], folder: Path, count: int, watch: Progress
) -> list[str]:
    """Keep pictures of the images that each audit lost, those that fall to the smallest changes first.

    Args:
        made: the comparison.
        rows: of its audits, in the same order.
        folder: of the comparison.
        count: of how many images, for each audit.
        watch: sees the progress of attacks that are made once more.

    Returns:
        What is to be told of pictures that there are not, in sentences.
    """
    notes: list[str] = []
    for number, (audit, found) in enumerate(made.others, start=1):
        chosen = found.newly_broken[:count]
        pairs = _kept(rows[number], chosen)
        missing = [one for one in chosen if one.index not in pairs]
        if missing:
            try:
                pairs |= _made_again(rows[number], missing, watch)
            except BrittleError as error:
                notes.append(
                    f"{len(missing)} of {len(chosen)} pictures of images that fall in {audit.name} are not shown, as "
                    f"the audit did not keep them and they could not be made again: {quoted(error)}"
                )
        for index, pair in pairs.items():
            _write(folder, number, index, pair, made.bounds)
    return notes


def _kept(rows: ComparedRows, chosen: Sequence[ChangedImage]) -> dict[int, Pair]:
    """Read those that lie in the run folder, as the attack left them that made the smallest change."""
    found: dict[int, Pair] = {}
    folder, block = rows.folder, rows.manifest.block
    for one in chosen:
        part = folder.part(_key(rows.manifest, one.attack), one.index // block, None)
        row = next(row for row in part.to_pylist() if row["index"] == one.index)
        if row["original"] is not None and row["adversarial"] is not None:
            found[one.index] = pixels_in(row, "original"), pixels_in(row, "adversarial")
    return found


def _key(manifest: Manifest, spec: str) -> str:
    return next(info.key for info in manifest.attacks if restored(info.spec) == spec)


def _made_again(rows: ComparedRows, missing: Sequence[ChangedImage], watch: Progress) -> dict[int, Pair]:
    """Attack single images as the run did.

    Raises:
        BrittleError: the network, the images or the attack do not open by the words in the run folder.
    """
    manifest, subject = rows.manifest, _opened(rows)
    planned = _planned(manifest)
    watch.begin(len(missing), 0)
    found: dict[int, Pair] = {}
    for one in missing:
        block, chosen = _image(subject.source, one.index), planned[one.attack]
        result = attacked(chosen, manifest, subject.classifier, block)
        watch.advance(one.attack, 1)
        if bool(result.success[0]):
            found[one.index] = _plain(block.images[0]), _plain(result.adversarial[0])
    return found


def _opened(rows: ComparedRows) -> OpenedSubject:
    """Open network and images, and see that they are those of the run."""
    manifest = rows.manifest
    model = network_again(manifest.network)
    data = DataSpec(**words_of_images(manifest.data), max_images=manifest.max_images)
    subject = open_subject(model, data)
    source, _ = match_classes(subject.network.classes, subject.source, data.class_order)
    if subject.network.digest != manifest.network.digest:
        raise RunError(f"the network that opens as {subject.network.spec} is not that of the run")
    if data_info(source).fit != manifest.data.fit or source.digest() != manifest.data.digest:
        raise RunError(f"the images that open as {source.spec} are not those of the run, or are fitted otherwise")
    return replace(subject, source=source)


def _planned(manifest: Manifest) -> dict[str, Planned]:
    """Return the attacks of a run, as they are written."""
    specs = [restored(info.spec) for info in manifest.attacks]
    planned = plan(specs, threat_again(manifest.threat), manifest.threat.radius)
    for one, info in zip(planned, manifest.attacks, strict=True):
        if one.info.settings != info.settings or one.info.radius != info.radius:
            raise RunError(f"{info.spec} has other settings now than in the run")
    return dict(zip(specs, planned, strict=True))


def _image(source: Source, index: int) -> Block:
    block = next(source.blocks(1, start=index))
    if not len(block):
        raise RunError(f"image {index} of {source.spec} cannot be read any more")
    return block


def _plain(image: torch.Tensor) -> Pixels:
    return image.detach().cpu().double().numpy()


def _write(folder: Path, number: int, index: int, pair: Pair, bounds: tuple[float, float]) -> None:
    lower, upper = bounds
    for stage, pixels in zip(STAGES, pair, strict=True):
        png = png_of(picture_of((pixels - lower) / (upper - lower)))
        write_atomically(picture(folder, number, index, stage), png)
