"""What a run folder says, brought to the images that every attack has done."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from brittle import metrics
from brittle.errors import RunError
from brittle.metrics import Estimate, Outcome
from brittle.metrics.estimate import Flags
from brittle.metrics.formats import Units
from brittle.metrics.rows import flags
from brittle.report.formats import placeless, subject
from brittle.runs.finding import Health
from brittle.runs.manifest import AttackInfo, Manifest
from brittle.runs.store import ANEW, RunFolder


@dataclass(frozen=True)
class AttackRows:
    """An attack of the plan with its rows.

    Attributes:
        info: what it was.
        table: its rows.
        title: what the reader knows it by: what the user wrote, or its key where two were written alike.
    """

    info: AttackInfo
    table: pa.Table
    title: str

    @property
    def searches(self) -> bool:
        """Whether it looked for the smallest change instead of one within a radius."""
        return self.info.kind == "minimum"


@dataclass(frozen=True)
class RunData:
    """A run folder as the report's sections need it.

    Attributes:
        folder: the run folder.
        attacks: the attacks that have rows, brought to the same images.
        waiting: the attacks of an unfinished run that have none.
    """

    folder: RunFolder
    attacks: tuple[AttackRows, ...]
    waiting: tuple[AttackInfo, ...]

    @property
    def manifest(self) -> Manifest:
        """What the run is."""
        return self.folder.manifest

    @property
    def norm(self) -> str:
        """The norm of the question."""
        return self.manifest.threat.norm

    @property
    def radius(self) -> float | None:
        """The largest change of the question, None for no limit."""
        return self.manifest.threat.radius

    @property
    def units(self) -> Units:
        """How sizes are written."""
        lower, upper = self.manifest.network.bounds
        return Units(upper - lower)

    @property
    def tables(self) -> list[pa.Table]:
        """The rows of each attack."""
        return [attack.table for attack in self.attacks]

    @cached_property
    def correct(self) -> Flags:
        """Which images were right before."""
        return flags(self.attacks[0].table, "correct")

    @cached_property
    def hits(self) -> list[Flags]:
        """For each attack, which images it broke within the radius."""
        return [metrics.broken(table, self.norm, self.radius) for table in self.tables]

    @cached_property
    def fallen(self) -> Flags:
        """Which images some attack broke within the radius."""
        return np.any(self.hits, axis=0)

    @cached_property
    def fallen_rounded(self) -> Flags:
        """Which of them some attack broke so that it holds after rounding to 8 bits."""
        return np.any(
            [hit & flags(table, "rounded_success") for hit, table in zip(self.hits, self.tables, strict=True)], axis=0
        )

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.correct)

    @cached_property
    def clean(self) -> Estimate:
        """Accuracy before the attacks."""
        return metrics.clean_accuracy(self.tables[0])

    @cached_property
    def robust(self) -> Estimate:
        """Accuracy after them, worst case per image."""
        return metrics.robust_accuracy(self.tables, self.norm, self.radius)

    @cached_property
    def health(self) -> Health | None:
        """What the checks of the evaluation found; None where they were not made."""
        return self.folder.health()

    @property
    def unfinished(self) -> bool:
        """Whether some of it is still to be done."""
        return self.manifest.status == "running"

    @property
    def doubt(self) -> str:
        """Why its numbers are no result; "" where they are one as far as the checks can tell."""
        if self.unfinished:
            return "the audit is not finished"
        return "" if self.health is None or self.health.reliable else "a check of the evaluation failed"

    @property
    def outcomes(self) -> list[Outcome]:
        """The attacks as the metrics take them."""
        return [self.outcome(attack) for attack in self.attacks]

    def outcome(self, attack: AttackRows) -> Outcome:
        """One attack as the metrics take it; a radius in another norm than the question's says nothing about it."""
        return Outcome(attack.table, attack.info.radius_in(self.norm))

    @cached_property
    def optimality(self) -> dict[str, Estimate]:
        """How close each search for the smallest change comes to the smallest ones known, by key; needs two searches.

        Known are the changes of all attacks in the norm of the question, those at a radius as well.
        """
        compared = [attack for attack in self.attacks if attack.info.norm == self.norm]
        searches = {attack.info.key for attack in compared if attack.searches}
        if len(searches) < 2 or not self.correct.any():
            return {}
        sizes = {one.info.key: metrics.minimal_sizes(one.table) for one in compared}
        if not any(np.isfinite(found).any() for found in sizes.values()):
            return {}
        found = metrics.optimality(sizes)
        return {key: fraction for key, fraction in found.items() if key in searches}

    @property
    def searchers(self) -> list[AttackRows]:
        """The attacks that look for the smallest change in the norm of the question; failing these, in any norm."""
        found = [attack for attack in self.attacks if attack.searches]
        return [attack for attack in found if attack.info.norm == self.norm] or found

    @property
    def title(self) -> str:
        """The network in short: what the user wrote, without the folders of a file."""
        return subject(self.manifest.network.spec)

    @cached_property
    def smallest(self) -> Estimate | None:
        """The median smallest change in the norm of the question, per image over all searches; None without one."""
        return metrics.median_smallest(self.outcomes, self.norm) if self.searchers else None

    @cached_property
    def smallest_rounded(self) -> tuple[int, int]:
        """How many of these smallest changes still fool when saved in 8 bits, and how many there are."""
        tables = [attack.table for attack in self.attacks if attack.searches]
        sizes = np.stack([metrics.minimal_sizes(table, self.norm) for table in tables])
        kept = np.stack([flags(table, "rounded_success")[self.correct] for table in tables])
        found = np.asarray(np.isfinite(sizes).any(axis=0))
        return int(kept[sizes.argmin(axis=0), np.arange(len(found))][found].sum()), int(found.sum())

    @property
    def finders(self) -> str:
        """Who found the smallest changes, in words."""
        names = [attack.info.name for attack in self.attacks if attack.searches]
        return f"found by {names[0]}" if len(names) == 1 else f"the smallest per image over {len(names)} searches"

    def label(self, number: int) -> str:
        """Name of a class, or its number where it has none."""
        return self.manifest.data.class_name(number)


def load_run_data(folder: RunFolder) -> RunData:
    """Read a run folder.

    Args:
        folder: from `RunFolder.open`.

    Returns:
        Its rows for the images that every attack that has begun has done.

    Raises:
        RunError: a part is damaged, one of a finished run is missing, or no image was done by every attack yet.
    """
    _whole(folder)
    tables = folder.tables()
    infos = folder.manifest.attacks
    begun = [info for info in infos if tables[info.key].num_rows]
    aligned = metrics.common_images([tables[info.key] for info in begun]) if begun else []
    if not aligned or not aligned[0].num_rows:
        raise RunError(f"{folder.path} has no image that every attack has done yet: go on with the audit, then report")
    written = [info.spec for info in infos]
    titles = [placeless(info.spec) if written.count(info.spec) == 1 else info.key for info in begun]
    attacks = tuple(AttackRows(*each) for each in zip(begun, aligned, titles, strict=True))
    return RunData(folder, attacks, tuple(info for info in infos if not tables[info.key].num_rows))


def _whole(folder: RunFolder) -> None:
    """Refuse a run that is marked as finished and lacks a part: its numbers would be of fewer images than it says."""
    if folder.manifest.status != "finished":
        return
    for info in folder.manifest.attacks:
        there = folder.blocks(info.key)
        if len(there) < folder.manifest.blocks:
            first = next((number for number, one in enumerate(there) if number != one), len(there))
            path = folder.part_path(info.key, first)
            raise RunError(f"the run is marked as finished, but its part {path} is missing; {ANEW}")
