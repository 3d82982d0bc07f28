"""The parts of an audit, done one after the other, so that it can be killed at any moment."""

from dataclasses import dataclass

from brittle.classifiers.classifier import Classifier
from brittle.core.run import run
from brittle.data import Block, Source
from brittle.evaluation.part import GallerySelection, rows_of, survives_rounding, without_final_query
from brittle.evaluation.plan import Planned
from brittle.evaluation.progress import Progress
from brittle.evaluation.provenance import Provenance
from brittle.evaluation.recheck import ask_again
from brittle.metrics.rows import flags, floats
from brittle.names import stored
from brittle.runs.manifest import BadImageInfo
from brittle.runs.store import RunFolder


@dataclass(frozen=True)
class Work:
    """The parts of a run, done one after the other."""

    folder: RunFolder
    planned: list[Planned]
    classifier: Classifier
    source: Source
    origin: Provenance
    watch: Progress

    def go(self) -> bool:
        """Do every part that is not there, and say whether there was any."""
        manifest = self.folder.manifest
        missing = {
            (block, one.info.key)
            for block in range(manifest.blocks)
            for one in self.planned
            if not self.folder.has_part(one.info.key, block)
        }
        done = sum(
            self._images(block)
            for block in range(manifest.blocks)
            for one in self.planned
            if (block, one.info.key) not in missing
        )
        self.watch.begin(len(self.source) * len(self.planned), done)
        if done:
            parts = {(block, one.info.key) for block in range(manifest.blocks) for one in self.planned} - missing
            said = ask_again(self.folder, parts, self.classifier, self.source)
            self.folder.note(said)
            self.watch.note(said)
        extremes = {one.info.key: GallerySelection() for one in self.planned}
        for number in range(manifest.blocks):
            block = None
            for one in self.planned:
                key = one.info.key
                if (number, key) not in missing:
                    self._remember(key, number, extremes[key])
                    continue
                if block is None:
                    block = next(self.source.blocks(manifest.block, start=number * manifest.block))
                    self._note_bad()
                self._part(one, block, number, extremes[key])
        return bool(missing)

    def _images(self, number: int) -> int:
        block = self.folder.manifest.block
        return min(block, len(self.source) - number * block)

    def _remember(self, key: str, number: int, extremes: GallerySelection) -> None:
        table = self.folder.part(key, number, ["size", "success"])
        extremes.take(floats(table, "size"), flags(table, "success"))

    def _note_bad(self) -> None:
        known = {bad.index: bad for bad in self.folder.manifest.data.bad}
        found = {bad.index: BadImageInfo(index=bad.index, name=bad.name, reason=bad.reason) for bad in self.source.bad}
        if found.keys() - known.keys():
            self.folder.note_bad([bad for _, bad in sorted({**known, **found}.items())])

    def _part(self, one: Planned, block: Block, number: int, extremes: GallerySelection) -> None:
        manifest = self.folder.manifest
        result = run(
            one.attack,
            self.classifier,
            block.images,
            block.labels,
            threat=one.threat,
            seed=manifest.seed,
            batch=manifest.batch,
            ids=block.index,
            lattice=manifest.lattice,
            budget=without_final_query(manifest.budget, manifest.draws),
            draws=manifest.draws,
            progress=lambda images: self.watch.advance(one.info.spec, images),
        )
        survives = survives_rounding(
            self.classifier, result, block.labels, manifest.batch, draws=manifest.draws, seed=manifest.seed
        )
        kept = extremes.take(result.size.double().numpy(), result.success.numpy())
        about: dict[str, list[object]] = {"index": block.index.tolist(), "name": [*map(stored, block.names)]}
        self.folder.write_part(one.info.key, number, rows_of(result, block.images, block.labels, survives, about, kept))
        files = self.origin.files()
        if files.keys() - manifest.files.keys():
            self.folder.note_files(files)
        bad = self._images(number) - len(block)
        if bad:
            self.watch.advance(one.info.spec, bad)
