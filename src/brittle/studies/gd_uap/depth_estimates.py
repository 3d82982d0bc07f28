"""A network that estimates depth with its scenes, drawn and trained when first asked for."""

from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.door import answer
from brittle.identity.compare import fingerprint
from brittle.identity.sources import own_digest
from brittle.metrics import DepthErrors, depth_errors
from brittle.metrics.estimate import Floats
from brittle.studies.bench.study import Setting, sized
from brittle.studies.gd_uap.depth_network import DepthTraining, load_depth, save_depth, train_depth
from brittle.studies.gd_uap.scenes import Scenes, render
from brittle.studies.shared.once import trained_once
from brittle.studies.shared.photographs import LINF, uniform_in_ball
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.search import Pass, UniversalAttack, UniversalProblem, find_universal

TRAINING = {
    "small": DepthTraining(),
    "full": DepthTraining(width=16, scenes=2000, epochs=20),
    "paper": DepthTraining(width=32, scenes=5000, side=128, epochs=30, batch=32),
}
"""The networks at every scale."""
TESTED = {"small": 100, "full": 300, "paper": 1000}
"""Scenes that the networks were not trained on."""
GIVEN = 200
"""Training scenes that are X of the data prior; the first ones judge."""
BATCH, JUDGED = 50, 20


class World:
    """The scenes, which all networks share."""

    def __init__(self, setting: Setting):
        self.setting, self.training = setting, sized(TRAINING, setting.scale)
        self.count = sized(TESTED, setting.scale)

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
        return self._drawn(self.count, 1)

    @cached_property
    def noise(self) -> Tensor:
        """Noise of equal norm."""
        generator = torch.Generator().manual_seed(self.setting.seed * 1_000_003)
        side = self.training.side
        return uniform_in_ball((3, side, side), LINF, generator)

    def identity(self) -> dict[str, object]:
        """Everything of the scenes, and of networks but for their kind, that determines a figure."""
        device = self.setting.device.partition(":")[0]
        settings = {"training": asdict(self.training), "tested": self.count, "seed": self.setting.seed}
        return {**settings, "device": device, "brittle's code": own_digest()}

    def mean_errors(self) -> DepthErrors:
        """Measure the mean depth of every pixel over the training scenes in place of an estimate."""
        mean = self.known.depth.mean(0, keepdims=True)
        return depth_errors(self.tested.depth, np.broadcast_to(mean, self.tested.depth.shape))


class Estimated:
    """A network with the scenes.

    Args:
        world: the scenes.
        residual: whether the network has links around its convolutions.
    """

    def __init__(self, world: World, residual: bool):
        self.world, self.setting = world, world.setting
        self.training = replace(world.training, residual=residual)

    def identity(self) -> dict[str, object]:
        """Everything of network and scenes that determines a figure."""
        return {**self.world.identity(), "training": asdict(self.training)}

    @cached_property
    def classifier(self) -> Classifier:
        """The network, trained now unless an earlier run has done so; its outputs are depths."""
        training = self.training
        key, kind = fingerprint(self.identity())[:12], "residual" if training.residual else "plain"

        def progress(epoch: int, loss: float) -> None:
            done = f"epoch {epoch} of {training.epochs}, error of logarithms {loss:.3f}"
            self.setting.tell(f"{kind} depth network: {done}")

        def make(path: Path) -> None:
            save_depth(train_depth(training, self.world.known, self.setting.device, progress), path)

        path = trained_once(self.setting, f"depth-{key}.safetensors", make)
        return Classifier(load_depth(path, training.width, self.setting.device, training.residual))

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
        return depth_errors(self.world.tested.depth, self.depths(self.world.tested.images, perturbation))

    @cached_property
    def standards(self) -> tuple[DepthErrors, DepthErrors]:
        """The errors on scenes as they are, and with noise."""
        return self.errors(None), self.errors(self.world.noise)

    @cached_property
    def _judged(self) -> tuple[Floats, Floats]:
        """Some training scenes with the logarithms of their estimated depths."""
        images = self.world.known.images[:JUDGED]
        return images, np.log(self.depths(images, None))

    def moved(self, perturbation: Tensor) -> float:
        """Return the mean change of the logarithm of depth on some training scenes: the judge of a search."""
        images, before = self._judged
        return float(np.abs(np.log(self.depths(images, perturbation)) - before).mean())

    def found(self, method: UniversalAttack) -> Tensor:
        """Make a perturbation."""
        classifier, tell = self.classifier, self.setting.tell
        given = ImageSet(classifier, torch.from_numpy(self.world.known.images[:GIVEN]).float(), BATCH)
        problem = UniversalProblem(classifier, given.shape, LINF, given, self.setting.seed)
        key = fingerprint([self.identity(), repr(method)])
        kept = self.setting.folder / "perturbations" / f"depth-{key[:16]}.safetensors"

        def watch(line: Pass) -> None:
            tell(f"{type(method).__name__}: {line.backward:,} passes, depths move by {line.score:.1%}")

        return find_universal(method, problem, self.moved, checkpoint=kept, identity=key, watch=watch).tensor
