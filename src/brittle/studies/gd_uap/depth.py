"""Data-free perturbations of a network that estimates depth, beside noise of equal norm, on scenes with exact depth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.door import answer
from brittle.identity.compare import fingerprint
from brittle.identity.sources import own_digest
from brittle.metrics import DepthErrors, Estimate, depth_errors, jackknife, mean, without_interval
from brittle.metrics.estimate import Floats
from brittle.studies.bench.drawing import Picture, encoded
from brittle.studies.bench.published import published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study, sized
from brittle.studies.gd_uap.data_free import LAYERS, METHODS, NOISE, RADIUS, Short
from brittle.studies.gd_uap.depth_network import DepthTraining, load_depth, save_depth, train_depth
from brittle.studies.gd_uap.scenes import Scenes, render
from brittle.studies.shared.once import trained_once
from brittle.studies.shared.photographs import LINF, uniform_in_ball
from brittle.universal.excitation import ActivationAttack
from brittle.universal.images import ImageSet
from brittle.universal.search import Pass, UniversalProblem, find_universal

CLEAN = "unchanged scenes"
SMALL = Short(iterations=400, shown=100, batch=5)
TRAINING = {"small": DepthTraining(), "paper": DepthTraining(width=32, scenes=5000, side=128, epochs=30, batch=32)}
"""The network at either scale."""
TESTED = {"small": 100, "paper": 1000}
"""Scenes that the network was not trained on."""
GIVEN = 200
"""Training scenes that are X of the data prior; the first ones judge."""
BATCH, JUDGED, DRAWN = 50, 20, 4
_ERRORS, _WITHIN, _HARM = "Errors, less is better", "Fraction of the pixels within a factor, more is better", "Harm"
COLUMNS = (
    Column("absolute", "abs rel", "ratio", _ERRORS),
    Column("squared", "sq rel", "ratio", _ERRORS),
    Column("rmse", "rmse", "ratio", _ERRORS),
    Column("log_rmse", "log rmse", "ratio", _ERRORS),
    Column("within1", "δ < 1.25", "percent", _WITHIN),
    Column("within2", "δ < 1.25²", "percent", _WITHIN),
    Column("within3", "δ < 1.25³", "percent", _WITHIN),
    Column("times", "rise of abs rel, times that by noise", "ratio", _HARM),
)
NOTES = (
    "Scenes of spheres and boxes on a floor before a wall are drawn by casting a ray through every pixel, so that "
    "their depth is exact; the network, an encoder-decoder of convolutions, is trained by the study on other scenes. "
    "Errors are against the true depth (Eigen et al. 2014), means over test scenes of each scene's figure; depths lie "
    "between about 1 and 10. The paper perturbs networks for photographs; none of its figures is comparable.",
    f"{LAYERS} {RADIUS} The optimiser sees no depth. A search is judged on {JUDGED} training scenes by how far the "
    "logarithms of the estimated depths move.",
    SMALL.note,
    f"Small: {TRAINING['small'].scenes:,} training scenes of {TRAINING['small'].side} x {TRAINING['small'].side} "
    f"pixels, {TRAINING['small'].epochs} epochs, {TESTED['small']} test scenes. Paper: "
    f"{TRAINING['paper'].scenes:,} of {TRAINING['paper'].side} x {TRAINING['paper'].side}, "
    f"{TRAINING['paper'].epochs} epochs, {TESTED['paper']:,} test scenes.",
    INTERVALS,
)


class Estimated:
    """The network with its scenes, drawn and trained when first asked for."""

    def __init__(self, setting: Setting):
        self.setting, self.training = setting, sized(TRAINING, setting.scale)

    def identity(self) -> dict[str, object]:
        """Everything of network and scenes that determines a figure."""
        tested = sized(TESTED, self.setting.scale)
        device = self.setting.device.partition(":")[0]
        settings = {"training": asdict(self.training), "tested": tested, "seed": self.setting.seed, "device": device}
        return {**settings, "brittle's code": own_digest()}

    def _drawn(self, count: int, part: int) -> Scenes:
        return render(count, self.training.side, 2 * self.setting.seed + part)

    @cached_property
    def known(self) -> Scenes:
        """The training scenes."""
        self.setting.tell(f"drawing {self.training.scenes:,} scenes")
        return self._drawn(self.training.scenes, 0)

    @cached_property
    def tested(self) -> Scenes:
        """The test scenes, none of which is a training scene."""
        return self._drawn(sized(TESTED, self.setting.scale), 1)

    @cached_property
    def classifier(self) -> Classifier:
        """The network, trained now unless an earlier run has done so; its outputs are depths."""
        key = fingerprint(self.identity())[:12]

        def progress(epoch: int, loss: float) -> None:
            self.setting.tell(f"depth network: epoch {epoch} of {self.training.epochs}, error of logarithms {loss:.3f}")

        def make(path: Path) -> None:
            save_depth(train_depth(self.training, self.known, self.setting.device, progress), path)

        path = trained_once(self.setting, f"depth-{key}.safetensors", make)
        return Classifier(load_depth(path, self.training.width, self.setting.device))

    @torch.no_grad()
    def depths(self, images: Floats, perturbation: Tensor | None) -> Floats:
        """Estimate depths (n, h, w) of pictures (n, 3, h, w) with a perturbation added and clamped."""
        classifier, found = self.classifier, list[Floats]()
        for part in torch.from_numpy(images).split(BATCH):
            moved = part.to(classifier.device, classifier.dtype)
            if perturbation is not None:
                moved = classifier.bounds.clamp(moved + perturbation.to(moved))
            found.append(answer(classifier.module, moved)[:, 0].double().cpu().numpy())
        return np.concatenate(found)

    def errors(self, perturbation: Tensor | None) -> DepthErrors:
        """Measure the estimates of the test scenes."""
        return depth_errors(self.tested.depth, self.depths(self.tested.images, perturbation))

    @cached_property
    def noise(self) -> Tensor:
        """Noise of equal norm."""
        generator = torch.Generator().manual_seed(self.setting.seed * 1_000_003)
        side = self.training.side
        return uniform_in_ball((3, side, side), LINF, generator)

    @cached_property
    def standards(self) -> tuple[DepthErrors, DepthErrors]:
        """The errors on scenes as they are, and with noise."""
        return self.errors(None), self.errors(self.noise)

    def moved(self, perturbation: Tensor) -> float:
        """Return the mean change of the logarithm of depth on some training scenes: the judge of a search."""
        images = self.known.images[:JUDGED]
        before, after = self.depths(images, None), self.depths(images, perturbation)
        return float(np.abs(np.log(after) - np.log(before)).mean())

    def found(self, method: ActivationAttack) -> Tensor:
        """Make a perturbation."""
        classifier, tell = self.classifier, self.setting.tell
        given = ImageSet(classifier, torch.from_numpy(self.known.images[:GIVEN]).float(), BATCH)
        problem = UniversalProblem(classifier, given.shape, LINF, given, self.setting.seed)
        key = fingerprint([self.identity(), repr(method)])
        kept = self.setting.folder / "perturbations" / f"depth-{key[:16]}.safetensors"

        def watch(line: Pass) -> None:
            tell(f"{type(method).__name__}: {line.backward:,} passes, depths move by {line.score:.1%}")

        return find_universal(method, problem, self.moved, checkpoint=kept, identity=key, watch=watch).tensor


@dataclass(frozen=True)
class Changed:
    """Scenes as they are, with noise, or with one perturbation for all of them.

    Attributes:
        subject: the network with its scenes.
        row: `CLEAN`, `NOISE` or a key of `METHODS`.
        column: what the work is called.
    """

    subject: Estimated
    row: str
    column: str = "depth"

    def _method(self) -> ActivationAttack | None:
        return SMALL.method(self.row, self.subject.setting.scale) if self.row in METHODS else None

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        method = self._method()
        about = {"row": self.row, "threat": repr(LINF), **({} if method is None else asdict(method))}
        return {**self.subject.identity(), **about}

    def measure(self) -> Measured:
        """Make the perturbation and measure the estimates with it."""
        subject, method = self.subject, self._method()
        clean, noisy = subject.standards
        if method is not None:
            perturbation = subject.found(method)
            errors = subject.errors(perturbation)
        else:
            perturbation, errors = (None, clean) if self.row == CLEAN else (subject.noise, noisy)
        values = _values(errors)
        if self.row != CLEAN:
            values["times"] = _times(errors.absolute, noisy.absolute, clean.absolute)
        return Measured(values, figures=(self._sheet(perturbation),))

    def _sheet(self, perturbation: Tensor | None) -> Picture:
        scenes, subject = self.subject.tested, self.subject
        images = scenes.images[:DRAWN]
        moved = images if perturbation is None else np.clip(images + perturbation.double().cpu().numpy(), 0, 1)
        depths = [scenes.depth[:DRAWN], subject.depths(images, None), subject.depths(images, perturbation)]
        grey = [np.repeat(np.clip(1 - one / scenes.depth.max(), 0, 1)[:, None], 3, 1) for one in depths]
        columns = [images, grey[0], grey[1], moved, grey[2]]
        rows = [np.concatenate([part[row].transpose(1, 2, 0) for part in columns], 1) for row in range(DRAWN)]
        return Picture(
            f"{self.row}: depth",
            "For some test scenes: as it is, its true depth, the estimate, the scene as changed, the estimate then. "
            "The nearer, the lighter.",
            encoded(np.concatenate(rows, 0)),
            f"{DRAWN} scenes with true depth and estimates before and after the change.",
        )


def _values(errors: DepthErrors) -> dict[str, Estimate | str]:
    values: dict[str, Estimate | str] = {
        name: mean(getattr(errors, name)) for name in ("absolute", "squared", "rmse", "log_rmse")
    }
    return values | {f"within{power}": mean(errors.within[:, power - 1], bounds=(0, 1)) for power in (1, 2, 3)}


def _times(errors: Floats, noisy: Floats, clean: Floats) -> Estimate | str:
    """How many times as much a change raises the mean error as noise does; no interval where noise may do no harm."""
    if noisy.mean() <= clean.mean():
        return "noise does no harm"

    def ratio(samples: Floats) -> Floats:
        rows = samples.astype(np.int64)
        return (errors - clean)[rows].mean(1) / np.maximum((noisy - clean)[rows].mean(1), 1e-9)

    found = jackknife(np.arange(len(errors), dtype=np.float64), ratio)
    return found if mean(noisy - clean).low > 0 else without_interval(found.value, found.n)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: scenes as they are, noise, and each method."""
    subject = Estimated(setting)
    works = [Changed(subject, row) for row in (CLEAN, NOISE, *METHODS)]
    return [Cell(work.row, work.column, work.measure, work.identity) for work in works]


GD_UAP_DEPTH = Study(
    name="gd-uap-depth",
    title="Data-free perturbations of depth estimation",
    source=published()["gd_uap_cross_model"].source + ", section 4.4",
    cells=cells,
    rows=tuple(Row(row) for row in (CLEAN, NOISE, *METHODS)),
    columns=COLUMNS,
    published=lambda row, column: None,
    notes=NOTES,
    of="Scenes with",
)
