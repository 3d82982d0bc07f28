"""The DeepFool paper's fine-tuning: rho over extra epochs on images of two attacks, and on clean ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from brittle.metrics import Estimate
from brittle.metrics.estimate import without_interval
from brittle.studies.bench.drawing import Curves
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study, sized
from brittle.studies.deepfool.courses import EPOCHS, RATES, SEARCHED, FineTuned, Point, Tuning
from brittle.studies.deepfool.fast_gradient_sign import FRACTION
from brittle.studies.shared.inference_form import EXPORTED
from brittle.studies.shared.networks import ORIGINS
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.studies.shared.untrained import Untrained

TABLE, BEFORE = "deepfool_fine_tuning", "deepfool_robustness"
IMAGES = {"small": 1500, "full": 4000, "paper": None}
"""Training images that are attacked, by scale."""
TESTED = 200, 300
"""Test images at the small and at the full scale."""
LONG = "nin-cifar"
"""Is too long for the small scale, even where it is given."""
DEEPFOOL, SIGN = Tuning("deepfool", "DeepFool", "deepfool"), Tuning("sign", "fast gradient sign", "sign")
CLEAN = Tuning("clean", "clean")
TWICE, THRICE = (Tuning(f"alpha{alpha}", f"DeepFool, α = {alpha}", "deepfool", float(alpha)) for alpha in (2, 3))
SLOWLY = Tuning("slow", "fast gradient sign, rate lowered by 90 %", "sign", slower=True)
TUNINGS = (DEEPFOOL, SIGN, CLEAN, TWICE, THRICE)
FOUR = tuple(replace(origin, images=TESTED[0], full=TESTED[1]) for origin in ORIGINS[:4])
"""The paper's networks; NIN is trained at the scale of the paper alone."""

_ERROR, _RHO, _GAIN = (
    f"Test error after {EPOCHS} extra epochs",
    f"ρ by DeepFool after {EPOCHS} extra epochs",
    f"ρ after {EPOCHS} extra epochs against before",
)
COLUMNS = (
    Column("images", "test images", "number", _ERROR),
    Column("error.before", "before", "percent", _ERROR),
    *(Column(f"error.{tuning.key}", tuning.title, "percent", _ERROR) for tuning in TUNINGS),
    Column("rho.before", "before", "ratio", _RHO),
    *(Column(f"rho.{tuning.key}", tuning.title, "ratio", _RHO) for tuning in TUNINGS),
    *(Column(f"gain.{tuning.key}", tuning.title, "percent", _GAIN) for tuning in TUNINGS),
    Column("gain.slow", "f. g. sign, rate − 90 %, by DeepFool", "percent", _GAIN),
    Column("gain.slow.sign", "the same, by fast gradient sign", "percent", _GAIN),
)
NOTES = (
    f"Every network is trained on for {EPOCHS} epochs with the true labels: on its training images as DeepFool changed "
    "them for the network as it was, the same ones in every epoch; on images after a step of fast gradient sign; on "
    "clean ones. α multiplies DeepFool's changes. Changed images are clipped to [0, 1], which the paper does not say "
    "of its own, and images that the network got wrong before stay as they are.",
    f"The step of fast gradient sign has one ε: the smallest at which {100 * FRACTION:.0f} % of the training images "
    f"(the first {SEARCHED:,}) are misclassified, in [0, 1].",
    "The paper halves the learning rate and does not say which. Here it is constant: "
    f"{RATES['lenet-mnist']:g} for digits, half of what their training began with; {RATES['nin-cifar']:g} for NIN and "
    f"{RATES['lenet-cifar']:g} for LeNet on CIFAR-10, half of a rate late in their training. No augmentation; all "
    "other settings are those of the architecture's recipe.",
    "ρ is the mean of ||r||₂ / ||x||₂ over the test images without a box, as in deepfool-robustness. Gains are ρ "
    "after the last epoch against ρ before, 0 % for no change. The last two are of fast gradient sign with the "
    "rate lowered by 90 % in place of 50 %, judged by both methods: the paper's figure 9, there for NIN alone, in "
    "which fast gradient sign exaggerates the gain.",
    "The paper prints test errors (table 3), and of ρ only the values before and, in its text, what DeepFool gains on "
    "MNIST and with NIN; its curves are figures without numbers. Its figure 7 (α) does not say which network it is of; "
    "its axis fits LeNet on MNIST. Where changes are small to begin with, as on CIFAR-10 here (see deepfool-robustness "
    "on the space that ρ is measured in), three times as much is still small.",
    EXPORTED,
    f"Scale small: {IMAGES['small']:,} training images, {TESTED[0]} test images. Scale full: {IMAGES['full']:,} and "
    f"{TESTED[1]}; NIN where it is given. Scale paper: all of them.",
    INTERVALS,
)


@dataclass(frozen=True)
class Tuned:
    """All courses of one network."""

    network: FineTuned
    name = "fine-tuning"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        return {**self.network.identity(), "tunings": [repr(tuning) for tuning in (*TUNINGS, SLOWLY)]}

    def measure(self) -> Measured:
        """Train the network on in every way, and measure it after every epoch."""
        courses = {tuning: self.network.course(tuning) for tuning in (*TUNINGS, SLOWLY)}
        before = self.network.before()
        values: dict[str, Estimate | str] = {
            "images": f"{before.error.n:,}",
            "error.before": before.error,
            "rho.before": before.deepfool,
        }
        for tuning in TUNINGS:
            after = courses[tuning][-1]
            values |= {f"error.{tuning.key}": after.error, f"rho.{tuning.key}": after.deepfool}
            values[f"gain.{tuning.key}"] = gain(before.deepfool, after.deepfool)
        slow = courses[SLOWLY][-1]
        values |= {"gain.slow": gain(before.deepfool, slow.deepfool), "gain.slow.sign": gain(before.sign, slow.sign)}
        return Measured(values, remark=self._remark(), figures=drawings(self.network.subject.origin.row, courses))

    def _remark(self) -> str:
        network, images, eps = self.network, len(self.network.training[0]), self.network.eps
        reached = f"{100 * eps.rate:.1f} % of the first {min(images, SEARCHED):,}"
        return (
            f"{network.subject.story()} Fine-tuned on {images:,} images; ε = {eps.eps:.3g} for fast gradient sign, "
            f"{reached} misclassified" + ("." if eps.reached else f": {100 * FRACTION:.0f} % are never reached.")
        )


def gain(before: Estimate | str, after: Estimate | str) -> Estimate | str:
    """Return by which fraction rho has grown.

    Example:
        >>> gain(without_interval(2.0, 10), without_interval(3.0, 10)).value
        0.5
    """
    if isinstance(before, str) or isinstance(after, str):
        return before if isinstance(before, str) else str(after)
    return without_interval(after.value / before.value - 1, after.n)


def drawings(row: str, courses: Mapping[Tuning, Sequence[Point]]) -> tuple[Curves, ...]:
    """Draw rho over the epochs: by what the network was trained on, by alpha, and as two methods judge it."""

    def by_deepfool(tunings: Sequence[Tuning]) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
        return {tuning.title: _line([point.deepfool for point in courses[tuning]]) for tuning in tunings}

    judged = {
        "DeepFool": _line([point.deepfool for point in courses[SLOWLY]], relative=True),
        "fast gradient sign": _line([point.sign for point in courses[SLOWLY]], relative=True),
    }
    epochs, rho = "extra epochs", "ρ by DeepFool"
    return (
        Curves(
            f"{row}: ρ over extra epochs",
            "By what the network is trained on; the paper's figure 6.",
            epochs,
            rho,
            by_deepfool((DEEPFOOL, SIGN, CLEAN)),
        ),
        Curves(
            f"{row}: ρ over extra epochs on magnified changes",
            "DeepFool's changes multiplied by α; the paper's figure 7.",
            epochs,
            rho,
            {"DeepFool, α = 1": by_deepfool((DEEPFOOL,))[DEEPFOOL.title], **by_deepfool((TWICE, THRICE))},
        ),
        Curves(
            f"{row}: how two methods judge the same training",
            "On images of fast gradient sign with the learning rate lowered by 90 %; the paper's figure 9.",
            epochs,
            "ρ against ρ before",
            judged,
        ),
    )


def _line(values: Sequence[Estimate | str], *, relative: bool = False) -> tuple[Sequence[float], Sequence[float]]:
    """The epochs that have a number, and their numbers; those against the first one where they are relative."""
    known = [(number, one.value) for number, one in enumerate(values) if isinstance(one, Estimate)]
    first = known[0][1] if relative and known and known[0][0] == 0 else 1.0
    return [number for number, _ in known], [value / first for _, value in known]


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network, or why there is none."""
    works = [_work(origin, setting) for origin in FOUR]
    return [Cell(origin.row, work.name, work.measure, work.identity) for origin, work in zip(FOUR, works, strict=True)]


def _work(origin: NetworkSource, setting: Setting) -> Tuned | Untrained:
    subject = Benchmark(origin, setting)
    long = origin.architecture == LONG and setting.scale == "small"
    if long or (subject.given is None and not subject.trains):
        return Untrained(subject)
    return Tuned(FineTuned(subject, sized(IMAGES, setting.scale)))


_TUNED = {"error.deepfool": "DeepFool %", "error.sign": "fast gradient sign %", "error.clean": "clean %"}
_BEFORE = {"error.before": "test error %", "rho.before": "rho DeepFool"}


def _published(row: str, column: str) -> Figure:
    if column in _BEFORE:
        return published()[BEFORE].figure(row, _BEFORE[column])
    if column == "gain.deepfool":
        return published()[TABLE].figure(row, "rho gained by DeepFool")
    return published()[TABLE].figure(row, _TUNED[column]) if column in _TUNED else None


def _orders() -> Iterator[Order]:
    """What the paper says of each network, as far as it does."""
    for origin in FOUR:
        row = origin.row
        yield Order(
            f"{row}: images of DeepFool make the network more robust than clean ones",
            ((row, "rho.clean"), (row, "rho.deepfool")),
        )
        yield Order(
            f"{row}: images of fast gradient sign make it less robust than those of DeepFool",
            ((row, "rho.sign"), (row, "rho.deepfool")),
        )
        yield Order(
            f"{row}: images of DeepFool do not cost accuracy, those of fast gradient sign do",
            ((row, "error.deepfool"), (row, "error.sign")),
        )
    row = FOUR[0].row
    yield Order(
        f"{row}: the larger α, the less is gained",
        tuple((row, f"rho.{key}") for key in ("alpha3", "alpha2", "deepfool")),
    )


DEEPFOOL_FINE_TUNING = Study(
    name="deepfool-fine-tuning",
    title="Robustness and test error after fine-tuning on images of DeepFool, of fast gradient sign, and clean ones",
    source=published()[TABLE].source + ", figures 6, 7 and 9 and table 3",
    cells=cells,
    rows=tuple(Row(origin.row) for origin in FOUR),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    plot=("rho.before", *(f"rho.{tuning.key}" for tuning in TUNINGS)),
    orders=tuple(_orders()),
)
