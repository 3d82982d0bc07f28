"""Audits of the same images side by side: what forbids comparing them, what else differs, and rows in one order."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from brittle.arguments import seen
from brittle.errors import InputError, RunError, quoted
from brittle.files import told
from brittle.metrics import Curve, Outcome, common_images, nearest_examples, security_curve, smallest_sizes, standing
from brittle.metrics.estimate import Flags, Floats, Integers
from brittle.metrics.rows import flags, integers
from brittle.names import in_shell, restored
from brittle.remote import at
from brittle.runs.base import data_fields, threat_fields
from brittle.runs.defence import ADAPTIVE, NAIVE, DefenceFolder, is_defence_folder
from brittle.runs.kinds import other_than_audit
from brittle.runs.manifest import AttackInfo, Manifest
from brittle.runs.own_question import code_of_question, words_of_question
from brittle.runs.store import RunFolder
from brittle.threats import described

TOLD = ("brittle's code", "packages", "draws", "search", "seed", "device", "versions")
"""Groups of a manifest's identity that may differ, and are said where they do."""


@dataclass(frozen=True)
class ComparedRows:
    """The rows of an audit, brought to the images that all compared audits have.

    Attributes:
        folder: the run.
        tables: one for each attack of the manifest, in its order.
        images: how many images the audit has, of which the tables may hold a part.
    """

    folder: RunFolder
    tables: tuple[pa.Table, ...]
    images: int

    @property
    def manifest(self) -> Manifest:
        """What the run is."""
        return self.folder.manifest

    @cached_property
    def correct(self) -> Flags:
        """Which images are right before any attack."""
        return flags(self.tables[0], "correct")

    @cached_property
    def index(self) -> Integers:
        """Positions of the images in the data."""
        return integers(self.tables[0], "index")

    @cached_property
    def standing(self) -> Flags:
        """Which images are right and stand every attack within the radius."""
        threat = self.manifest.threat
        return standing(self.tables, threat.norm, threat.radius)

    @cached_property
    def nearest(self) -> pa.Table:
        """For each image that an attack broke, in order, the row of the smallest change, with the `attack` it is of."""
        infos = self.manifest.attacks
        named = [
            table.append_column("attack", pa.array([info.spec] * table.num_rows, pa.string()))
            for table, info in zip(self.tables, infos, strict=True)
        ]
        return nearest_examples(named, self.manifest.threat.norm)

    @cached_property
    def smallest(self) -> Floats | None:
        """The size of each image's smallest change over all searches, as of `smallest_sizes`; None without a search."""
        searches = [one for one in self.outcomes if one.radius is None]
        return smallest_sizes(searches, self.manifest.threat.norm) if searches else None

    @property
    def outcomes(self) -> list[Outcome]:
        """The attacks as metrics take them."""
        norm = self.manifest.threat.norm
        infos = self.manifest.attacks
        return [Outcome(table, info.radius_in(norm)) for table, info in zip(self.tables, infos, strict=True)]

    def curve(self) -> Curve:
        """Return the robust accuracy against the radius, of the worst case per image."""
        return security_curve(self.outcomes, self.manifest.threat.norm)

    def label(self, number: int) -> str:
        """Return the name of a class, or its number where it has none."""
        classes = self.manifest.data.classes
        return restored(classes[number]) if 0 <= number < len(classes) else str(number)


def finished_runs(runs: Sequence[str | Path | RunFolder]) -> list[RunFolder]:
    """Open the folders of finished audits.

    Raises:
        InputError: a folder is given twice.
        RunError: a folder holds no audit, two of them, or one that is not finished; the message says what to do.
    """
    folders = opened_runs(runs)
    for folder in folders:
        if folder.manifest.status != "finished":
            raise RunError(
                f"{told(folder.path)} is not finished; give its command again, which goes on where it stopped: "
                f"{quoted(in_shell(map(restored, folder.manifest.command)) or 'brittle audit ...', 300)}"
            )
        if not all(folder.blocks(info.key) for info in folder.manifest.attacks):
            raise RunError(
                f"{told(folder.path)} is marked as finished and lacks rows of an attack; audit again into another "
                "folder"
            )
    return folders


def opened_runs(runs: Sequence[str | Path | RunFolder]) -> list[RunFolder]:
    """Open the folders of audits, finished or not.

    Raises:
        InputError: a folder is given twice.
        RunError: a folder holds no audit, or two of them; the message says what to do.
    """
    others = {
        str(run): what
        for run in runs
        if isinstance(run, str | PathLike) and (what := other_than_audit(Path(run))) is not None
    }
    if others:
        raise RunError(
            f"{'; '.join(f'{path} is {what}' for path, what in others.items())}: expected run folders of audits; leave "
            f"{'it' if len(others) == 1 else 'them'} out"
        )
    folders = [run if isinstance(run, RunFolder) else _opened(run) for run in runs]
    paths = [told(folder.path.resolve()) for folder in folders]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise InputError(f"{twice} is given twice; expected different runs")
    return folders


def _opened(run: object) -> RunFolder:
    run = run.path if isinstance(run, DefenceFolder) else run
    if not isinstance(run, str | PathLike):
        raise InputError(f"a run is {seen(run)}; expected the path of a run folder, or what brittle.audit returned")
    with at(cast("str", run), write=False) as place:
        path = place.path
        if is_defence_folder(path):
            raise RunError(
                f"{path} holds two audits of a defended network; give {path / ADAPTIVE}, which counts, or "
                f"{path / NAIVE}"
            )
        if path.is_file():
            raise RunError(f"{path} is a file; expected the run folder of an audit, such as {path.parent}")
        folder = RunFolder.open(path)
        place.keep_for(folder)
    return folder


def side_by_side(folders: Sequence[RunFolder]) -> list[ComparedRows]:
    """Read audits of the same question about the same images.

    Args:
        folders: at least two, the first of which the others are compared with.

    Returns:
        Their rows for the images that all of them have, in one order.

    Raises:
        RunError: a setting differs that decides what is measured (the message names all such settings), or they have no
            image in common.
    """
    for other in folders[1:]:
        lines = incomparable(folders[0].manifest, other.manifest)
        if lines:
            listed = "".join(f"\n  {line}" for line in lines)
            raise RunError(
                f"{told(folders[0].path)} and {told(other.path)} cannot be compared; audit one of them again with what "
                f"the other had. What differs:{listed}"
            )
    return on_shared_images(folders)


def on_shared_images(folders: Sequence[RunFolder]) -> list[ComparedRows]:
    """Read audits of the same images, whatever their attacks.

    Raises:
        RunError: they have no image in common, or call images of one place by different names.
    """
    rows = [_whole(folder) for folder in folders]
    shared = reduce(np.intersect1d, [integers(tables[0], "index") for tables in rows])
    if not len(shared):
        raise RunError(f"{told(folders[0].path)} and {told(folders[1].path)} have no image in common")
    found = [
        ComparedRows(folder, tuple(_of_images(table, shared) for table in tables), tables[0].num_rows)
        for folder, tables in zip(folders, rows, strict=True)
    ]
    for other in found[1:]:
        _check_names(found[0], other)
    return found


def incomparable(first: Manifest, other: Manifest) -> list[str]:
    """Return what differs between two audits that must not, one line each; none where they can be compared."""
    pairs: list[tuple[str, Any, Any]] = [
        ("norm and radius", threat_fields(first.threat), threat_fields(other.threat)),
        ("images", _content(first), _content(other)),
        ("attacks", _attacks(first), _attacks(other)),
        ("code of threat and attacks", code_of_question(first), code_of_question(other)),
        ("values of pixels", first.network.bounds, other.network.bounds),
        ("quantization", first.quantization, other.quantization),
        ("budget", first.budget, other.budget),
        ("confidence", first.confidence, other.confidence),
    ]
    if not described(first.threat.norm).levels:  # a level means the same at any size, a length over all pixels does not
        pairs.append(("how images were fitted", first.data.fit, other.data.fit))
    words = {
        "attacks": (_specs(first), _specs(other)),
        "images": (_images(first), _images(other)),
        "norm and radius": (words_of_question(first), words_of_question(other)),
    }
    lines: list[str] = []
    for name, mine, theirs in pairs:
        if mine != theirs:
            here, there = words.get(name, (mine, theirs))
            lines.append(f"{name}: {quoted(here, 400)}, the other {quoted(there, 400)}")
    return lines


def differing_settings(first: Manifest, other: Manifest) -> list[str]:
    """Return what else differs between two audits that can be compared, but for their networks; one line each."""
    found = [line for line in first.differences(other) if line.partition(":")[0] in {*TOLD, "eot_samples"}]
    mine, theirs = data_fields(first.data), data_fields(other.data)
    if mine["fit"] != theirs["fit"]:
        found.append("how images were fitted: the networks take other sizes, so that they saw other pixels")
    if first.network.attacked != other.network.attacked:
        ways = (one.network.attacked or "without a defence" for one in (first, other))
        found.append(f"attacked: {next(ways)}, now {next(ways)}")
    return found


def _content(manifest: Manifest) -> str:
    return manifest.data.digest


def _images(manifest: Manifest) -> str:
    return f"{manifest.data.spec} (content {manifest.data.digest[:12]}, {manifest.data.images:,} images)"


def _attacks(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the attacks without their names in the run, in an order of their own."""
    plain = [info.model_dump(mode="json", exclude={"spec", "key"}) for info in manifest.attacks]
    return sorted(plain, key=repr)


def _specs(manifest: Manifest) -> str:
    return "; ".join(_spec(info) for info in manifest.attacks)


def _spec(info: AttackInfo) -> str:
    return info.spec if info.radius is None else f"{info.spec} at {info.radius:g}"


def _whole(folder: RunFolder) -> list[pa.Table]:
    """Return the rows of every attack, for the images that all of them have."""
    found = folder.tables()
    tables = common_images([found[info.key] for info in folder.manifest.attacks])
    if not tables[0].num_rows:
        raise RunError(f"{told(folder.path)} has no image that every attack has done")
    return tables


def _of_images(table: pa.Table, shared: Integers) -> pa.Table:
    """Bring a table, whose rows are in order of the images, to some of them."""
    return table.take(np.searchsorted(integers(table, "index"), shared))


def _check_names(first: ComparedRows, other: ComparedRows) -> None:
    """Refuse images that are called otherwise: the content is the same, and the order is not."""
    names, others = (one.tables[0]["name"].to_pylist() for one in (first, other))
    here, there = told(first.folder.path), told(other.folder.path)
    for place, (mine, theirs) in enumerate(zip(names, others, strict=True)):
        if mine != theirs:
            raise RunError(
                f"image {int(first.index[place])} is {quoted(mine)} in {here} and {quoted(theirs)} in {there}; "
                "expected the same images in the same order"
            )
