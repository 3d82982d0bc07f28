"""The teaching of a substitute in values: rounds, then attacks; each goes on where it stopped."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from brittle.blackbox.oracle import Oracle
from brittle.blackbox.substitute import Taught
from brittle.evaluation.substitute_lesson import Lesson
from brittle.evaluation.substitute_manifest import manifest_of, story_of
from brittle.evaluation.substitute_result import (
    Round,
    Substitute,
    read_substitute,
    round_of,
    transfer_of,
    write_course,
)
from brittle.evaluation.substitute_transfer import Transferred, adversarial, measured
from brittle.metrics import Estimate, proportion
from brittle.runs.checkpoint import read_checkpoint, write_checkpoint
from brittle.runs.kinds import WEIGHTS_FILE
from brittle.runs.results import SubstituteFolder
from brittle.training.accuracy import accuracy
from brittle.training.epoch import Epoch, epoch_seed
from brittle.training.fit import fit
from brittle.training.named import seeded
from brittle.training.trainable import check_shape
from brittle.training.weights import save_weights
from brittle.types import Images, Labels

PENDING = "adversarial"
"""The images of an attack that the oracle is being shown: they are made once, and shown again if they have to be."""


@dataclass(frozen=True)
class Told:
    """Who is told how it goes; arguments as of `substitute`."""

    progress: Callable[[Round], None] | None = None
    transferred: Callable[[Transferred], None] | None = None
    watch: Callable[[float], None] | None = None
    tell: Callable[[str], None] | None = None

    def part(self, done: float, first: float = 0.0, last: float = 1.0) -> None:
        """Tell which fraction is done of a piece that reaches from one fraction of the whole to another."""
        if self.watch is not None:
            self.watch(first + done * (last - first))


def teach(lesson: Lesson, path: Path, command: Sequence[str], told: Told, *, force: bool = False) -> Substitute:
    """Teach a substitute, and show the oracle what fools it.

    Args:
        lesson: what is asked.
        path: the folder.
        command: what the user typed, word by word.
        told: who is told how it goes.
        force: replace what other work left in the folder.

    Raises:
        BrittleError: as `substitute`.
    """
    check_shape(lesson.design.name, lesson.design.input_shape, lesson.seeds.images)
    lesson.check_budget()
    first = seeded(lesson.design.build, lesson.seed)
    manifest = manifest_of(lesson, first, command)
    with SubstituteFolder.create(path, manifest, force=force) as folder:
        if not folder.whole:
            oracle = lesson.asked.oracle(folder.answers, lesson.budget)
            try:
                work = _Work(lesson, folder, oracle, told, first.to(lesson.device))
                work.all_rounds()
                work.all_attacks()
                story = story_of(lesson, command, work.figures())
            finally:
                oracle.close()
            about = {
                name: story[name] for name in ("architecture", "oracle", "command", "settings", "data", "versions")
            }
            save_weights(folder.path / WEIGHTS_FILE, work.module, about)
            write_course(folder, story)
        folder.finish()
    return read_substitute(folder)


@dataclass
class _Work:
    """Work under way, as its checkpoint holds it."""

    lesson: Lesson
    folder: SubstituteFolder
    oracle: Oracle
    told: Told
    module: nn.Module
    taught: Taught = field(init=False)
    rounds: tuple[Round, ...] = ()
    transfers: tuple[Transferred, ...] = ()
    pending: tuple[Images, int] | None = None
    loss: float = 0.0

    def __post_init__(self):
        self.taught = Taught.begun(self.lesson.seeds.images)
        self.began = time.perf_counter()
        if self.folder.checkpoint.exists():
            self._load()

    def all_rounds(self) -> None:
        """Make the rounds that are missing."""
        teaching = self.lesson.recipe.teaching
        how: dict[str, Any] = {"seed": self.lesson.seed, "told": self._round_done}
        self.taught = teaching.taught(self.module, self.taught, self._labels, self._train, **how)

    def all_attacks(self) -> None:
        """Make the attacks that are missing, each time the images first and the questions afterwards."""
        unseen, before = self.lesson.unseen, self._before()
        for planned in self.lesson.planned[len(self.transfers) :]:
            if self.pending is None:
                self.pending = adversarial(planned, self.module, unseen.images, self.lesson.seed)
                self._save()
            images, fooled = self.pending
            after = self._asked(images, "transfer", 0.0, 1.0)
            cost = self.oracle.spent.get("transfer", 0) - sum(one.queries for one in self.transfers)
            self.transfers += (measured(planned, fooled, after, before, unseen.labels, cost),)
            self.pending = None
            self._save()
            if self.told.transferred is not None:
                self.told.transferred(self.transfers[-1])

    def figures(self) -> dict[str, Any]:
        """Return what was measured, as JSON can hold it."""
        right = int((self._before() == self.lesson.unseen.labels).sum())
        return {
            "rounds": [asdict(one) for one in self.rounds],
            "transfers": [asdict(one) for one in self.transfers],
            "oracle_accuracy": asdict(proportion(right, len(self.lesson.unseen.labels))),
            "queries": self.oracle.spent,
        }

    def _before(self) -> Labels:
        """Return the oracle's labels of the test images as they are."""
        return self.oracle.labels(self.lesson.unseen.images, "agreement")

    def _labels(self, images: Images) -> Labels:
        return self._asked(images, "training", 0.0, 0.5)

    def _asked(self, images: Images, purpose: str, first: float, last: float) -> Labels:
        count = max(len(images), 1)
        return self.oracle.labels(images, purpose, lambda done: self.told.part(done / count, first, last))

    def _train(self, module: nn.Module, images: Images, labels: Labels, number: int) -> None:
        settings = replace(self.lesson.recipe.training, seed=epoch_seed(self.lesson.seed, number, "substitute"))
        epochs: list[Epoch] = []

        def watch(done: float) -> None:
            self.told.part((len(epochs) + done) / max(settings.epochs, 1), 0.5, 1.0)

        history = fit(module, images, labels, settings=settings, progress=epochs.append, watch=watch)
        self.loss = history.epochs[-1].loss if history.epochs else float("nan")

    def _round_done(self, taught: Taught) -> None:
        unseen, before, now = self.lesson.unseen, self._before(), time.perf_counter()
        done = Round(
            number=taught.rounds,
            images=len(taught.labels),
            queries=self.oracle.spent.get("training", 0),
            loss=self.loss,
            agreement=self._measured(before),
            accuracy=self._measured(unseen.labels),
            transfer=self._transfers(before),
            seconds=now - self.began,
        )
        self.taught, self.began = taught, now
        self.rounds += (done,)
        self._save()
        if self.told.progress is not None:
            self.told.progress(done)

    def _measured(self, truth: Labels) -> Estimate:
        images = self.lesson.unseen.images
        return proportion(round(accuracy(self.module, images, truth) * len(images)), len(images))

    def _transfers(self, before: Labels) -> Estimate | None:
        """Return what transfers so far, by the first attack on the first test images."""
        most, unseen = self.lesson.each_round, self.lesson.unseen
        right = (before == unseen.labels)[:most]
        if not bool(right.any()):
            return None
        images, _ = adversarial(self.lesson.watched(), self.module, unseen.images[:most], self.lesson.seed)
        wrong = self.oracle.labels(images, "rounds") != unseen.labels[:most]
        return proportion(int((wrong & right).sum()), int(right.sum()))

    def _save(self) -> None:
        tensors = {f"module.{name}": one for name, one in self.module.state_dict().items()}
        tensors |= {"images": self.taught.images, "labels": self.taught.labels}
        header: dict[str, Any] = {"rounds": [asdict(one) for one in self.rounds]}
        header |= {"transfers": [asdict(one) for one in self.transfers], "fooled": None}
        if self.pending is not None:
            tensors[PENDING], header["fooled"] = self.pending
        write_checkpoint(self.folder.checkpoint, "substitute", self.folder.manifest.identity, header, tensors)

    def _load(self) -> None:
        kept = read_checkpoint(self.folder.checkpoint, "substitute", self.folder.manifest.identity)
        weights = {name.removeprefix("module."): one for name, one in kept.tensors.items() if name[:7] == "module."}
        self.module.load_state_dict(weights)
        self.rounds = tuple(round_of(one) for one in kept.header["rounds"])
        self.transfers = tuple(transfer_of(one) for one in kept.header["transfers"])
        self.taught = Taught(kept.tensors["images"], kept.tensors["labels"], len(self.rounds))
        if PENDING in kept.tensors:
            self.pending = kept.tensors[PENDING], kept.header["fooled"]
        if self.told.tell is not None:
            self.told.tell(
                f"going on after round {len(self.rounds)}; {sum(self.oracle.spent.values()):,} queries so far"
            )
