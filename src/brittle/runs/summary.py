"""The few figures of a run that a person, a script or a gate wants at once."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from brittle.metrics import (
    Estimate,
    Outcome,
    clean_accuracy,
    false_alarms,
    has_detector,
    median_size,
    median_smallest,
    quantization_cost,
    refused_rate,
    rho_adv,
    robust_accuracy,
    rounded_success_rate,
    success_rate,
)
from brittle.metrics.estimate import LEVEL
from brittle.metrics.rows import flags, floats, integers
from brittle.runs.finding import Health
from brittle.runs.json_numbers import json_numbers
from brittle.runs.manifest import AttackInfo, Manifest
from brittle.runs.store import RunFolder
from brittle.threats import described


@dataclass(frozen=True)
class AttackSummary:
    """What one attack did; figures that no image gives are None.

    Attributes:
        spec, kind: as in the manifest.
        success: fraction of the images right before that it broke, at the radius where it was run at one.
        rounded: the same after rounding to 8 bits.
        median: of the smallest change, for minimum-norm attacks.
        rho: mean relative size of the smallest change, for minimum-norm attacks that broke every image.
        forward, backward, seconds: mean over the images right before, as in the report; not a number without any.
        median_queries, most_queries: forward passes of an image, over all images, as a budget counts them.
        quantization_cost: median fraction by which the quantization grid made the changes larger, where the run had
            one.
        nonfinite_outputs: images near which the network said NaN or infinity.
        nonfinite_gradients: images with a gradient that had an entry of that kind.
        refused: fraction of the images right before that were returned misclassified and refused, which is no success;
            None of networks that refuse nothing.
    """

    spec: str
    kind: str
    success: Estimate | None
    rounded: Estimate | None
    median: Estimate | None
    rho: Estimate | None
    forward: float
    backward: float
    seconds: float
    median_queries: float
    most_queries: int
    quantization_cost: Estimate | None = None
    nonfinite_outputs: int = 0
    nonfinite_gradients: int = 0
    refused: Estimate | None = None


@dataclass(frozen=True)
class Summary:
    """The figures of a run.

    Attributes:
        run: the folder.
        images: how many were attacked.
        bad: how many could not be read.
        norm, radius: the question.
        clean: accuracy without attack.
        robust: fraction of all images that are right before and that no attack breaks within the radius.
        median: of the smallest change in the norm of the question, the smallest per image over all searches, over the
            images right before; None without a search.
        attacks: one line each.
        quantization: number of levels that the adversarial images lie on; None for any values.
        budget: most queries for each image and attack; None for no limit.
        health: what the checks of the evaluation found; None where they have not been made.
        false_alarms: fraction of the clean images that the network refuses, which counts as not right; None where it
            refuses nothing.
        notes: what was done to the images, what was passed over, and how the classes were numbered, in sentences.
    """

    run: str
    images: int
    bad: int
    norm: str
    radius: float | None
    clean: Estimate
    robust: Estimate
    median: Estimate | None
    attacks: tuple[AttackSummary, ...]
    quantization: int | None = None
    budget: int | None = None
    health: Health | None = None
    notes: tuple[str, ...] = ()
    false_alarms: Estimate | None = None

    def plain(self) -> dict[str, Any]:
        """Return what JSON can say; see `brittle.runs.json_numbers` for what is infinite or absent."""
        health = None if self.health is None else self.health.model_dump(mode="json", exclude={"run", "format"})
        verdict = None
        if self.health is not None:
            failed = [finding.check for finding in self.health.ordered("fail")]
            verdict = {"reliable": self.health.reliable, "headline": self.health.headline, "failed": failed}
        said: dict[str, Any] = {"interval_level": LEVEL, "verdict": verdict, "health": health}
        plain = asdict(replace(self, health=None)) | said
        if self.false_alarms is None:  # what is said of a detector where there is one
            del plain["false_alarms"]
            for line in plain["attacks"]:
                del line["refused"]
        return json_numbers(plain)


def summarise(folder: RunFolder) -> Summary:
    """Read a run folder and return its figures.

    Raises:
        InputError: not one image could be measured.
    """
    manifest, tables = folder.manifest, folder.tables()
    threat = manifest.threat
    every = list(tables.values())
    return Summary(
        run=str(folder.path),
        images=every[0].num_rows,
        bad=len(manifest.data.bad),
        norm=threat.norm,
        radius=threat.radius,
        clean=clean_accuracy(every[0]),
        robust=robust_accuracy(every, threat.norm, threat.radius),
        median=_smallest(manifest, tables),
        attacks=tuple(_line(info, tables[info.key], manifest.quantization is not None) for info in manifest.attacks),
        quantization=manifest.quantization,
        budget=manifest.budget,
        health=folder.health(),
        notes=tuple(manifest.data.said),
        false_alarms=false_alarms(every[0]) if has_detector(every[0]) else None,
    )


def _smallest(manifest: Manifest, tables: Mapping[str, pa.Table]) -> Estimate | None:
    if not any(info.kind == "minimum" for info in manifest.attacks):
        return None
    p = manifest.threat.norm
    return median_smallest([Outcome(tables[info.key], info.radius_in(p)) for info in manifest.attacks], p)


def _line(info: AttackInfo, table: pa.Table, on_grid: bool) -> AttackSummary:
    right = bool(flags(table, "correct").any())
    minimum = right and info.kind == "minimum"
    searched = on_grid and described(info.norm).on_images  # others were rounded from the start
    length = f"image_{info.norm}"
    relative = minimum and length in table.column_names and bool((floats(table, length) > 0).all())
    return AttackSummary(
        spec=info.spec,
        kind=info.kind,
        success=success_rate(table) if right else None,
        rounded=rounded_success_rate(table) if right else None,
        median=median_size(table) if minimum else None,
        rho=rho_adv(table, info.norm) if relative else None,
        forward=_mean_over_right(table, "forward"),
        backward=_mean_over_right(table, "backward"),
        seconds=_mean_over_right(table, "seconds"),
        median_queries=float(np.median(floats(table, "forward"))),
        most_queries=int(floats(table, "forward").max()),
        quantization_cost=quantization_cost(table) if searched and bool(flags(table, "success").any()) else None,
        nonfinite_outputs=int((integers(table, "nonfinite_outputs") > 0).sum()),
        nonfinite_gradients=int((integers(table, "nonfinite_gradients") > 0).sum()),
        refused=refused_rate(table) if right and has_detector(table) else None,
    )


def _mean_over_right(table: pa.Table, column: str) -> float:
    right = flags(table, "correct")
    return float(floats(table, column)[right].mean()) if right.any() else math.nan
