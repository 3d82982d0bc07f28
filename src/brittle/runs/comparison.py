"""What a comparison of audits comes to, as it lies in its folder: ``comparison.json`` and a few pictures."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from brittle.identity.compare import fingerprint
from brittle.metrics import PairedRates
from brittle.runs.json_numbers import json_numbers
from brittle.runs.kinds import COMPARISON_FILE
from brittle.runs.manifest_info import Command, Name, Norm, Settings, Strict
from brittle.runs.printed import Origin
from brittle.runs.rate import Number, Rate
from brittle.runs.sealed_file import read_sealed, write_sealed

FORMAT = 1
"""Version of ``comparison.json``."""
PICTURES = "pictures"
"""Folder of the pictures of images that changed sides."""
STAGES = ("original", "adversarial")
"""Ends of the names of an image's pictures."""
MOST = 1_000_000
"""Images that changed sides, audits and classes: a file has no more."""
Side = Literal["lost", "gained"]
"""Whether an image stood before and does not after, or the other way round."""


class Paired(Strict):
    """A rate of the same images before and after, as of `brittle.metrics.PairedRates`."""

    before: Rate
    after: Rate
    difference: Rate
    lost: int = Field(ge=0)
    gained: int = Field(ge=0)
    chance: float = Field(ge=0, le=1)

    @classmethod
    def of(cls, found: PairedRates) -> "Paired":
        """Take over a comparison of rates."""
        rates = {name: Rate.of(getattr(found, name)) for name in ("before", "after", "difference")}
        return cls(**rates, lost=found.lost, gained=found.gained, chance=found.chance)


class ChangedImage(Strict):
    """An image that stands in one audit and not in the other.

    Attributes:
        index, name: position in the data, and name there.
        label: its class.
        side: whether it stands before or after.
        wrong: whether the audit in which it does not stand has it wrong before any attack.
        attack: that broke it there by the smallest change; "" where it is wrong already.
        size: of that change.
        prediction: the class that it is taken for there.
    """

    index: int = Field(ge=0)
    name: Name
    label: Name
    side: Side
    wrong: bool
    attack: Name
    size: Number
    prediction: Name


class ComparedClass(Strict):
    """How many images of a class stand before and after."""

    name: Name
    images: int = Field(gt=0)
    before: int = Field(ge=0)
    after: int = Field(ge=0)


class Difference(Strict):
    """What changed from the first audit to another.

    Attributes:
        robust, clean: both accuracies.
        least_drop, most_drop: by how much the robust accuracy fell at least and at most, one-sided, at the level of the
            comparison; below 0 where it may have risen.
        factor: the median factor from the smallest change of an image before to that after; None without a search.
        changed: the images that changed sides, in the order of the images.
        classes: by how many images each class stands, those that lost most first.
        differs: settings that differ and do not forbid a comparison, in sentences.
    """

    robust: Paired
    clean: Paired
    least_drop: float
    most_drop: float
    factor: Rate | None
    changed: list[ChangedImage] = Field(max_length=MOST)
    classes: list[ComparedClass] = Field(max_length=MOST)
    differs: list[Name]

    @property
    def newly_fallen(self) -> list[ChangedImage]:
        """The images that stood before and do not now: those of `newly_broken`, and those that are wrong already."""
        return [*self.newly_broken, *(one for one in self.changed if one.side == "lost" and one.wrong)]

    @property
    def newly_broken(self) -> list[ChangedImage]:
        """The images that an attack breaks now and none did before, those that fall to the smallest changes first."""
        found = [one for one in self.changed if one.side == "lost" and not one.wrong]
        return sorted(found, key=lambda one: (one.size, one.index))


class ComparedAudit(Strict):
    """One audit of a comparison.

    Attributes:
        name: of its folder.
        network: what the user wrote, with its weights, and the channel and the defence before and around it.
    spec: what the user wrote alone; "" in a comparison of an older version.
        digest: of the network.
        identity: of the run.
        seed: of its random draws.
        clean, robust: its accuracies over the images that are compared.
        median: of the smallest change; None without a search.
        failed: titles of the checks that failed; `flattering`: of those that may make it look too robust.
        radii, accuracy: the robust accuracy against the radius.
        difference: from the first audit; None of the first itself.
    """

    name: Name
    network: Name
    digest: str
    identity: str
    seed: int
    clean: Rate
    robust: Rate
    median: Rate | None
    failed: list[Name]
    flattering: list[Name]
    radii: list[Number]
    accuracy: list[float]
    difference: Difference | None = None
    spec: Name = ""


class Comparison(Strict):
    """Audits of the same question about the same images.

    Attributes:
        created: ISO 8601 in UTC.
        command: the command line, word by word; empty from Python.
        versions: package name to version.
        norm, radius, settings: the question.
        data: what the user wrote; `content`: sha256 of it; `images`: how many of it are compared.
        attacks: as they were written in the first audit.
        bounds: least and greatest value of a pixel.
        level: with which probability each one-sided end of a drop holds.
        audits: the first, and those that are compared with it.
        notes: which audits have more images, and what became of pictures.
    """

    format: Literal[1] = FORMAT
    created: str
    command: Command
    versions: dict[str, str]
    norm: Norm
    radius: float | None
    settings: Settings
    data: Name
    content: str
    images: int = Field(gt=0)
    attacks: list[Name]
    bounds: tuple[float, float]
    level: float = Field(gt=0, lt=1)
    audits: list[ComparedAudit] = Field(min_length=2, max_length=MOST)
    notes: list[Name] = Field(default_factory=list[str])

    @property
    def identity(self) -> str:
        """By which it is told from comparisons of other audits."""
        return fingerprint([one.identity for one in self.audits])

    @property
    def first(self) -> ComparedAudit:
        """The audit that the others are compared with."""
        return self.audits[0]

    @property
    def others(self) -> list[tuple[ComparedAudit, Difference]]:
        """Those that are compared with it, and what changed."""
        return [(one, one.difference) for one in self.audits[1:] if one.difference is not None]

    @property
    def origin(self) -> Origin:
        """What the audits were made from."""
        networks = [{"spec": one.network, "digest": one.digest} for one in self.audits]
        data = [{"spec": self.data, "digest": self.content, "images": self.images}]
        return Origin(networks, data, self.first.seed, None, self.created, self.created, self.versions)

    def plain(self) -> dict[str, Any]:
        """Return what JSON can say beside its origin; see `brittle.runs.json_numbers` for what is infinite."""
        return json_numbers(self.model_dump(exclude={"format", "created", "command", "versions"}))


def is_comparison(folder: Path) -> bool:
    """Say whether the folder of a comparison is there."""
    return (folder / COMPARISON_FILE).is_file()


def picture(folder: Path, audit: int, index: int, stage: str) -> Path:
    """Return where a picture of an image that another audit lost lies.

    Args:
        folder: of the comparison.
        audit: place of the audit, from 1.
        index: of the image.
        stage: one of `STAGES`.
    """
    return folder / PICTURES / f"{audit:02d}-{index:06d}-{stage}.png"


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write ``comparison.json``; errors as of `write_sealed`."""
    write_sealed(folder / COMPARISON_FILE, comparison)


def read_comparison(folder: Path) -> Comparison:
    """Read the comparison in a folder; errors as of `read_sealed`."""
    return read_sealed(folder / COMPARISON_FILE, Comparison, "a comparison")
