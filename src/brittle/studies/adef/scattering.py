"""ADef on a network whose first layers are not learnt: two layers of wavelet scattering, then a linear one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from brittle.data import Fit, open_source
from brittle.errors import MissingExtra
from brittle.evaluation.training_run import in_memory
from brittle.metrics import proportion
from brittle.models import Network
from brittle.models.network import digest_of
from brittle.studies.adef.deformations import DEVIATIONS, DeformationWork
from brittle.studies.bench.published import published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study, sized
from brittle.studies.bench.work import Work
from brittle.studies.shared.networks import ORIGINS
from brittle.studies.shared.subject import Benchmark

TRAINING = {"small": 3000, "paper": 60_000}
"""Training images of the linear layer."""
ORIGIN = replace(ORIGINS[0], row="Scattering network (MNIST)", files=(), images=200)
SCALES = 2
"""J: the averaging window has 2^J pixels a side."""
COLUMNS = (
    Column("accuracy", "accuracy", "percent", "Attack"),
    Column("success", "ADef success", "percent", "Attack"),
    Column("norm", "mean T-norm of successes, pixels", "ratio", "Attack"),
    Column("iterations", "average iterations", "number", "Cost for an image"),
    Column("passes", "passes", "number", "Cost for an image"),
    Column("images", "images", "number", "Cost for an image"),
)
NOTES = (
    "Bruna and Mallat's scattering transform (J = 2, eight orientations, orders 0 to 2: 81 channels of 7 x 7) by "
    "kymatio, and one linear layer on it, fitted by logistic regression. Its wavelets and moduli are fixed, made to be "
    "stable against small deformations. Gradients go through it: kymatio's torch version is differentiable, at a "
    "modulus of 0 with the slope 0.",
    "kymatio's module `kymatio.torch` also loads its transform of volumes, which asks SciPy for a function that is "
    "gone since SciPy 1.17 (`sph_harm`); the transform of images is therefore imported by itself.",
    "No published figures of such a network are at hand.",
    DEVIATIONS,
    f"Scale small: {TRAINING['small']:,} training images, the first {ORIGIN.images} test images. Scale paper: "
    f"{TRAINING['paper']:,}, and all test images.",
    INTERVALS,
)


class Scattering(nn.Module):
    """Images (n, 1, h, w) to scattering coefficients (n, features).

    Raises:
        MissingExtra: kymatio is not installed.
    """

    def __init__(self, height: int, width: int):
        super().__init__()
        try:
            from kymatio.scattering2d.frontend.torch_frontend import ScatteringTorch2D
        except ImportError as error:
            raise MissingExtra("kymatio", "scattering", "a scattering network") from error
        self.transform = ScatteringTorch2D(J=SCALES, shape=(height, width))

    def forward(self, images: Tensor) -> Tensor:
        """The coefficients of all orders, laid out in one row an image."""
        return self.transform(images).flatten(1)


def fitted(scattering: nn.Module, features: Tensor, labels: Tensor) -> nn.Sequential:
    """Put a linear layer on a fixed transform, fitted by logistic regression on standardised features.

    Args:
        scattering: the transform.
        features: of the training images, (n, d).
        labels: their classes, (n,).

    Returns:
        Transform and layer; the standardisation is part of the layer's weights.
    """
    mean, spread = features.mean(0), features.std(0) + 1e-3
    model = LogisticRegression(C=0.01, max_iter=200).fit(((features - mean) / spread).numpy(), labels.numpy())
    slopes, starts = (torch.from_numpy(part).float() for part in (model.coef_, model.intercept_))
    if len(slopes) == 1:  # two classes share one score
        slopes, starts = (torch.cat([-part, part]) / 2 for part in (slopes, starts))
    layer = nn.Linear(slopes.shape[1], slopes.shape[0])
    with torch.no_grad():
        layer.weight.copy_(slopes / spread)
        layer.bias.copy_(starts - layer.weight @ mean)
    return nn.Sequential(scattering, layer)


class Scattered(Benchmark):
    """The scattering network, fitted when it is first asked for."""

    @cached_property
    def network(self) -> Network:
        """Scattering, and a linear layer on it."""
        setting = self.setting
        source = open_source(
            str(setting.data_file(self.origin.training)), fit=Fit(1, 28, 28), max_images=sized(TRAINING, setting.scale)
        )
        images, labels = in_memory(source)
        scattering = Scattering(28, 28).to(setting.device)
        parts: list[Tensor] = []
        with torch.no_grad():
            for part in images.split(100):
                parts.append(scattering(part.to(setting.device)).cpu())
                setting.tell(f"{self.origin.row}: scattering, {100 * len(parts):,} of {len(images):,} training images")
        module = fitted(scattering, torch.cat(parts), labels).to(setting.device).eval()
        layer = module[1]
        weights = sum(weight.numel() for weight in layer.parameters())
        return Network("scattering", module, digest_of(layer, source.digest().encode()), (1, 28, 28), (), weights)

    def story(self) -> str:
        """Where the network came from, in a sentence."""
        images = f"{sized(TRAINING, self.setting.scale):,} images"
        return f"Linear layer fitted by the study on {images} ({self.network.parameters:,} weights)."


@dataclass(frozen=True)
class Table(Work):
    """Accuracy of the network, and ADef on it."""

    subject: Scattered
    name = "ADef"

    @property
    def attack(self) -> DeformationWork:
        """ADef on what the network gets right."""
        return DeformationWork(self.subject)

    def measure(self) -> Measured:
        """Attack what is right."""
        found = self.attack.attacked(ORIGIN.row)
        values = {**found.values(), "accuracy": proportion(len(found.size), found.images)}
        return Measured(values, remark=self.subject.story(), figures=found.pictures)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the one piece of work."""
    work = Table(Scattered(ORIGIN, setting))
    return [Cell(ORIGIN.row, work.name, work.measure, work.identity)]


ADEF_SCATTERING = Study(
    name="adef-scattering",
    title="Deformations against a network of fixed wavelets",
    source=published()["adef"].source,
    cells=cells,
    rows=(Row(ORIGIN.row),),
    columns=COLUMNS,
    published=lambda row, column: None,
    notes=NOTES,
)
