"""ADef on networks whose first layers are not learnt: two of wavelet scattering, then a linear one, or an SVM."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from torch import Tensor, nn

from brittle.data import Fit, Source, open_source
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

TRAINING = {"small": 3000, "full": 20_000, "paper": 60_000}
"""Training images of the linear layer."""
ORIGIN = replace(ORIGINS[0], row="", files=(), images=200)
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
LAYERS: dict[str, Callable[[], LogisticRegression | LinearSVC]] = {
    "Scattering, fully connected layer": lambda: LogisticRegression(C=0.01, max_iter=200),
    "Scattering, linear SVM": lambda: LinearSVC(C=1e-4, random_state=0),
}
"""What stands on the transform, by row; both are one linear layer in the end, each fitted to a loss of its own."""
NOTES = (
    "Bruna and Mallat's scattering transform (J = 2, eight orientations, orders 0 to 2: 81 channels of 7 x 7) by "
    "kymatio, and on it one fully connected layer, fitted by logistic regression (cross-entropy), or a linear support "
    "vector machine, one class against the others (squared hinge loss). Wavelets and moduli are fixed, made to be "
    "stable against small deformations. Gradients go through them: kymatio's torch version is differentiable, at a "
    "modulus of 0 with the slope 0.",
    "kymatio's module `kymatio.torch` also loads its transform of volumes, which asks SciPy for a function that is "
    "gone since SciPy 1.17 (`sph_harm`); the transform of images is therefore imported by itself.",
    "No published figures of such networks are at hand. " + DEVIATIONS,
    f"Scale small: {TRAINING['small']:,} training images, the first {ORIGIN.images} test images. Scale full: "
    f"{TRAINING['full']:,} and {ORIGIN.full:,}. Scale paper: {TRAINING['paper']:,}, and all test images.",
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


def fitted(
    scattering: nn.Module, features: Tensor, labels: Tensor, model: LogisticRegression | LinearSVC
) -> nn.Sequential:
    """Put a linear layer on a fixed transform, fitted on standardised features.

    Args:
        scattering: the transform.
        features: of the training images, (n, d).
        labels: their classes, (n,).
        model: what is fitted; its scores are the layer's logits.

    Returns:
        Transform and layer; the standardisation is part of the layer's weights.
    """
    mean, spread = features.mean(0), features.std(0) + 1e-3
    model.fit(((features - mean) / spread).numpy(), labels.numpy())
    slopes, starts = (torch.from_numpy(part).float() for part in (model.coef_, model.intercept_))
    if len(slopes) == 1:  # two classes share one score
        slopes, starts = (torch.cat([-part, part]) / 2 for part in (slopes, starts))
    layer = nn.Linear(slopes.shape[1], slopes.shape[0])
    with torch.no_grad():
        layer.weight.copy_(slopes / spread)
        layer.bias.copy_(starts - layer.weight @ mean)
    return nn.Sequential(scattering, layer)


class Transformed:
    """The transform, and what it makes of the training images, once for all that is fitted to it.

    Args:
        setting: what the user chose.
    """

    def __init__(self, setting: Setting):
        self.setting = setting

    @cached_property
    def source(self) -> Source:
        """The training images."""
        file = str(self.setting.data_file(ORIGIN.training))
        return open_source(file, fit=Fit(1, 28, 28), max_images=sized(TRAINING, self.setting.scale))

    @cached_property
    def scattering(self) -> Scattering:
        """The transform."""
        return Scattering(28, 28).to(self.setting.device)

    @cached_property
    def features(self) -> tuple[Tensor, Tensor]:
        """Coefficients (n, d) and classes (n,) of the training images."""
        (images, labels), parts = in_memory(self.source), list[Tensor]()
        with torch.no_grad():
            for part in images.split(100):
                parts.append(self.scattering(part.to(self.setting.device)).cpu())
                self.setting.tell(f"scattering, {min(100 * len(parts), len(images)):,} of {len(images):,} images")
        return torch.cat(parts), labels


class Scattered(Benchmark):
    """A scattering network, fitted when it is first asked for.

    Args:
        row: one of `LAYERS`.
        transformed: transform and training images.
    """

    def __init__(self, row: str, transformed: Transformed):
        super().__init__(replace(ORIGIN, row=row), transformed.setting)
        self.transformed = transformed

    @cached_property
    def network(self) -> Network:
        """Scattering, and a linear layer on it."""
        held = self.transformed
        module = fitted(held.scattering, *held.features, LAYERS[self.origin.row]()).to(self.setting.device).eval()
        layer = module[1]
        weights = sum(weight.numel() for weight in layer.parameters())
        digest = digest_of(layer, held.source.digest().encode())
        return Network("scattering", module, digest, (1, 28, 28), (), weights)

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
        found = self.attack.attacked(self.subject.origin.row)
        values = {**found.values(), "accuracy": proportion(len(found.size), found.images)}
        return Measured(values, remark=self.subject.story(), figures=found.pictures)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each layer."""
    transformed = Transformed(setting)
    works = {row: Table(Scattered(row, transformed)) for row in LAYERS}
    return [Cell(row, work.name, work.measure, work.identity) for row, work in works.items()]


ADEF_SCATTERING = Study(
    name="adef-scattering",
    title="Deformations against networks of fixed wavelets",
    source=published()["adef"].source,
    cells=cells,
    rows=tuple(map(Row, LAYERS)),
    columns=COLUMNS,
    published=lambda row, column: None,
    notes=NOTES,
    minutes={"small": 1},
)
