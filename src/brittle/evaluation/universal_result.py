"""What a universal perturbation does, measured, kept in a folder, and read from it again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from brittle.base.seeds import Streams
from brittle.evaluation.subject import OpenedSubject
from brittle.evaluation.universal_lines import lines_of
from brittle.evaluation.universal_pixels import PixelOutcome, pixel_outcome
from brittle.evaluation.universal_rows import Outcome, outcome, write_outcomes
from brittle.evaluation.universal_seeds import SeedRate
from brittle.evaluation.universal_several import several_rates
from brittle.evaluation.universal_split import Split
from brittle.files import told
from brittle.metrics import Estimate, without_interval
from brittle.runs.kinds import PERTURBATION_FILE, ROWS_FILE
from brittle.runs.results import UniversalFolder
from brittle.universal_attacks.perturbation import Perturbation


@dataclass(frozen=True)
class Universal:
    """A universal perturbation with what it does.

    Attributes:
        folder: that holds all of it.
        path: the safetensors file in it.
        rows: a Parquet file with a row for every image: its class with and without the perturbation.
        perturbation: what the file holds.
        training, held_out: fooling rates on the images that it was made from and on those kept aside; None without any.
        noise: the fooling rate of uniform noise of the same norm on the held-out images (on X where there are none).
        reached: for a target, which fraction of the images of other classes is taken for it: of those kept aside, or of
            X where there are none; None without a target, or where all are of that class.
        fooled_of, fooled_beside: where only images of some classes shall be fooled, the fraction of these that are, and
            of the others; of the same images as `reached`, None where there are none.
        by_count, by_choice: where several perturbations were made at once, the fraction of the images kept aside (of X
            where there are none) that the first k of them fool, and that one chosen for each image does.

    `print` shows all of it in lines, as the command does.
    """

    folder: Path
    path: Path
    rows: Path
    perturbation: Perturbation
    training: Estimate
    held_out: Estimate | None
    noise: Estimate
    reached: Estimate | None = None
    fooled_of: Estimate | None = None
    fooled_beside: Estimate | None = None
    by_count: tuple[Estimate, ...] = ()
    by_choice: Estimate | None = None

    def __str__(self) -> str:
        return "\n".join(lines_of(self))

    @property
    def depth_error(self) -> Estimate | None:
        """The mean error |d - d*| / d* of depths with the perturbation; None of other tasks, or without depths."""
        return _estimate_of(self._absolute.get("perturbed"))

    @property
    def depth_error_by_noise(self) -> Estimate | None:
        """The same with noise."""
        return _estimate_of(self._absolute.get("noise"))

    @property
    def farther(self) -> Estimate | None:
        """Which part of an image's pixels is too far, the others that change being too near; None of other tasks."""
        return _estimate_of(cast("Any", self.perturbation.made.get("farther")))

    @property
    def _absolute(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.perturbation.made.get("absolute", {}))

    @property
    def target(self) -> int | None:
        """The class that all images shall be taken for, if there is one."""
        return cast("int | None", self.perturbation.made.get("target"))

    @property
    def only(self) -> list[int]:
        """The classes whose images alone shall be fooled; none where all shall be."""
        return [*cast("Sequence[int]", self.perturbation.made.get("only", ()))]

    @property
    def workers(self) -> int:
        """How many processes made it, or the last of its passes."""
        return cast("int", self.perturbation.made.get("workers", 1))

    @property
    def seeds(self) -> list[SeedRate]:
        """The seeds with their rates, the one that is kept first; none where there was one search."""
        return [SeedRate(**one) for one in cast("Sequence[Any]", self.perturbation.made.get("seeds", ()))]

    @property
    def said(self) -> list[str]:
        """What was done to the images on their way to the network, in sentences."""
        return [*cast("Sequence[str]", self.perturbation.made.get("said", ()))]

    @property
    def aims(self) -> dict[str, Estimate | None]:
        """The rates of a search with an aim of its own, by name."""
        return {name: getattr(self, name) for name in AIMS}

    def plain(self) -> dict[str, object]:
        """Return all figures as JSON can hold them."""
        held_out = None if self.held_out is None else asdict(self.held_out)
        return {
            "folder": told(self.folder),
            "perturbation": told(self.path),
            "rows": told(self.rows),
            "size": self.perturbation.size,
            "fooling": {"training": asdict(self.training), "held_out": held_out, "noise": asdict(self.noise)},
            "target": self.target,
            "seeds": [asdict(one) for one in self.seeds],
            "workers": self.workers,
            **{name: None if one is None else asdict(one) for name, one in self.aims.items()},
            "only": self.only,
            "by_count": [asdict(one) for one in self.by_count],
            "by_choice": None if self.by_choice is None else asdict(self.by_choice),
            "made": dict(self.perturbation.made),
        }


def _estimate_of(kept: dict[str, Any] | None) -> Estimate | None:
    """Return a number as it was kept: None where there was nothing to measure, and of few images no interval."""
    if kept is None or kept["value"] is None:
        return None
    return without_interval(kept["value"], kept["n"]) if kept["low"] is None else Estimate(**kept)


AIMS = ("reached", "fooled_of", "fooled_beside")
"""Rates that only a search with an aim of its own has."""


def finished(folder: UniversalFolder) -> Universal | None:
    """Read what the same call has made before; None where it is not finished, or not whole any more."""
    if not folder.whole:
        return None
    found = Perturbation.load(folder.file(PERTURBATION_FILE))
    rates = {kind: Estimate(**rate) for kind, rate in cast("dict[str, Any]", found.made["fooling"]).items()}
    return _result(folder, found, rates)


def _result(folder: UniversalFolder, found: Perturbation, rates: Mapping[str, Estimate]) -> Universal:
    path, rows = folder.path / PERTURBATION_FILE, folder.path / ROWS_FILE
    aims = {name: cast("dict[str, Any]", found.made[name]) for name in AIMS if found.made.get(name)}
    return Universal(
        *(folder.path, path, rows, found, rates["seen"], rates.get("unseen"), rates["noise"]),
        **{name: Estimate(**rate) for name, rate in aims.items()},
        by_count=tuple(Estimate(**rate) for rate in cast("Sequence[Any]", found.made.get("by_count", ()))),
        by_choice=Estimate(**cast("Any", chosen)) if (chosen := found.made.get("by_choice")) else None,
    )


def random_like(perturbation: Perturbation, seed: int) -> Tensor:
    """Return noise as large as the perturbation may be: uniform in the box for linf, of the radius for others.

    Its shape is that of the perturbation; of a patch it is the content.
    """
    (channels, height, width), streams = perturbation.tensor.shape, Streams(seed, torch.zeros(1, dtype=torch.int64))
    return perturbation.threat.draw_change((channels, height, width), streams)


def judged(
    folder: UniversalFolder,
    found: Perturbation,
    split: Split,
    seed: int,
    subject: OpenedSubject,
    looking: Callable[[float], None],
) -> Universal:
    """Show the perturbation to all images once more, and write both files."""
    noise = random_like(found, seed)
    groups = split.groups
    done, total = 0, sum(len(images) for _, images, _, _ in groups)

    def looked(count: int) -> None:
        nonlocal done
        done += count
        looking(done / total)

    if split.training.pixels:
        target = cast("int | None", found.made.get("target"))
        outcomes = [pixel_outcome(*group, found.tensor, noise, looked, target) for group in groups]
    else:
        only = cast("Sequence[int]", found.made.get("only", ()))
        outcomes = [outcome(*group, found.tensor, noise, looked, only) for group in groups]
    rates = {table.kind: table.fooled("class_perturbed") for table in outcomes}
    rates["noise"] = outcomes[-1].fooled("class_noise")
    figures: dict[str, object] = {"fooling": {kind: asdict(rate) for kind, rate in rates.items()}}
    figures |= {name: None if rate is None else asdict(rate) for name, rate in _aimed(outcomes[-1], found).items()}
    if found.more is not None and "seeds" not in found.made:
        by_count, by_choice = several_rates(found, split)
        figures["by_count"] = [asdict(one) for one in by_count]
        figures["by_choice"] = None if by_choice is None else asdict(by_choice)
    if isinstance(last := outcomes[-1], PixelOutcome):
        figures |= last.told()
    found = replace(found, made={**found.made, **figures})
    result = _result(folder, found, rates)
    write_outcomes(result.rows, outcomes, tuple(subject.network.classes or subject.source.classes))
    found.save(result.path)
    return result


def _aimed(last: Outcome | PixelOutcome, found: Perturbation) -> dict[str, Estimate | None]:
    """Return the rates of what a search aimed at, of the last group of images."""
    target, only = cast("int | None", found.made.get("target")), cast("Sequence[int]", found.made.get("only", ()))
    rates = {} if target is None else {"reached": last.reached(target)}
    if only and isinstance(last, Outcome):
        return rates | dict(zip(AIMS[1:], last.fooled_of(only), strict=True))
    return rates
