"""Attacking image files: a block at a time, each image saved beside its original, read back and judged again."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.eot import mean_logits
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import of_classes, refused
from brittle.classifiers.search_mode import SearchMode
from brittle.core.goal import Targeted
from brittle.core.result import Result
from brittle.core.run import run
from brittle.data import Block, Source
from brittle.evaluation.adversarial_images import BLOCK, ImageFolder, Saved
from brittle.evaluation.plan import Planned
from brittle.evaluation.saved_pictures import FileNames, file_names, read_picture, save_deformation, save_picture
from brittle.maths.losses import decided
from brittle.threats import MEASURES
from brittle.types import Images


@dataclass(frozen=True)
class ImagesJob:
    """One attack on a source of images, block by block, into a folder."""

    classifier: Classifier
    planned: Planned
    target: int | None
    seed: int
    quantization: int
    folder: ImageFolder
    budget: int | None
    eot_samples: int
    confidence: float
    search: SearchMode
    batch: int
    classes: Sequence[str]

    def go(self, source: Source) -> None:
        """Attack what is not done yet."""
        together = -(-self.batch // BLOCK) * BLOCK
        for block in source.blocks(together, start=min(self.folder.next, len(source))):
            self.block(block, source.labelled)

    def block(self, block: Block, labelled: bool) -> None:
        """Attack a block of images and save it."""
        if not len(block):
            self.folder.add([])
            return
        goal = None if self.target is None else Targeted(torch.full_like(block.labels, self.target))
        result = run(
            self.planned.attack,
            self.classifier,
            block.images,
            block.labels if labelled and goal is None else None,
            goal=goal,
            threat=self.planned.threat,
            seed=self.seed,
            batch=self.batch,
            ids=block.index,
            quantization=self.quantization,
            budget=self.budget,
            eot_samples=self.eot_samples,
            confidence=self.confidence,
            **asdict(self.search),
        )
        for first in range(0, len(block), BLOCK):
            self._save(block, result, range(first, min(first + BLOCK, len(block))), labelled=labelled)

    def _save(self, block: Block, result: Result, rows: range, *, labelled: bool) -> None:
        """Save some images of a block, each beside its original, and judge what was saved."""
        saved: list[Saved] = []
        before = result.clean_prediction.tolist()
        labels = block.labels.tolist() if labelled else before
        named = {row: self._names(int(block.index[row]), labels[row], int(result.prediction[row])) for row in rows}
        broken = [row for row in rows if result.success[row]]
        deformed = result.field is not None
        self.folder.announce(
            [named[row].changed for row in broken], deformed, beside=[named[row].original for row in broken]
        )
        for row in rows:
            name, label = block.names[row], labels[row]
            unrounded = (result.size if result.size_unrounded is None else result.size_unrounded)[row]
            if row not in broken:
                sure, already = float(result.confidence[row]), bool(result.already[row])
                lost = not already and math.isfinite(unrounded)
                saved.append(
                    Saved(name, None, label, before[row], before[row], sure, 0, 0, None, False, already, lost=lost)
                )
                continue
            path, original = (self.folder.path / one for one in (named[row].changed, named[row].original))
            save_picture(result.adversarial[row], path)
            save_picture(block.images[row], original)
            cost = float(result.size[row] / unrounded - 1)
            one = replace(self._judged(path, block.images[row], name, label, before[row], cost), original=original)
            if result.field is not None:
                one = replace(one, cost=None, flow=float(result.flow[row]))
                save_deformation(block.images[row], result.adversarial[row], result.field[row].cpu(), path)
            saved.append(one)
        self.folder.add(saved)

    def _names(self, index: int, label: int, after: int) -> FileNames:
        return file_names(
            index, *(self.classes[one] if one < len(self.classes) else str(one) for one in (label, after))
        )

    def _logits(self, images: Images) -> Tensor:
        with preserving_state(self.classifier.module, self.seed), torch.no_grad():
            images = images.to(self.classifier.device, self.classifier.dtype)
            return mean_logits(
                self.classifier, images, self.eot_samples, seed=self.seed, batch=len(images) * self.eot_samples
            ).cpu()

    def _met(self, logits: Tensor, label: int) -> Tensor:
        return logits.argmax(1) != label if self.target is None else logits.argmax(1) == self.target

    def _judged(self, path: Path, clean: Tensor, name: str, label: int, before: int, cost: float) -> Saved:
        image, threat = read_picture(path, clean), self.planned.threat
        outputs = self._logits(image[None])
        logits, change = of_classes(self.classifier, outputs), (image - clean).flatten()
        confidence, after = decided(logits)
        own = threat.on_images and threat.name not in MEASURES
        return Saved(
            source=name,
            path=path,
            label=label,
            before=before,
            after=int(after),
            confidence=float(confidence),
            linf=float(change.abs().max()),
            l2=float(change.norm()),
            cost=cost,
            success=bool(self._met(logits, label) & ~refused(self.classifier, outputs)),
            already=False,
            norm=threat.name if own else None,
            size=float(threat.size(clean[None], image[None])) if own else None,
        )
