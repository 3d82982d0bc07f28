"""The universal paper's fine-tuning: how many images a new perturbation fools after training on a pool of ten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brittle.metrics import Estimate
from brittle.studies.bench.drawing import Curves
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Scale, Setting, Study
from brittle.studies.shared.inference_form import EXPORTED
from brittle.studies.shared.photographs import FAST, SAMPLE, fooled
from brittle.studies.shared.subject import NetworkSource
from brittle.studies.shared.views import MOBILENET_128, MOBILENET_160
from brittle.studies.uap.rounds import POOL, PROBABILITY, Rounds, Size, Tuned
from brittle.training.recipe import PlainTraining
from brittle.universal_attacks.ascent import UniversalAscent

TABLE = "uap_facts"
ROUNDS = 2
"""Times that the network is fine-tuned, each on a pool made for it as it is then."""
PAPERS = "VGG-F"
QUICK = UniversalAscent(passes=5)
"""What makes the pools at the small scale."""
RESNET = Tuned(
    NetworkSource(
        "ResNet-32 (CIFAR-10)", "cifar10/test.parquet", ("cifar10_resnet32.pt2",), "", "cifar10/train.parquet"
    ),
    PlainTraining(epochs=5, batch=50, rate=0.001, schedule="constant", decay=0.0),
    {
        "small": Size(1000, 500, (100, QUICK), (200, FAST)),
        "full": Size(5000, 2000, (200, QUICK), (1000, FAST)),
        "paper": Size(None, None, (10_000, FAST), (10_000, FAST)),
    },
)


def _mobilenet(row: str, file: str, rate: float, scales: Sequence[Scale]) -> Tuned:
    """A MobileNet on photographs, which learns its own answers in place of labels."""
    sizes: dict[Scale, Size] = {scale: Size(None, None, (200, QUICK), (None, FAST)) for scale in scales}
    return Tuned(
        NetworkSource(row, SAMPLE, (file,)),
        PlainTraining(epochs=5, batch=25, rate=rate, schedule="constant", decay=0.0),
        {**sizes, "paper": Size(None, None, (None, FAST), (None, FAST))},
        own_answers=True,
    )


MOBILENETS = (
    _mobilenet(MOBILENET_160.row, MOBILENET_160.spec, 0.0002, ("full",)),
    _mobilenet(MOBILENET_128.row, MOBILENET_128.spec, 0.0001, ("small", "full")),
)
NETWORKS = (RESNET, *MOBILENETS)
_FOOLED, _BESIDE = "Fooling rate of a new perturbation", "Beside it"
COLUMNS = (
    Column("before", "before", "percent", _FOOLED),
    *(Column(f"after{number}", f"after round {number}", "percent", _FOOLED) for number in range(1, ROUNDS + 1)),
    Column("noise", "noise, before", "percent", _BESIDE),
    *(
        Column(f"old{number}", f"after round {number}, perturbation made before it", "percent", _BESIDE)
        for number in range(1, ROUNDS + 1)
    ),
    Column("accuracy.before", "accuracy, before", "percent", _BESIDE),
    *(
        Column(f"accuracy{number}", f"accuracy, after round {number}", "percent", _BESIDE)
        for number in range(1, ROUNDS + 1)
    ),
)
NOTES = (
    f"In each round a pool of {POOL} perturbations is made for the network as it is; then it is trained for "
    f"{RESNET.settings.epochs} epochs in which each image has one of them added, picked at random, with probability "
    f"{PROBABILITY:g}. A network is judged by a perturbation made anew for it, with a seed of its own, that is in no "
    "pool; rates are of test images, fooled when their class with the perturbation is another one than without, by the "
    "same network. Maximum norm, 10/255.",
    f"Made by {FAST!r}; below the scale of the paper the pools by {QUICK!r} from fewer images. The paper's are of its "
    "own algorithm, see uap-fooling.",
    "The paper adds to each image the smallest multiple of a perturbation that fools the network; here a perturbation "
    "is added whole. Its network is VGG-F, trained on the 1.2 million images of ImageNet; the learning rate is not "
    "said. Here it is constant, "
    + ", ".join(f"{tuned.settings.rate:g} for {tuned.origin.row}" for tuned in NETWORKS)
    + ".",
    EXPORTED + " The paper's network has no batch normalisation either; that of MobileNet is folded into its weights.",
    f"The MobileNets have {SAMPLE} alone: one half of the sample to train on and one to test. There is one image of "
    "each class, so that the labels of one half would teach them that the other half's classes do not exist; they "
    "learn their own answers to the clean images, as they gave them before all rounds, in place of labels.",
    "ResNet-32 is trained on 1,000 images and tested on 500 at the small scale, on 5,000 and 2,000 at full.",
    INTERVALS,
)


@dataclass(frozen=True)
class Hardened:
    """All rounds of one network."""

    rounds: Rounds
    name = "rounds"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        return {**self.rounds.identity(), "rounds": ROUNDS}

    def measure(self) -> Measured:
        """Fine-tune the network round by round, and attack it anew after each."""
        rounds, judges = self.rounds, [self.rounds.judge(number) for number in range(ROUNDS + 1)]
        new = [fooled(rounds.tested(number), judge) for number, judge in enumerate(judges)]
        right = [rounds.accuracy(number) for number in range(ROUNDS + 1)]
        values: dict[str, Estimate | str] = {
            "before": new[0],
            "noise": fooled(rounds.tested(0), rounds.noise()),
            "accuracy.before": right[0],
        }
        for number in range(1, ROUNDS + 1):
            values[f"after{number}"] = new[number]
            values[f"old{number}"] = fooled(rounds.tested(number), judges[number - 1])
            values[f"accuracy{number}"] = right[number]
        return Measured(values, remark=self._story(), figures=(self._curves(new, right),))

    def _story(self) -> str:
        trained, pool, judge, tested = self.rounds.counts()
        return (
            f"{self.rounds.subject.story()} Trained on {trained:,} images, pools made from {pool:,} of them and new "
            f"perturbations from {judge:,}; {tested:,} test images."
        )

    def _curves(self, new: Sequence[Estimate], right: Sequence[Estimate]) -> Curves:
        """Draw the rates over the rounds."""
        row, numbers = self.rounds.tuned.origin.row, list(range(ROUNDS + 1))
        paper = [published()[TABLE].values[name] / 100 for name in _PUBLISHED.values()]
        return Curves(
            f"{row}: fooling rate over rounds of fine-tuning",
            f"{new[0].n:,} test images. The paper's line is of {PAPERS}.",
            "rounds of fine-tuning",
            "fraction of the test images",
            {
                "fooled by a new perturbation": (numbers, [one.value for one in new]),
                "right without one": (numbers, [one.value for one in right]),
                f"paper, {PAPERS}, fooled": (numbers, paper),
            },
            (f"paper, {PAPERS}, fooled",),
        )


_PUBLISHED = {
    "before": "fine-tuning VGG-F on universal perturbations, fooling before",
    "after1": "after 5 extra epochs (pool of 10, probability 0.5)",
    "after2": "after repeating the procedure once",
}


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network."""
    works = [Hardened(Rounds(tuned, setting)) for tuned in NETWORKS if setting.scale in tuned.sizes]
    return [Cell(one.rounds.tuned.origin.row, one.name, one.measure, one.identity) for one in works]


def _published(row: str, column: str) -> Figure:
    return published()[TABLE].values[_PUBLISHED[column]] if row == PAPERS and column in _PUBLISHED else None


UNIVERSAL_FINE_TUNING = Study(
    name="universal-fine-tuning",
    title="How many images a new universal perturbation fools after training on a pool of them",
    source=published()[TABLE].source + ", the section on fine-tuning",
    cells=cells,
    rows=(
        Row(RESNET.origin.row, "Not in the paper."),
        Row(MOBILENET_160.row, "Not in the paper; measured from the scale full on."),
        MOBILENET_128.as_row(),
        Row(PAPERS, "Published figures only: no weights are at hand."),
    ),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    orders=tuple(
        Order(
            f"{row}: a round of fine-tuning helps against new perturbations, a second one no more (76.2, 80.0, 93.7 %)",
            tuple((row, column) for column in ("after1", "after2", "before")),
            why=why,
        )
        for row, why in (
            (RESNET.origin.row, "on small images repeating helps"),
            (MOBILENET_128.row, "it has 500 photographs to learn from in place of 1.2 million"),
        )
    ),
)
