"""What the studies of deformations share: their networks, ADef on the images that are right, and its pictures."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from brittle.attacks.adef import ADef
from brittle.core.goal import Targeted
from brittle.core.result import Result
from brittle.core.run import run
from brittle.metrics import Estimate, mean, proportion
from brittle.metrics.estimate import Flags, Floats
from brittle.pictures import sheet
from brittle.studies.bench.drawing import Picture, encoded
from brittle.studies.bench.study import Setting, sized
from brittle.studies.bench.work import Work
from brittle.studies.shared.hardened import HardenedBenchmark
from brittle.studies.shared.networks import ORIGINS
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.threats import Flow
from brittle.tolerance import most_within
from brittle.training.precision import fastest_precision
from brittle.training.recipe import PlainTraining
from brittle.types import Images, Labels

RADIUS = 3.0
"""The paper's epsilon, in pixels: a longer field is no success."""
PHOTOGRAPHS = 60
"""Photographs at the small scale."""
FEW = 40
"""The same of the studies that attack each of them several times, or for as long as it takes."""
DIGITS = "MNIST-CNN"
"""The row of MNIST."""
TRAINING = {
    "small": PlainTraining(4, 100, "adam", 1e-3, decay=0.0, precision=fastest_precision()),
    "full": PlainTraining(10, 100, "adam", 1e-3, decay=0.0, precision=fastest_precision()),
    "paper": PlainTraining(84, 50, "adam", 1e-4, "constant", decay=0.0),
}
"""How the network of MNIST is trained; at the scale of the paper as by the authors' code, for as long as Madry's."""
_DIGITS = NetworkSource(DIGITS, "mnist/test.parquet", (), "mnist-a", "mnist/train.parquet", full=None)
_TABLE = {origin.row: origin for origin in ORIGINS}
_PHOTOGRAPHS = (
    replace(_TABLE["MobileNet v2 (ImageNet)"], row="MobileNet v2", full=None),
    replace(_TABLE["SqueezeNet 1.0 (ImageNet)"], row="SqueezeNet 1.0", full=None),
)
GIVEN = tuple(origin.row for origin in _PHOTOGRAPHS)
"""The rows of photographs."""
SHOWN = 3
"""Deformed images of a network that are shown."""


def subjects(setting: Setting, photographs: int = PHOTOGRAPHS) -> dict[str, Benchmark]:
    """Return the networks that are measured, with their images, by row.

    Args:
        setting: what the user chose.
        photographs: at the small scale.
    """
    settings = replace(sized(TRAINING, setting.scale), seed=setting.seed)
    digits = HardenedBenchmark(_DIGITS, setting, None, settings, None, "brittle study adef")
    given = [Benchmark(replace(origin, images=photographs), setting) for origin in _PHOTOGRAPHS]
    return {one.origin.row: one for one in (digits, *given)}


def scales(photographs: int = PHOTOGRAPHS) -> str:
    """Say how many images there are at each scale, and how the network of MNIST is trained."""
    epochs = {scale: one.epochs for scale, one in TRAINING.items()}
    return (
        f"Scale small: the first 1,000 test images of MNIST and {photographs} photographs of each network; of these "
        "the ones that the network gets right are attacked, as in the paper. Scales full and paper: all there are. "
        f"MNIST-A learns for {epochs['small']} epochs at the small scale, {epochs['full']} at full and "
        f"{epochs['paper']} at the paper's."
    )


NETWORKS = (
    "MNIST-CNN is here MNIST-A, network A of Madry et al., as the authors' published code builds it, trained by the "
    "study on images as they are. MobileNet v2 (residual blocks, as ResNet-101 is made of) and SqueezeNet 1.0 "
    "(convolutions of 1 x 1 and 3 x 3 side by side, as in Inception's blocks) stand for the paper's networks of "
    "ImageNet; both are far smaller, and the photographs are probably of the training set."
)
DEVIATIONS = (
    "ADef as it stands in this software: a step aims a little beyond the boundary and moves no pixel by more than half "
    "a pixel, which saves iterations and losses, and considers one candidate, the runner-up of the clean image. As "
    "published: neither of the two, and every step takes that of the nine most likely other classes which leaves the "
    "total field the shortest; on MNIST these are all. Smoothing, radius and overshoot are the paper's in both."
)
ALL = 9
"""Candidates of the paper on MNIST, all labels but the right one; we take as many on photographs."""
AS_PUBLISHED = ADef(candidates=ALL, nudge=0, stride=float("inf"))
"""ADef with the paper's steps: up to the linearised boundary of any other class, of any length."""


@dataclass(frozen=True)
class Deformed:
    """What ADef made of the images that a network gets right.

    Attributes:
        images: how many were looked at.
        size: T-norms of the deformations found, infinite where there is none, (n,).
        iterations, passes: of each image, (n,).
        pictures: sheets of the first that were broken.
    """

    images: int
    size: Floats
    iterations: Floats
    passes: Floats
    pictures: tuple[Picture, ...]

    @property
    def success(self) -> Flags:
        """Whether an image has a deformation within the radius of 3 pixels, (n,)."""
        return np.asarray(self.size <= most_within(RADIUS), dtype=np.bool_)

    def values(self) -> dict[str, Estimate | str]:
        """The columns that the tables share."""
        broken = self.size[self.success]
        return {
            "images": f"{len(self.size):,}",
            "success": proportion(int(self.success.sum()), len(self.size)),
            "iterations": mean(self.iterations),
            "passes": mean(self.passes),
            "norm": mean(broken) if len(broken) else "none broken",
        }


@dataclass(frozen=True)
class DeformationWork(Work):
    """ADef on the images that a network gets right.

    Attributes:
        subject: network and images.
        attack: ADef with its settings.
        radius: at which an image is given up; infinite to see how long the longest fields are.
        target: none, or "random" for a class drawn for each image.
    """

    subject: Benchmark
    attack: ADef = field(default_factory=ADef)
    radius: float = RADIUS
    target: str = "none"

    def attacked(self, title: str) -> Deformed:
        """Attack block by block.

        Args:
            title: of the pictures, unique in the study.

        Raises:
            DataError: the network gets no image right.
        """
        results, pictures, looked = list[Result](), list[Picture](), 0
        for block in self.subject.blocks(f"ADef, {title}"):
            right = self.subject.right(block.images, block.labels)
            images, labels = block.images[right], block.labels[right]
            looked += len(block)
            if not len(images):
                continue
            result = self._run(images, labels, self.subject.classes(images), looked)
            results.append(result)
            for place in result.success.nonzero()[: SHOWN - len(pictures), 0].tolist():
                pictures.append(self._picture(title, images[place], result, place, len(pictures) + 1))
        if not results:
            raise self.subject.none_right()

        def column(name: str) -> Floats:
            return torch.cat([getattr(one, name) for one in results]).double().cpu().numpy()

        size = np.where(column("success") > 0, column("size"), np.inf)
        return Deformed(looked, size, column("iterations"), column("forward") + column("backward"), tuple(pictures))

    def _run(self, images: Images, labels: Labels, classes: int, looked: int) -> Result:
        goal = None
        if self.target == "random":
            draw = torch.Generator().manual_seed(1_000_003 * self.subject.setting.seed + looked)
            goal = Targeted((labels + 1 + torch.randint(classes - 1, labels.shape, generator=draw)) % classes)
        return run(
            self.attack,
            self.subject.classifier,
            images,
            None if goal else labels,
            goal=goal,
            threat=Flow(self.radius),
            seed=self.subject.setting.seed,
            batch=self.subject.batch,
        )

    def _picture(self, title: str, image: torch.Tensor, result: Result, place: int, number: int) -> Picture:
        assert result.field is not None
        names = self.subject.source.classes
        before, after = (
            names[int(label)] if names else str(int(label))
            for label in (result.clean_prediction[place], result.prediction[place])
        )
        original, deformed, vectors = (
            one.double().cpu().numpy() for one in (image, result.adversarial[place], result.field[place])
        )
        size = float(result.size[place])
        return Picture(
            f"{title}: example {number}",
            f"{before} becomes {after}; no pixel is moved by more than {size:.2f} pixels. The vectors are drawn on the "
            "scale of the bar.",
            encoded(np.asarray(sheet(original, deformed, vectors, side=280))),
            f"Four pictures: an image of {before}, its deformed version taken for {after}, their difference, and the "
            "vectors of the deformation.",
        )
