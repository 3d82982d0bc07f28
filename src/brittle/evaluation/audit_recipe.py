"""How a worker in another process opens what an audit attacks, and does parts of it by their names."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from brittle.core.attack import Attack
from brittle.engine.engine import LocalEngine
from brittle.engine.portable import begin_at, own_device
from brittle.errors import BrittleError, RunError
from brittle.evaluation.prepared import prepare
from brittle.evaluation.work import AttackPart, Sent, Work
from brittle.limits import Limits, use_limits
from brittle.runs.folder import MANIFEST
from brittle.runs.manifest import Manifest
from brittle.runs.read import read_manifest
from brittle.runs.store import RunFolder
from brittle.specs import Asked


@dataclass(frozen=True)
class AuditRecipe:
    """What an audit was called with, for workers that open the same by themselves.

    Attributes:
        asked: the network, the images, the question and the effort.
        attacks: as text or as values.
        manifest: of the run.
        path: of its folder, which a worker may see or not.
        start: the folder from which relative names of files count.
        limits: what files may take.
        apart: the folder is the working copy of a remote one, which the process that gives the parts out alone writes.
    """

    asked: Asked
    attacks: tuple[str | Attack, ...]
    manifest: Manifest
    path: Path
    start: Path
    limits: Limits
    apart: bool = False

    @property
    def device(self) -> str:
        """Where the network lies."""
        return self.manifest.device

    def carried(self) -> Mapping[str, object]:
        """Return what is no text."""
        model, data = self.asked.model, self.asked.data
        named: dict[str, object] = {
            "the network": model.spec,
            "the defence": model.defence,
            "the defence's data": model.defence_data,
            "the channel": model.channel,
            "the images": data.spec,
            "the threat": self.asked.question.threat,
            **{f"attack {number}": one for number, one in enumerate(self.attacks, 1)},
        }
        return {name: one for name, one in named.items() if not isinstance(one, str | Path | None)}

    def open(self, mark: Path) -> "AuditBench":
        """Open network and images, and see that they are those of the run.

        Raises:
            RunError: they are others.
            BrittleError: they cannot be opened.
        """
        begin_at(self.start)
        device = self.asked.effort.device
        effort = replace(
            self.asked.effort,
            eot_samples=self.manifest.eot_samples,
            device=None if device is None else own_device(device),
        )
        with use_limits(self.limits):
            ready = prepare(replace(self.asked, effort=effort), self.attacks, None)
        found = self._comparable(ready.manifest)
        if found.identity_fields() != self.manifest.identity_fields():
            listed = "".join(f"\n  {line}" for line in self.manifest.differences(found))
            raise RunError(f"it is not what the run in {self.path} is of:{listed}\n")
        away = None if self._sees_run(mark) else tempfile.TemporaryDirectory(prefix="brittle-")
        folder = RunFolder.create(self.path if away is None else Path(away.name), self.manifest)
        counted = Counted()
        work = Work(folder, ready.planned, ready.classifier, ready.source, ready.origin, counted, LocalEngine(), self)
        return AuditBench(work, {part.name: part for part in work.parts()}, counted, self.limits, away)

    def _comparable(self, found: Manifest) -> Manifest:
        """Return what a worker found as the run would state it, so that it differs only where rows could.

        The code of what came as a value came with it, and is known here by other names, if by any; of its files those
        are compared that both know.
        """
        found = found.model_copy(update={"block": self.manifest.block}).without_late(self.manifest)
        if not self.carried() or found.code is None or self.manifest.code is None:
            return found
        known = {
            group: {**ours, **{name: one for name, one in theirs.items() if name in ours}}
            for group in ("yours", "packages")
            for ours, theirs in [(getattr(self.manifest.code, group), getattr(found.code, group))]
        }
        return found.model_copy(update={"code": found.code.model_copy(update=known)})

    def _sees_run(self, mark: Path) -> bool:
        """Whether the folder of the run is that of the process that gives the parts out, and no copy of it."""
        if self.apart:
            return False
        try:
            return mark.exists() and read_manifest(self.path / MANIFEST, Manifest).identity == self.manifest.identity
        except (BrittleError, OSError):
            return False


@dataclass(eq=False)
class Counted:
    """A watch that counts the points that the network is shown, until they are asked for."""

    _points: int = 0

    def begin(self, total: int, done: int) -> None:
        """Do nothing."""

    def advance(self, attack: str, images: int) -> None:
        """Do nothing: who gave the part out knows how many images it has."""

    def note(self, text: str) -> None:
        """Do nothing: what is found is found where the run is prepared."""

    def passed(self, points: int) -> None:
        """Count them."""
        self._points += points

    def taken(self) -> int:
        """Return how many there were since this was last asked."""
        points, self._points = self._points, 0
        return points


@dataclass(eq=False)
class AuditBench:
    """An audit opened by a worker.

    Attributes:
        work: the run, in its folder or in one of the worker's own.
        parts: by their names.
        counted: the points that the network is shown.
        limits: what files may take.
        away: the worker's own folder, where it does not see that of the run.
    """

    work: Work
    parts: Mapping[str, AttackPart]
    counted: Counted
    limits: Limits
    away: "tempfile.TemporaryDirectory[str] | None" = field(default=None)

    def do(self, name: str) -> Sent:
        """Attack a block of images; return its rows where they are not in the folder of the run now."""
        part, folder = self.parts[name], self.work.folder
        with use_limits(self.limits):
            part.do()
        rows = None
        if self.away is not None:
            path = folder.part_path(part.planned.info.key, part.number)
            rows = path.read_bytes()
            path.unlink()
        return Sent(rows, list(folder.manifest.data.bad), dict(folder.manifest.files))

    def points(self) -> int:
        """Return how many points the network was shown since this was last asked."""
        return self.counted.taken()

    def close(self) -> None:
        """Let go of the folder of the run, or remove the worker's own."""
        self.work.folder.close()
        if self.away is not None:
            self.away.cleanup()
