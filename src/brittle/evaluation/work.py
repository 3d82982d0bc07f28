"""The parts of an audit: whoever does them, and in whatever order, the same files lie there in the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from brittle.classifiers.classifier import Classifier
from brittle.data import Block, Source
from brittle.data.ahead import Ahead
from brittle.engine.done import get_done
from brittle.engine.engine import Engine, LocalEngine, Part
from brittle.engine.lease import LEASES
from brittle.engine.portable import Recipe
from brittle.engine.shard import ShardEngine
from brittle.evaluation.gallery import Gallery
from brittle.evaluation.part import attacked, rows_of, survives_rounding
from brittle.evaluation.plan import Planned
from brittle.evaluation.progress import BlockProgress, Progress
from brittle.evaluation.provenance import Provenance
from brittle.evaluation.recheck import ask_again
from brittle.identity.sources import digest_of_file
from brittle.names import restored, stored
from brittle.runs.finding import Health
from brittle.runs.manifest import BadImageInfo
from brittle.runs.store import RunFolder


@dataclass(frozen=True, eq=False)
class AttackPart:
    """An attack on a block of images; its rows depend on nothing else."""

    work: "Work"
    planned: Planned
    number: int
    turn: int

    @property
    def name(self) -> str:
        """Of its own among all attacks and blocks."""
        return f"{self.planned.info.key}-{self.number:06d}"

    @property
    def images(self) -> int:
        """Number of images in the block, those that cannot be decoded included."""
        block = self.work.folder.manifest.block
        return min(block, len(self.work.source) - self.number * block)

    def done(self) -> bool:
        """Whether the rows lie there, whole and of this run."""
        return self.work.folder.has_part(self.planned.info.key, self.number)

    def do(self) -> None:
        """Attack the block and write its rows."""
        self.work.attack(self.planned, self.number, self.images)

    @property
    def recipe(self) -> Recipe:
        """From what a worker opens the network and the images."""
        return self.work.recipe

    def take(self, result: "Sent") -> None:
        """Keep what a worker found."""
        folder = self.work.folder
        if result.rows is not None:
            folder.put_part(self.planned.info.key, self.number, result.rows)
        if {one.index for one in result.bad} - {one.index for one in folder.manifest.data.bad}:
            folder.note_bad(result.bad)
        # a file that only the worker's machine has could not be looked at again, when the run goes on here
        files = {name: one for name, one in result.files.items() if digest_of_file(Path(restored(name))) == one}
        if files.keys() - folder.manifest.files.keys():
            folder.note_files(files)
        self.work.watch.advance(self.planned.info.spec, self.images)

    def passed(self, points: int) -> None:
        """Show that a worker goes on inside the block."""
        self.work.passed(points)


@dataclass(frozen=True)
class Sent:
    """What a worker returns of an `AttackPart`.

    Attributes:
        rows: the bytes of the part's file; None where the worker wrote it itself.
        bad: the images that it could not decode so far.
        files: see `Manifest.files`.
    """

    rows: bytes | None
    bad: list[BadImageInfo]
    files: dict[str, str]


@dataclass(frozen=True, eq=False)
class LastPart:
    """What is made once of all rows together.

    Attributes:
        name: see `Part`.
        done: see `Part`.
        do: see `Part`.
        turn: see `Part`: anybody's.
    """

    name: str
    done: Callable[[], bool]
    do: Callable[[], None]
    turn: None = None


@dataclass(frozen=True)
class Done:
    """What came of the parts of a run.

    Attributes:
        anew: whether any was not there before.
        whole: whether all are there now; a shard may leave some to others.
    """

    anew: bool
    whole: bool


@dataclass(eq=False)
class Work:
    """What the parts of a run share: the network, and the images with the block that was read last.

    Attributes:
        recipe: from what workers in other processes open the same.
    """

    folder: RunFolder
    planned: list[Planned]
    classifier: Classifier
    source: Source
    origin: Provenance
    watch: Progress
    engine: Engine
    recipe: Recipe
    _blocks: Ahead = field(init=False)

    def __post_init__(self):
        self._blocks = Ahead(self.source, self.folder.manifest.block)

    def go(self) -> "Done":
        """Get every part done that is not there, as far as this is for this process to do."""
        parts = self.parts()
        there, missing = list[AttackPart](), list[AttackPart]()
        for part in parts:
            (there if part.done() else missing).append(part)
        done = {(part.number, part.planned.info.key) for part in there}
        self.watch.begin(len(self.source) * len(self.planned), sum(part.images for part in there))
        if done:
            found = ask_again(self.folder, done, self.classifier, self.source)
            self.folder.note(found)
            self.watch.note(found)
        if missing:
            self.folder.drop_health()
            if isinstance(self.engine, ShardEngine):
                self.folder.note_shard(self.engine.text)
        if isinstance(self.engine, LocalEngine):  # another one may never ask for the next
            following = dict(pairwise(dict.fromkeys(part.number for part in missing)))
            self._blocks = Ahead(self.source, self.folder.manifest.block, following)
        left = self._run(missing)
        if left and isinstance(self.engine, ShardEngine):
            self.watch.note(self.engine.said(parts, left, ", or `brittle merge`"))
            return Done(anew=True, whole=False)
        if missing or self.folder.manifest.status == "running":
            gallery = self._gallery
            self._run([LastPart("pictures", lambda: not gallery.superfluous(), gallery.settle)])
        return Done(anew=bool(missing), whole=True)

    def parts(self) -> list[AttackPart]:
        """Every attack on every block, done or not; those of one block follow each other."""
        blocks = self.folder.manifest.blocks
        return [
            AttackPart(self, one, number, turn=place * blocks + number)  # dealt attack by attack: shares are alike
            for number in range(blocks)
            for place, one in enumerate(self.planned)
        ]

    def passed(self, points: int) -> None:
        """Tell the watch, if it wants to know, that the network was shown so many points more."""
        if isinstance(self.watch, BlockProgress):
            self.watch.passed(points)

    def judge(self, examine: Callable[[], Health], *, thorough: bool) -> None:
        """Get the checks made, unless they are there.

        Args:
            examine: makes them.
            thorough: those that are there do only if they are.
        """

        def done() -> bool:
            found = self.folder.health()
            return found is not None and (found.thorough or not thorough)

        self._run([LastPart("health", done, lambda: self.folder.write_health(examine()))])

    def attack(self, one: Planned, number: int, images: int) -> None:
        """Attack a block of images and write its rows.

        Args:
            one: the attack.
            number: of the block, from 0.
            images: in the block, those that cannot be decoded included.
        """
        manifest, block = self.folder.manifest, self._read(number)
        result = attacked(
            one,
            manifest,
            self.classifier,
            block,
            progress=lambda images: self.watch.advance(one.info.spec, images),
            on_pass=self.passed if isinstance(self.watch, BlockProgress) else None,
        )
        survives = survives_rounding(
            self.classifier, result, block.labels, manifest.batch, eot_samples=manifest.eot_samples, seed=manifest.seed
        )
        kept = self._gallery.kept(one.info.key, number, result.size.double().numpy(), result.success.numpy())
        about: dict[str, list[object]] = {"index": block.index.tolist(), "name": [*map(stored, block.names)]}
        self.folder.write_part(one.info.key, number, rows_of(result, block.images, block.labels, survives, about, kept))
        files = self.origin.files()
        if files.keys() - manifest.files.keys():
            self.folder.note_files(files)
        if images > len(block):
            self.watch.advance(one.info.spec, images - len(block))

    @cached_property
    def _gallery(self) -> Gallery:
        return Gallery(self.folder)

    def _run(self, parts: Sequence[Part]) -> list[Part]:
        def elsewhere(part: Part) -> None:
            if isinstance(part, AttackPart):
                self.watch.advance(part.planned.info.spec, part.images)

        return get_done(self.engine, parts, self.folder.path / LEASES, elsewhere)

    def _read(self, number: int) -> Block:
        """Read a block of images, once for all attacks that follow each other on it."""
        block = self._blocks.block(number)
        known = {bad.index for bad in self.folder.manifest.data.bad}
        bad = [BadImageInfo(index=bad.index, name=bad.name, reason=bad.reason) for bad in self.source.bad]
        if {one.index for one in bad} - known:
            self.folder.note_bad(bad)
        return block
