"""A network trained on PGD, attacked by itself and by other networks: the table of Madry et al. for MNIST."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch

from brittle.attacks.fgsm import FGSM
from brittle.attacks.pgd import PGD
from brittle.core.attack import Attack
from brittle.core.goal import ALL_THE_WAY, Goal, Targeted, Untargeted
from brittle.core.run import run
from brittle.evaluation.recipes import Recipe, adversarial_recipe
from brittle.maths.losses import others
from brittle.metrics import proportion
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study, sized
from brittle.studies.shared.hardened import HardenedBenchmark
from brittle.studies.shared.shipped import ShippedBenchmark
from brittle.studies.shared.subject import NetworkSource
from brittle.threats import Lp
from brittle.training.precision import fastest_precision
from brittle.training.recipe import PlainTraining
from brittle.types import Images, Labels, Mask

TABLE = "madry_mnist"
EPS, STEP = 0.3, 0.01
KAPPA = 50.0
"""Of CW+, in logits."""


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        attack: its name in the paper.
        steps, restarts: None where the paper gives none.
        source: the network that the changes are made on; None for the clean images.
    """

    attack: str
    steps: int | None
    restarts: int | None
    source: str | None

    @property
    def key(self) -> str:
        """The name of the row."""
        if self.source is None:
            return "Natural"
        length = "" if self.steps is None else f", {self.steps} steps"
        again = "" if self.restarts in (None, 1) else f", {self.restarts} restarts"
        return f"{self.attack}{length}{again}, from {self.source}"

    @property
    def tries(self) -> Attack:
        """What makes the changes; 40 steps where the paper gives no number."""
        if self.attack == "FGSM":
            return FGSM()
        settings = PGD(steps=self.steps or 40, step_size=STEP, restarts=self.restarts or 1)
        if self.attack == "CW":
            return replace(settings, loss="margin")
        return replace(settings, loss="margin", kappa=KAPPA) if self.attack == "CW+" else settings

    def goal(self, labels: Labels, clean: torch.Tensor) -> Goal:
        """Return what is wanted of the source; from another network, to be as far beyond the boundary as can be."""
        if self.attack == "Targeted":
            return Targeted(others(clean, labels).argmax(1))
        if self.source == "A" or self.attack == "CW":
            return Untargeted(labels)
        return Untargeted(labels, confidence=KAPPA if self.attack == "CW+" else ALL_THE_WAY)


def _line(row: Sequence[Figure]) -> Line:
    attack, steps, restarts, source = row[:4]
    return Line(str(attack), _number(steps), _number(restarts), None if source is None else str(source))


def _number(figure: Figure) -> int | None:
    return None if figure is None else int(figure)


_TABLE = published()[TABLE]
LINES = {one.key: one for one in map(_line, _TABLE.rows.values())}
_ACCURACY = {_line(row).key: row[-1] for row in _TABLE.rows.values()}


@dataclass(frozen=True)
class Size:
    """How the networks are trained at a scale.

    Attributes:
        recipe: of A and A'.
        shipped: the name by which A comes with the package, trained by that recipe; "" where the study trains it.
        plain: how B is trained, on images as they are.
        tested: test images.
        trained: training images of B; None for all.
    """

    recipe: Recipe
    shipped: str
    plain: PlainTraining
    tested: int = 500
    trained: int | None = None


_QUICK = adversarial_recipe("madry-mnist-quick")
_B = PlainTraining(2, 100, "adam", 1e-3, decay=0.0, precision=fastest_precision())
SIZES = {
    "small": Size(
        replace(_QUICK, settings=replace(_QUICK.settings, epochs=6)), "mnist-a-robust", _B, tested=150, trained=10_000
    ),
    "full": Size(_QUICK, "mnist-a-robust", _B),
    "paper": Size(adversarial_recipe("madry-mnist"), "", PlainTraining(84, 50, "adam", 1e-4, "constant", decay=0.0)),
}
SOURCES = {"A": ("mnist-a", 0), "A'": ("mnist-a", 1), "B": ("mnist-b", 2)}
"""The networks: their architecture, and what is added to the seed of first weights and order of images."""
COLUMNS = (
    Column("accuracy", "accuracy under the attack", "percent", f"Network A, linf {EPS:g}"),
    Column("images", "images", "number", f"Network A, linf {EPS:g}"),
)
NOTES = (
    f"Network A was trained on PGD within {EPS:g} in the maximum norm. The changes are made on the source, within the "
    "same radius, and judged by A: on A itself (white box), on A' (the same network trained from other first weights) "
    "or on B (another network). PGD, targeted and CW have steps of 0.01 from a random start; a restart is made for "
    "images that A still gets right.",
    "From A' and B the point with the largest margin on the source is taken and not the first one that the source gets "
    "wrong, because it shall hold on another network; for CW+ one that is 50 logits beyond the boundary suffices, for "
    "CW any. Of several restarts each one's point is shown to A, which must get all of them right.",
    "The paper does not say which class its targeted attack aims at; here it is the second most likely one of the "
    "clean image, and any wrong class counts. In the white box CW+ breaks the same images as CW: its confidence only "
    "matters where the change must hold elsewhere.",
    "B is here MNIST-B of the ADef paper, trained on images as they are; the paper takes an architecture of Tramèr et "
    "al. and does not say how it was trained.",
    "At both smaller scales A is the network that comes with the package, in full, trained on 60,000 images by the "
    "recipe madry-mnist-quick (attacks of one step that go on from epoch to epoch, 25 epochs, twenty minutes on two "
    f"cores). Scale full: A' is trained by the study in the same way, B in 2 epochs; {SIZES['full'].tested} test "
    f"images. Scale small: {SIZES['small'].recipe.settings.epochs} epochs for A', {SIZES['small'].trained:,} images "
    f"for B, {SIZES['small'].tested} test images. Scale paper: 84 epochs (100,000 steps of 50 images), for A and A' "
    "on PGD of 40 steps, all test images.",
    INTERVALS,
)


def network(source: str, setting: Setting) -> HardenedBenchmark | ShippedBenchmark:
    """Return a network of the study, opened or trained when it is first asked for."""
    size, (architecture, offset) = sized(SIZES, setting.scale), SOURCES[source]
    shipped = size.shipped if source == "A" else ""
    origin = NetworkSource(
        source, "mnist/test.parquet", (), shipped or architecture, "mnist/train.parquet", images=size.tested
    )
    if shipped:
        return ShippedBenchmark(origin, setting)
    chosen, training = (size.plain, None) if source == "B" else (size.recipe.settings, size.recipe.adversarial)
    settings = replace(chosen, seed=setting.seed + offset)
    images = size.trained if source == "B" else None
    return HardenedBenchmark(origin, setting, training, settings, images, f"brittle study {MADRY_MNIST.name}")


@dataclass(frozen=True)
class Attempt:
    """The accuracy of A on what a source makes of the test images."""

    line: Line
    target: HardenedBenchmark | ShippedBenchmark
    source: HardenedBenchmark | ShippedBenchmark

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        return {
            **self.target.identity(),
            "source": self.source.identity_fields(),
            "line": asdict(self.line),
            "attack": asdict(self.line.tries),
            "seed": self.target.setting.seed,
        }

    def measure(self) -> Measured:
        """Attack the source, and ask A."""
        right, count = 0, 0
        for block in self.target.blocks(self.line.key):
            right += int(self._standing(block.images, block.labels, block.index).sum())
            count += len(block)
        return Measured({"accuracy": proportion(right, count), "images": f"{count:,}"}, remark=self.target.story())

    def _standing(self, images: Images, labels: Labels, ids: torch.Tensor) -> Mask:
        """Say which images A gets right whatever it is shown: from another source, one point for each restart."""
        if self.line.source is None:
            return self.target.right(images, labels)
        attack, restarts = self.line.tries, 1
        if self.target is not self.source and isinstance(attack, PGD):
            attack, restarts = replace(attack, restarts=1), attack.restarts
        standing = torch.ones(len(images), dtype=torch.bool)
        for restart in range(restarts):
            left = standing.nonzero()[:, 0]
            if len(left):
                changed = self._changed(attack, images[left], labels[left], ids[left], restart)
                standing[left] = self.target.right(changed, labels[left])
        return standing

    def _changed(self, attack: Attack, images: Images, labels: Labels, ids: torch.Tensor, restart: int) -> Images:
        classifier = self.source.classifier
        with torch.no_grad():
            clean = classifier.logits(images.to(classifier.device, classifier.dtype)).cpu()
        return run(
            attack,
            classifier,
            images,
            goal=self.line.goal(labels, clean),
            threat=Lp("inf", EPS),
            seed=self.target.setting.seed + restart,
            batch=self.source.batch,
            ids=ids,
        ).adversarial.cpu()


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each row."""
    networks = {name: network(name, setting) for name in SOURCES}
    works = [Attempt(line, networks["A"], networks[line.source or "A"]) for line in LINES.values()]
    return [Cell(work.line.key, "accuracy", work.measure, work.identity) for work in works]


def _order(text: str, *rows: str, why: str = "") -> Order:
    return Order(text, tuple((row, "accuracy") for row in rows), why)


ORDERS = (
    _order(
        "On A itself steps and restarts lower the accuracy, from FGSM to PGD of 100 steps and 20 restarts",
        "PGD, 100 steps, 20 restarts, from A",
        "PGD, 40 steps, 20 restarts, from A",
        "PGD, 100 steps, from A",
        "PGD, 40 steps, from A",
        "FGSM, from A",
    ),
    _order(
        "Changes made on A' leave more than those made on A",
        "PGD, 100 steps, 20 restarts, from A",
        "PGD, 100 steps, 20 restarts, from A'",
    ),
    _order(
        "Of changes made on A', PGD leaves least and CW most",
        "PGD, 100 steps, 20 restarts, from A'",
        "PGD, 40 steps, from A'",
        "CW+, 40 steps, from A'",
        "FGSM, from A'",
        "CW, 40 steps, from A'",
    ),
    _order("PGD made on B leaves more than made on A'", "PGD, 40 steps, from A'", "PGD, 40 steps, from B"),
    _order(
        "On A itself CW leaves more than PGD of as many steps",
        "PGD, 40 steps, from A",
        "CW, 40 steps, from A",
        why="95.6 and 95.5 % of 4,000 images: on this network the two losses break the same images",
    ),
    _order(
        "FGSM made on B leaves less than made on A'",
        "FGSM, from B",
        "FGSM, from A'",
        why="the paper does not say what B is; ours is trained on images as they are",
    ),
)
MADRY_MNIST = Study(
    name="madry-mnist",
    title="A network trained on PGD, attacked by itself and from other networks",
    source=_TABLE.source + ", table of MNIST",
    cells=cells,
    rows=tuple(Row(key) for key in LINES),
    columns=COLUMNS,
    published=lambda row, column: _ACCURACY[row] if column == "accuracy" else None,
    notes=NOTES,
    of="Attack",
    orders=ORDERS,
)
