"""How close every minimum-norm attack comes to the smallest changes that all of them found."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from brittle.core.attack import Attack
from brittle.evaluation.spec import parse_attack
from brittle.metrics import Estimate, mean, optimality
from brittle.metrics.estimate import Flags, Floats
from brittle.studies.bench.drawing import Curves
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study
from brittle.studies.shared.networks import ORIGINS as _TABLE
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.threats import parse_threat

BUDGET = 2000
"""Forward plus backward passes an image, as in AttackBench."""
ATTACKS: dict[str, tuple[str, ...]] = {
    "l2": (
        "boundary-descent:steps=300",
        "ddn:steps=1000",
        "fmn:steps=1000",
        "alma:steps=1000",
        "pdpgd:steps=1000",
        "cw-l2:searches=3,steps=300",
        "lbfgs",
        "fab",
        "superdeepfool",
        "deepfool",
        "smallest(apgd:steps=100)",
    ),
    "linf": (
        "boundary-descent:steps=300",
        "fmn:steps=1000",
        "pdpgd:steps=1000",
        "cw-linf",
        "fab",
        "deepfool",
        "smallest(apgd:steps=100)",
        "smallest(pgd:steps=100)",
    ),
    "l1": (
        "boundary-descent:steps=300",
        "fmn:steps=1000",
        "alma:steps=1000",
        "pdpgd:steps=1000",
        "fab",
        "deepfool",
        "smallest(apgd:steps=100)",
    ),
    "l0": ("support-descent:steps=300", "sigma-zero:steps=1000", "fmn:steps=1000", "pdpgd:steps=1000", "cw-l0", "jsma"),
}
"""By norm: every search for the smallest change, and two attacks at a radius with a search around them."""
ORIGINS = (
    replace(_TABLE[0], images=20, full=100),
    replace(_TABLE[1], images=20, full=100),
    replace(_TABLE[3], images=100),
    NetworkSource("ResNet-32 (CIFAR-10)", "cifar10/test.parquet", ("cifar10_resnet32.pt2",), images=20),
    NetworkSource(
        "MobileNet v1 0.25 (ImageNet)", "imagenet-sample/val.parquet", ("mobilenet_v1_0.25_128.pt2",), images=20
    ),
)
"""The networks at hand that attacks of a thousand passes can be tried on."""
LONG = tuple(origin.row for origin in ORIGINS[2:])
"""Take too long for the small scale."""


def _title(attack: str) -> str:
    return attack.partition(":")[0] if "(" not in attack else attack.replace(":steps=100", "")


COLUMNS = tuple(
    column
    for norm, attacks in ATTACKS.items()
    for column in (
        *(Column(f"{norm}.{attack}", _title(attack), "percent", norm) for attack in attacks),
        Column(f"{norm}.images", "images", "number", norm),
        Column(f"{norm}.best", "mean smallest change", "ratio", norm),
    )
)
NOTES = (
    "Local optimality of AttackBench (Cinà et al., AAAI 2025): the fraction of the area between the "
    "robust-accuracy curve "
    "of an attack that finds nothing and that of the smallest change known of each image, which the attack's own curve "
    "closes. 100 % where nobody found less on any image. The figure depends on who takes part: another good attack "
    "lowers everybody's. Images that the network gets right.",
    f"Every attack has at most {BUDGET:,} passes an image, forward plus backward, as in AttackBench; settings other "
    "than those written are the defaults. AttackBench publishes figures for networks that are not at hand, so that "
    "none stand beside.",
    "Scale small: the first 20 test images of MNIST. Scale full: 100 of MNIST and for LeNet on CIFAR-10, 20 for "
    "ResNet-32 and of the photographs. Scale paper: all there are.",
    INTERVALS + " Those of the optimality take the largest of the best changes as given.",
)


@dataclass(frozen=True)
class Ranking:
    """All attacks of a norm on a network."""

    subject: Benchmark
    norm: str

    @property
    def name(self) -> str:
        """The norm."""
        return self.norm

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        settings = {text: _plain(parse_attack(text).attack) for text in ATTACKS[self.norm]}
        return {**self.subject.identity(), "attacks": settings, "budget": BUDGET}

    def measure(self) -> Measured:
        """Run them all on the same images, and compare."""
        sizes: dict[str, Floats] = {}
        right: Flags = np.zeros(0, dtype=bool)
        for text in ATTACKS[self.norm]:
            sizes[text], right = self._sizes(text)
        sizes = {text: found[right] for text, found in sizes.items()}
        best = np.minimum.reduce(list(sizes.values()))
        if not np.isfinite(best).any():
            return Measured({f"{self.norm}.images": f"{len(best):,}, none broken"}, remark=self.subject.story())
        values: dict[str, Estimate | str] = {
            f"{self.norm}.{text}": fraction
            for text, fraction in optimality(sizes, seed=self.subject.setting.seed).items()
        }
        values[f"{self.norm}.images"] = f"{len(best):,}"
        values[f"{self.norm}.best"] = mean(best[np.isfinite(best)])
        return Measured(values, remark=self.subject.story(), figures=(self._curves(sizes, best),))

    def _sizes(self, text: str) -> tuple[Floats, Flags]:
        """Return the size of each image's change, infinite where there is none, and which images were right."""
        sizes: list[Floats] = []
        right: list[Flags] = []
        for block in self.subject.blocks(f"{self.norm}, {text}"):
            attack, threat = parse_attack(text).attack, parse_threat(self.norm)
            result = self.subject.attacked(attack, block, threat, budget=BUDGET)
            sizes.append(result.size.where(result.success, np.inf).double().cpu().numpy())
            right.append((result.clean_prediction.cpu() == block.labels).numpy())
        return np.concatenate(sizes), np.concatenate(right)

    def _curves(self, sizes: Mapping[str, Floats], best: Floats) -> Curves:
        farthest = float(best[np.isfinite(best)].max(initial=0.0)) or 1.0
        radii = np.linspace(0, farthest, 60)
        lines = {_title(text): found for text, found in sizes.items()} | {"the smallest of all": best}
        return Curves(
            f"{self.subject.origin.row}, {self.norm}",
            "Fraction of images that an attack leaves right, by the largest change allowed; lower is a better attack.",
            f"{self.norm} of the change",
            "still right",
            {
                name: (radii.tolist(), [float((found > radius).mean()) for radius in radii])
                for name, found in lines.items()
            },
        )


def _plain(attack: Attack) -> dict[str, object]:
    return {"name": type(attack).__name__, **{key: str(value) for key, value in asdict(attack).items()}}


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: one for each network and norm."""
    chosen = [origin for origin in ORIGINS if setting.scale != "small" or origin.row not in LONG]
    subjects = [Benchmark(origin, setting) for origin in chosen]
    works = [Ranking(subject, norm) for subject in subjects for norm in ATTACKS]
    return [Cell(work.subject.origin.row, work.name, work.measure, work.identity) for work in works]


ATTACK_OPTIMALITY = Study(
    name="attack-optimality",
    title="How close every minimum-norm attack comes to the smallest changes known",
    source="A. E. Cinà et al., AttackBench: evaluating gradient-based attacks for adversarial examples, AAAI 2025, "
    "arXiv:2404.19460",
    cells=cells,
    rows=tuple(Row(one.row, "Measured from full scale on." if one.row in LONG else "") for one in ORIGINS),
    minutes={"small": 7},
    columns=COLUMNS,
    published=lambda row, column: None,
    notes=NOTES,
)
