"""Images of an earlier attack on their way through a channel or over paper, and what the network says of them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brittle.classifiers.eot import mean_logits
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import of_classes, refused
from brittle.data.decode import decode
from brittle.errors import BadImage, RunError, quoted
from brittle.evaluation.attacked_images import AttackedImage, AuditedImages, Opened, SavedImages
from brittle.evaluation.channelled import spelled_channel
from brittle.evaluation.progress import Progress
from brittle.maths.losses import decided
from brittle.names import stored
from brittle.physical import Channel
from brittle.physical.layout import Layout
from brittle.physical.reader import Photograph, SheetReading, read_sheet
from brittle.physical.sheet import open_sheet, write_sheet
from brittle.pictures import picture_of, save_picture
from brittle.reading import read_bytes
from brittle.runs.photographs import ON_PAPER, STAGES, Photographed, PhotographedRow, picture_path
from brittle.runs.surroundings import now
from brittle.version import __version__
from brittle.words import plural

SHOWN = 6
"""Images of each attack whose pictures are kept."""
SAID = ("rank", "prediction", "confidence")
"""What is kept of an answer."""


@dataclass(frozen=True)
class PaperChannel:
    """Photographs of a sheet in place of a channel.

    Attributes:
        reading: what they show.
    """

    reading: SheetReading

    @property
    def printed(self) -> frozenset[str]:
        """The names of all images on the sheet."""
        return frozenset({*self.reading.found, *self.reading.missing})

    def seen(self, names: Sequence[str]) -> list[Tensor | None]:
        """What is on the photographs of some images."""
        return [self.reading.found.get(name) for name in names]


@dataclass(frozen=True)
class PhotographWork:
    """The images of a run on their way.

    Attributes:
        images: original and adversarial.
        out: the folder for rows and pictures.
        most: images of a number from here on are left out; None for none.
        seed: of the channel's random numbers.
        watch: who is told of the progress.
    command: the command line, to be kept with the rows.
        shown: how many images of each attack have pictures.
    """

    images: AuditedImages | SavedImages
    out: Path
    most: int | None
    seed: int
    watch: Progress
    command: Sequence[str] = ()
    shown: Counter[str] = field(default_factory=Counter[str])

    def _batches(self) -> Iterator[list[AttackedImage]]:
        """The images with an original below the limit."""
        for batch in self.images.batches():
            some = [one for one in batch if self.most is None or one.index < self.most]
            if some:
                yield some
            if batch and not some and isinstance(self.images, SavedImages):
                return

    def print_sheet(self, path: Path, layout: Layout | None, *, force: bool) -> None:
        """Write the sheet of all images that have an adversarial one."""
        printed: dict[str, Tensor] = {}
        for one in chain.from_iterable(self._batches()):
            if one.adversarial is not None:
                printed[_name(one)] = one.original
                printed[_name(one, adversarial=True)] = one.adversarial
        if not printed:
            raise RunError(f"{self.images.path} holds no adversarial image that could be printed")
        files = write_sheet(printed, path, layout, about={"run": self.images.identity}, force=force)
        self.watch.note(f"a sheet of {plural(len(printed), 'image')} lies in {', '.join(map(str, files[:-1]))}")

    def of_sheet(self, path: Path, photos: Sequence[Path | str], *, even_light: bool) -> PaperChannel:
        """Read photographs of the sheet of this run."""
        sheet = open_sheet(path)
        if sheet.about.get("run") != self.images.identity:
            raise RunError(f"{path} is not the sheet of {self.images.path}, but of other images; give the right one")
        shots: list[Photograph] = [_decoded(Path(one)) for one in photos]
        reading = read_sheet(sheet, shots, names=[str(one) for one in photos], even_light=even_light)
        for one, marks in zip(photos, reading.marks, strict=True):
            self.watch.note(f"{one}: {plural(marks, 'mark')} read")
        return PaperChannel(reading)

    def _about(self, network: Opened, shot: Channel | PaperChannel) -> dict[str, str]:
        """What determines the rows, but for what is on photographs."""
        return {
            "run": str(self.images.path),
            "id": self.images.identity,
            "network": network.spec,
            "content": network.digest,
            "channel": spelled_channel(shot) if isinstance(shot, Channel) else ON_PAPER,
            "seed": str(self.seed),
            "samples": str(network.eot_samples),
            "images": "all" if self.most is None else str(self.most),
            "brittle": __version__,
        }

    def _network(self, eot_samples: int | None) -> Opened:
        network = self.images.network
        return network if eot_samples is None else replace(network, eot_samples=eot_samples)

    def made(self, shot: Channel | PaperChannel, eot_samples: int | None) -> Photographed | None:
        """Return what the same words have made before; None for other words, and for photographs on paper."""
        if isinstance(shot, PaperChannel):
            return None
        made = Photographed.open(self.out)
        return made if made.about == self._about(self._network(eot_samples), shot) else None

    def go(self, shot: Channel | PaperChannel, eot_samples: int | None) -> Photographed:
        """Ask the network about all images, and keep what it says."""
        network = self._network(eot_samples)
        rows: list[PhotographedRow] = []
        left_out = 0
        self.watch.begin(min(self.images.count, self.most or self.images.count), 0)
        for batch in self._batches():
            kept = [one for one in batch if isinstance(shot, Channel) or _name(one) in shot.printed]
            left_out += len(batch) - len(kept)
            rows += self._asked(network, kept, shot, len(rows)) if kept else []
            self.watch.advance(batch[0].attack, len(batch))
        if not rows:
            raise RunError(f"{self.images.path} holds no images that could be photographed; give another run")
        missing = [*shot.reading.missing] if isinstance(shot, PaperChannel) else []
        said = self.images.said(sum(row.rank is not None for row in rows))
        if left_out:
            said.append(f"{plural(left_out, 'image')} of the run left out, which the sheet does not have")
        if self.images.channel:
            said.append(
                f"the attack went through {self.images.channel}; the figures before the channel are of the network "
                "without it, which what was made for a channel need not break"
            )
        about, classes = self._about(network, shot), [*self.images.classes]
        command = [stored(word) for word in self.command]
        made = Photographed(self.out, about, rows, classes, missing, said, now(), command)
        made.write()
        return made

    def _asked(
        self, network: Opened, batch: Sequence[AttackedImage], shot: Channel | PaperChannel, first: int
    ) -> list[PhotographedRow]:
        originals: list[Tensor | None] = [one.original for one in batch]
        adversarial = [one.adversarial for one in batch]
        ids = [one.index for one in batch]
        if isinstance(shot, PaperChannel):
            seen = shot.seen([_name(one) for one in batch]), shot.seen([_name(one, adversarial=True) for one in batch])
        else:
            seen = self._through(shot, originals, ids), self._through(shot, adversarial, ids)
        answers = [self._answers(network, some, batch) for some in (originals, adversarial, *seen)]
        answers[1] = [_Answer() if one.refused else one for one in answers[1]]  # which fools nobody
        rows: list[PhotographedRow] = []
        for place, one in enumerate(batch):
            given = dict[str, Any]()
            for kind, answer in zip(("clean_", "", "clean_channel_", "channel_"), answers, strict=True):
                there = kind.startswith("clean_") or answers[1][place].rank is not None
                given |= {f"{kind}{name}": getattr(answer[place], name) if there else None for name in SAID}
            rows.append(PhotographedRow(attack=one.attack, index=one.index, name=one.name, label=one.label, **given))
            if answers[1][place].rank is not None and self.shown[one.attack] < SHOWN:
                self.shown[one.attack] += 1
                self._keep(first + place, (one.original, one.adversarial, seen[0][place], seen[1][place]))
        return rows

    def _through(self, channel: Channel, images: Sequence[Tensor | None], ids: Sequence[int]) -> list[Tensor | None]:
        """Send images through the channel, each with the random numbers of its own."""
        there = [place for place, one in enumerate(images) if one is not None]
        found: list[Tensor | None] = [None] * len(images)
        if there:
            some = torch.stack([one for one in images if one is not None])
            moved = channel(some, seed=self.seed, ids=torch.tensor([ids[place] for place in there]))
            for place, one in zip(there, moved, strict=True):
                found[place] = one
        return found

    def _answers(
        self, network: Opened, images: Sequence[Tensor | None], batch: Sequence[AttackedImage]
    ) -> "list[_Answer]":
        """What the network says of images, nothing where there is none."""
        there = [place for place, one in enumerate(images) if one is not None]
        found = [_Answer()] * len(images)
        if not there:
            return found
        classifier = network.classifier
        with preserving_state(classifier.module, self.seed), torch.no_grad():
            some = torch.stack([one for one in images if one is not None]).to(classifier.device, classifier.dtype)
            size = len(some) * network.eot_samples
            outputs = mean_logits(classifier, some, network.eot_samples, seed=self.seed, batch=size).cpu()
        logits, turned_away = of_classes(classifier, outputs).double(), refused(classifier, outputs).tolist()
        labels = torch.tensor([batch[place].label for place in there])
        if int(labels.max()) >= logits.shape[1]:
            raise RunError(
                f"{self.images.path} has labels up to {int(labels.max())}; the network has {logits.shape[1]}"
            )
        ranks = (logits > logits.gather(1, labels[:, None])).sum(1)
        sure, guesses = decided(logits)
        for row, place in enumerate(there):
            rank = logits.shape[1] if turned_away[row] else int(ranks[row])
            found[place] = _Answer(rank, int(guesses[row]), float(sure[row]), turned_away[row])
        return found

    def _keep(self, number: int, pictures: Sequence[Tensor | None]) -> None:
        for stage, one in zip(STAGES, pictures, strict=True):
            if one is not None:
                save_picture(picture_of(one.cpu().numpy().astype(np.float64)), picture_path(self.out, number, stage))


@dataclass(frozen=True)
class _Answer:
    """What a network says of an image: the place of its label, the likeliest class and its confidence."""

    rank: int | None = None
    prediction: int | None = None
    confidence: float | None = None
    refused: bool = False


def _name(one: AttackedImage, *, adversarial: bool = False) -> str:
    """What an image is called on a sheet."""
    return f"{one.index:06d}-{one.attack if adversarial else 'original'}"


def _decoded(path: Path) -> Photograph:
    """Read a photograph, upright as its camera says."""
    try:
        picture = decode(read_bytes(path, "cell"), str(path))
    except BadImage as error:
        raise RunError(f"the photograph {quoted(path)} cannot be read: {error.reason}; leave it out") from error
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
    return np.asarray(picture)
