"""Seven defences that hide gradients, and one that does not: the table of Athalye, Carlini and Wagner."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import torch

from brittle.attacks.pgd import PGD
from brittle.classifiers.eot import mean_logits
from brittle.classifiers.refusals import folded
from brittle.data import open_source
from brittle.defences import Adaptive
from brittle.defences.defence import MARGIN
from brittle.evaluation.defended import Defended, defence_of
from brittle.evaluation.subject import clean_images
from brittle.metrics import Estimate, proportion
from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Order, Row, Setting, Study
from brittle.studies.obfuscated.lines import LINES, Amount, Line
from brittle.studies.obfuscated.networks import NAME, benchmark
from brittle.studies.shared.subject import Benchmark
from brittle.types import Images, Labels, Mask

TABLE = "obfuscated_gradients"
_TABLE = published()[TABLE]
PUBLISHED = {str(row[0]): row[-1] for row in _TABLE.rows.values()}
KINDS = ("naive", "adaptive")
COLUMNS = (
    Column("clean", "clean", "percent", "Accuracy"),
    Column("naive", "naive attack", "percent", "Accuracy"),
    Column("adaptive", "adaptive attack", "percent", "Accuracy"),
    Column("images", "images", "number", "Accuracy"),
)
NOTES = (
    "Accuracy is that of the defended network on all test images, clean and under PGD with a random start within the "
    "radius of the paper's table: linf 0.031, and in l2 0.005 as a root mean square over the values (1.94 of "
    "photographs) or, for Defense-GAN, as a mean square (1.98 of digits; as a root it would be 0.14, within which no "
    "network of digits falls). The naive attack goes through the gradients that the defended network gives by itself, "
    "and looks once at what is random; the adaptive one uses what `brittle list defences` says of the defence. What is "
    "published is the accuracy under the paper's attack, and stands beside the adaptive one.",
    f"An adaptive attack on what is random goes on until it wins by {MARGIN:g} logits in the mean over its draws, for "
    "what wins by next to nothing loses with the next draws. Images are judged with draws that no attack has seen.",
    "A detector refuses images: one counts as broken where it is misclassified and not refused, and a clean one as "
    "wrong where it is refused.",
    "The networks are others than the paper's: ResNet-32 for CIFAR-10 and MobileNet v2 for photographs as they are "
    "published; the study trains those of the thermometer, of MNIST and of adversarial training.",
    "Scales small and full: fewer images, steps and draws, as the rows say. Scale paper: all test images, 100 steps, "
    "the defence's own number of draws; days on a processor.",
    INTERVALS,
)


@dataclass(frozen=True)
class Attempt:
    """One row: the accuracy of a defended network, clean and under both attacks."""

    line: Line
    benchmark: Benchmark

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        line = {**asdict(self.line), "threat": [self.line.threat.name, self.line.threat.radius]}
        return {**self.benchmark.identity(), "line": line, "scale": self.benchmark.setting.scale}

    def measure(self) -> Measured:
        """Attack naively, then adaptively."""
        values: dict[str, Estimate | str] = {}
        for kind in KINDS:
            clean, attacked, count = self._accuracy(self._met[kind], kind)
            values |= {"clean": clean, kind: attacked, "images": f"{count:,}"}
        known = self._met["adaptive"]
        note = known.over(self._samples(known)).note
        return Measured(values, remark=f"{self._steps} steps, adaptively {note}.")

    @property
    def _amount(self) -> Amount | None:
        """How much is done; None for everything."""
        return {"small": self.line.small, "full": self.line.full, "paper": None}[self.benchmark.setting.scale]

    @property
    def _steps(self) -> int:
        return self.line.paper_steps if self._amount is None else self._amount.steps

    def _samples(self, met: Adaptive) -> int:
        own = None if self._amount is None else self._amount.samples
        return met.eot_samples if own is None else min(own, met.eot_samples)

    @cached_property
    def _met(self) -> dict[str, Adaptive]:
        inner = self.benchmark.classifier
        if not self.line.defence:
            return dict.fromkeys(KINDS, Adaptive(inner))
        defence, clean = defence_of(self.line.defence), None
        if self.line.clean:
            source = open_source(str(self.benchmark.setting.data_file(self.line.clean)), fit=self.benchmark.source.fit)
            tested = len(self.benchmark.source) if self.line.clean == self.benchmark.origin.test else 0
            clean = clean_images(source, defence, start=tested)
        naive = Defended.of(defence, inner, clean, naive=True)
        return {"naive": naive.met, "adaptive": Defended.of(naive.defence, inner, None, naive=False).met}

    def _accuracy(self, met: Adaptive, kind: str) -> tuple[Estimate, Estimate, int]:
        right = left = count = 0
        attack = PGD(steps=self._steps)
        for block in self.benchmark.blocks(f"{self.line.key}, {kind}"):
            found = self.benchmark.attacked(
                attack,
                block,
                self.line.threat,
                classifier=met.classifier,
                eot_samples=self._samples(met),
                confidence=met.confidence,
            )
            before = found.clean_prediction.cpu() == block.labels
            if found.clean_refused is not None:
                before &= ~found.clean_refused.cpu()
            right += int(before.sum())
            left += int((before & self._holds(met, found.adversarial, block.labels)).sum())
            count += len(block)
        return proportion(right, count), proportion(left, count), count

    @torch.no_grad()
    def _holds(self, met: Adaptive, images: Images, labels: Labels) -> Mask:
        """Say which images a network that draws anew gets right or refuses."""
        seed, batch = self.benchmark.setting.seed + 1, self.benchmark.batch
        outputs = mean_logits(met.classifier, images, self._samples(met), seed=seed, batch=batch).cpu()
        return folded(met.classifier, outputs, labels).argmax(1) == labels


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each row."""
    works = [Attempt(line, benchmark(line, setting)) for line in LINES]
    return [Cell(work.line.key, "accuracy", work.measure, work.identity) for work in works]


def _published(row: str, column: str) -> Figure:
    return PUBLISHED.get(row) if column == "adaptive" else None


ORDERS = (
    *(
        Order(
            f"{line.key}: the adaptive attack leaves less than the naive one",
            ((line.key, "adaptive"), (line.key, "naive")),
        )
        for line in LINES
        if line.defence
    ),
    Order(
        "Of the networks for CIFAR-10 only the adversarially trained one keeps much of its accuracy",
        tuple((line.key, "adaptive") for line in LINES if line.paper in ("Buckman 2018", "Madry 2018")),
    ),
)


OBFUSCATED_GRADIENTS = Study(
    name=NAME,
    title="Defences that hide gradients, attacked naively and adaptively",
    source=_TABLE.source + ", table 1",
    cells=cells,
    rows=tuple(Row(line.key, stands_for=line.paper) for line in LINES),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    of="Defence",
    orders=ORDERS,
)
