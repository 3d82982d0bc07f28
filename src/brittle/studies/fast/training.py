"""Fast adversarial training beside PGD, free and clean training: Wong et al. 2020, on MNIST and CIFAR-10."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from torch import nn

from brittle.attacks.pgd import PGD
from brittle.data import open_source
from brittle.evaluation.training_run import in_memory
from brittle.identity.compare import fingerprint
from brittle.identity.sources import own_digest
from brittle.metrics import Estimate, proportion
from brittle.metrics.estimate import without_interval
from brittle.models import ARCHITECTURES
from brittle.studies.bench.drawing import Curves
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study, sized, threads
from brittle.studies.fast.passes import Passes, passes_of_an_epoch
from brittle.studies.fast.sizes import BENCHES, CIFAR, FAST_STEP, MNIST, WAYS, Bench, Size, Way
from brittle.training.accuracy import accuracy
from brittle.training.epoch import Epoch
from brittle.training.fit import History, fit
from brittle.training.held_out import HeldOut, robust_accuracy
from brittle.training.named import seeded
from brittle.types import Images, Labels

TABLE = "fast_training"
FEW = PGD(steps=10)
"""What the images kept aside are attacked with after each epoch."""
_COST, _WORTH = "Cost of the training", "Accuracy on test images, and collapse"
COLUMNS = (
    Column("seconds", "time", "seconds", _COST),
    Column("passes", "passes of an image through the network", "number", _COST),
    Column("epochs", "epochs", "number", _COST),
    Column("clean", "clean", "percent", _WORTH),
    Column("robust", "under PGD", "percent", _WORTH),
    Column("last", "held out, under 10 steps, last epoch", "percent", _WORTH),
    Column("collapsed", "collapsed at epoch", "number", _WORTH),
    Column("kept", "epoch kept", "number", _WORTH),
    Column("images", "test images", "number", _WORTH),
)
NOTES = (
    f"FGSM is one step of {FAST_STEP} radii from a random start within the radius (Wong et al.), PGD several smaller "
    "ones, free is the training of Shafahi et al.: each batch is shown several times in a row, and one backward pass "
    "moves the weights and the perturbation. Accumulated is that of Zheng et al. 2020: one step in each epoch, from "
    "where the epoch before left the image. Clean is the same training without a change.",
    "Time is that of the epochs alone, without the images kept aside; it depends on the machine and what else it does. "
    "Passes do not: they are counted, forward and backward, for each training image. An attack costs one forward pass "
    "for the clean images, which the curve of their accuracy is made from, and the points it looks at.",
    "After each epoch images kept aside are attacked with 10 steps of PGD. A training has collapsed where these leave "
    "less than half of what its own attack leaves, or of what they left at an earlier epoch (catastrophic "
    "overfitting). The weights are those of the best epoch on these images under the 10 steps, of the last epoch in "
    "clean training; the last epoch's figure stands beside.",
    f"Judged by PGD within {MNIST.eps:g} of 40 steps of 0.01 on MNIST, within 8/255 on CIFAR-10 of 20 steps of 2/255 "
    "(small and full) or 50 steps with 10 restarts (paper).",
    "On MNIST the radius grows over the first epochs, for all trainings: without that PGD often ends in a constant.",
    "Scale small: a quarter of network A and 4,200 images of MNIST; LeNet and 2,500 images of CIFAR-10, too few for a "
    "good network, so that only costs and orders can be compared. Scale full: the same, and 8,500 images of CIFAR-10. "
    "Scale paper: all images, those of CIFAR-10 shifted "
    "and flipped, but for accumulated training, whose perturbations belong to an image as it is. The published figures "
    "are of larger residual networks, their times those of GPUs.",
    "Published figures are those that the authors' repositories give: of Wong et al. for FGSM (12 minutes "
    "with mixed precision and a cyclic rate) and PGD, of Shafahi et al. for clean and free (m = 8).",
    INTERVALS,
)


@dataclass(frozen=True)
class Trained:
    """One training of one data set.

    Attributes:
        bench: the data set.
        way: how it is trained.
        setting: what the user chose.
    """

    bench: Bench
    way: Way
    setting: Setting
    name = "training"

    @property
    def size(self) -> Size:
        """How much is done."""
        return sized(self.bench.sizes, self.setting.scale)

    def _data(self, part: str) -> str:
        return str(self.setting.data_file(f"{self.bench.folder}/{part}.parquet"))

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        training = self.bench.training(self.way, self.setting.scale)
        return {
            "size": repr(self.size),
            "settings": asdict(self.bench.settings(self.way, self.setting.scale, self.setting.seed)),
            "adversarial": training and training.to_dict(),
            "few": repr(FEW),
            "data": [open_source(self._data(part)).digest() for part in ("train", "test")],
            "seed": self.setting.seed,
            "device": self.setting.device.partition(":")[0],
        }

    @cached_property
    def images(self) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        """What is trained on, and what is kept aside."""
        images, labels = in_memory(open_source(self._data("train"), max_images=self.size.images))
        aside = min(self.size.held_out, len(images) // 2)
        return (images[aside:], labels[aside:]), (images[:aside], labels[:aside])

    def measure(self) -> Measured:
        """Train the network, which goes on after its last epoch where it was killed, and attack it."""
        module, history, passes = self._train()
        tested = in_memory(open_source(self._data("test"), max_images=self.size.tested))
        self._tell(f"attacking {len(tested[0]):,} test images")
        robust = robust_accuracy(module, *tested, self.size.judge, self.bench.threat, self.setting.seed)
        count = len(tested[0])
        last = history.epochs[-1].held_out_robust_accuracy
        values: dict[str, Estimate | str] = {
            "seconds": without_interval(sum(epoch.seconds for epoch in history.epochs), len(self.images[0][0])),
            "passes": str(passes),
            "epochs": str(len(history.epochs)),
            "clean": proportion(round(accuracy(module, *tested) * count), count),
            "robust": robust,
            "collapsed": str(history.collapsed[0]) if history.collapsed else "no",
            "kept": str(history.kept),
            "images": f"{count:,}",
        }
        if last is not None:
            aside = len(self.images[1][0])
            values["last"] = proportion(round(last * aside), aside)
        self._checkpoint.unlink(missing_ok=True)
        return Measured(values, remark=self._remark(history), figures=(self._curves(history),))

    @property
    def _checkpoint(self):
        key = fingerprint([self.identity(), own_digest()])[:16]
        return self.setting.folder / "trainings" / f"{self.bench.folder}-{self.way.lower()}-{key}.checkpoint"

    def _train(self) -> tuple[nn.Module, History, Passes]:
        settings = self.bench.settings(self.way, self.setting.scale, self.setting.seed)
        training = self.bench.training(self.way, self.setting.scale)
        module = seeded(ARCHITECTURES[self.size.architecture].build, settings.seed).to(self.setting.device)
        (images, labels), aside = self.images
        batch = slice(settings.batch)
        passes = passes_of_an_epoch(module, images[batch], labels[batch], settings, training) * settings.epochs

        def tell(epoch: Epoch) -> None:
            said = f"held out: clean {epoch.held_out_accuracy:.1%}, 10 steps {epoch.held_out_robust_accuracy:.1%}"
            collapsed = ", collapsed" if epoch.collapsed else ""
            self._tell(f"epoch {epoch.number} of {settings.epochs}, {said}{collapsed}, {epoch.seconds:.0f} s")

        self._checkpoint.parent.mkdir(parents=True, exist_ok=True)
        history = fit(
            *(module, images, labels),
            settings=settings,
            adversarial=training,
            held_out=HeldOut(*aside, FEW, self.bench.threat, keep="last" if self.way == "clean" else "best"),
            checkpoint=self._checkpoint,
            progress=tell,
        )
        return module, history, passes

    def _remark(self, history: History) -> str:
        said = "".join(f" {remark[0].upper()}{remark[1:]}." for remark in history.remarks)
        return f"{self.size.architecture}, {len(self.images[0][0]):,} images, {threads()}.{said}"

    def _curves(self, history: History) -> Curves:
        def line(field: str) -> tuple[Sequence[float], Sequence[float]]:
            known = [(one.number, getattr(one, field)) for one in history.epochs if getattr(one, field) is not None]
            return [number for number, _ in known], [100 * value for _, value in known]

        lines = {
            "clean": line("held_out_accuracy"),
            "10 steps of PGD": line("held_out_robust_accuracy"),
            "its own attack": line("held_out_own_accuracy"),
        }
        return Curves(
            f"{self.bench.row(self.way)}: accuracy over the epochs",
            "On images kept aside. Where the own attack leaves many right and a few steps few, it has collapsed.",
            "epoch",
            "right in %",
            {name: points for name, points in lines.items() if points[0]},
        )

    def _tell(self, line: str) -> None:
        self.setting.tell(f"{self.bench.row(self.way)}: {line}")


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one training each."""
    works = [Trained(bench, way, setting) for bench in BENCHES for way in WAYS]
    return [Cell(work.bench.row(work.way), work.name, work.measure, work.identity) for work in works]


_PRINTED = {"clean": "clean %", "robust": "robust %", "seconds": "minutes"}


def _published(row: str, column: str) -> Figure:
    if column not in _PRINTED:
        return None
    figure = published()[TABLE].figure(row, _PRINTED[column])
    return f"{figure:g} min" if column == "seconds" and isinstance(figure, float | int) else figure


ORDERS = (
    Order(
        "A forward and a backward pass more in each step cost time: clean, FGSM and free, PGD",
        tuple((CIFAR.row(way), "seconds") for way in ("clean", "FGSM", "PGD")),
    ),
    Order(
        "Clean training leaves nothing, and FGSM as much as PGD or more",
        tuple((CIFAR.row(way), "robust") for way in ("clean", "PGD", "FGSM")),
    ),
    Order("Adversarial training costs clean accuracy", tuple((CIFAR.row(way), "clean") for way in ("PGD", "clean"))),
)
FAST_TRAINING = Study(
    name="fast-training",
    title="Adversarial training in one step, in several and for free: cost, accuracy and collapse",
    source=published()[TABLE].source,
    cells=cells,
    rows=tuple(Row(bench.row(way)) for bench in BENCHES for way in WAYS),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    of="Training",
    orders=ORDERS,
)
