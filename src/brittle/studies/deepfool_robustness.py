"""The DeepFool paper's table: test error, average robustness and cost by method, network by network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf

import numpy as np
import torch

from brittle.attacks.deepfool import DeepFool
from brittle.attacks.fgsm import FGSM
from brittle.core.attack import Attack
from brittle.core.run import run
from brittle.core.threat import Lp
from brittle.maths import norms
from brittle.metrics import Estimate, bootstrap, wilson
from brittle.metrics.estimate import Floats
from brittle.studies.fast_gradient_sign import BISECTIONS, DOUBLINGS, SHARE, SignSteps, smallest_eps
from brittle.studies.published import Figure, published
from brittle.studies.study import Cell, Column, Measured, Row, Setting, Study
from brittle.studies.subject import Origin, Subject

TABLE = "deepfool_robustness"
_MNIST, _CIFAR, _PHOTOGRAPHS = "mnist/test.parquet", "cifar10/test.parquet", "imagenet-sample/val.parquet"
ORIGINS = (
    Origin(
        "LeNet (MNIST)",
        _MNIST,
        ("lenet-mnist.safetensors",),
        "lenet-mnist",
        "mnist/train.parquet",
        (("small", 3), ("paper", None)),
    ),
    Origin(
        "FC500-150-10 (MNIST)",
        _MNIST,
        ("fc500-150-10.safetensors",),
        "fc500-150-10",
        "mnist/train.parquet",
        (("small", 5), ("paper", None)),
    ),
    Origin(
        "NIN (CIFAR-10)",
        _CIFAR,
        ("nin-cifar.safetensors",),
        "nin-cifar",
        "cifar10/train.parquet",
        (("paper", None),),
    ),
    Origin(
        "LeNet (CIFAR-10)",
        _CIFAR,
        ("cifar10_lenet.pt2", "lenet-cifar.safetensors"),
        "lenet-cifar",
        "cifar10/train.parquet",
        (("paper", None),),
    ),
    Origin("SqueezeNet 1.0 (ImageNet)", _PHOTOGRAPHS, ("squeezenet1_0.pt2",), images=100),
    Origin("MobileNet v2 (ImageNet)", _PHOTOGRAPHS, ("mobilenet_v2_1.0_224.pt2",), images=100),
)
"""The networks that are measured."""

_GONE = "Published figures only: the weights that the paper used exist in no form that brittle reads."
_NEW = "No published figures: the network is not in the paper."
ROWS = (
    *(Row(origin.row) for origin in ORIGINS[:4]),
    Row("CaffeNet (ILSVRC2012)", _GONE),
    Row("GoogLeNet (ILSVRC2012)", _GONE),
    *(Row(origin.row, _NEW) for origin in ORIGINS[4:]),
)

_SIZES, _COST = "Average robustness", "Cost for an image"
COLUMNS = (
    Column("images", "images", "number", _SIZES),
    Column("error", "test error", "percent", _SIZES),
    Column("deepfool.rho", "ρ, DeepFool", "ratio", _SIZES),
    Column("sign.rho", "ρ, fast gradient sign", "ratio", _SIZES),
    Column("lbfgs.rho", "ρ, L-BFGS", "ratio", _SIZES, measured=False),
    Column("deepfool.iterations", "iterations, DeepFool", "number", _COST),
    Column("deepfool.passes", "passes, DeepFool", "number", _COST),
    Column("deepfool.seconds", "time, DeepFool", "seconds", _COST),
    Column("sign.passes", "passes, fast gradient sign", "number", _COST),
    Column("sign.seconds", "time, fast gradient sign", "seconds", _COST),
    Column("lbfgs.seconds", "time, L-BFGS", "seconds", _COST, measured=False),
)
_PAPER = {
    "error": "test error %",
    "deepfool.rho": "rho DeepFool",
    "deepfool.seconds": "time DeepFool",
    "sign.rho": "rho fast gradient sign",
    "sign.seconds": "time FGS",
    "lbfgs.rho": "rho L-BFGS",
    "lbfgs.seconds": "time L-BFGS",
}
NOTES = (
    "ρ is the mean over all test images of ||r||₂ / ||x||₂, r being the change that takes the image from the class that "
    "is predicted to another one, also where that prediction was wrong (the paper's equations 1 and 2). Images and "
    "changed images lie in [0, 1]; the paper does not keep the changed ones there.",
    "Fast gradient sign has one ε for all images: the smallest at which 90 % change their class, found by bisection.",
    "ρ and time by L-BFGS are the paper's; they are measured by a later version.",
    "Passes are forward and backward passes together, the clean and the verifying one included. Times are an image's "
    "share of its batch; the paper's are of single images on a laptop of 2015, or on a GPU where it says so. The time "
    "of fast gradient sign is that of one step, without the search for ε.",
    "The paper claims that DeepFool needs fewer than 3 iterations on average.",
    "Intervals cover the truth in 95 of 100 such runs: Wilson's for rates, bootstrap over images for means, bootstrap "
    "over batches for times.",
)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work of the study: for each network its error and both methods, or why there are none."""
    found: list[Cell] = []
    for origin in ORIGINS:
        subject = Subject(origin, setting)
        if subject.given is None and not subject.trains and origin.architecture:
            found.append(Cell(origin.row, "training", _Untrained(subject).measure, _Untrained(subject).identity))
            continue
        for work in (_Error(subject), _DeepFool(subject), _FastGradientSign(subject)):
            found.append(Cell(origin.row, work.name, work.measure, work.identity))
    return found


@dataclass(frozen=True)
class _Untrained:
    """A network whose training is too long for the scale: says how long."""

    subject: Subject

    def identity(self) -> Mapping[str, object]:
        setting, origin = self.subject.setting, self.subject.origin
        data = setting.data_file(origin.training)
        return {"architecture": origin.architecture, "bytes": data.stat().st_size, "device": setting.device}

    def measure(self) -> Measured:
        hours, recipe, images = self.subject.training_hours()
        files = " or ".join(f"MODELS/{name}" for name in self.subject.origin.files)
        machine = f"this machine ({torch.get_num_threads()} threads, from a few steps timed)"
        return Measured(
            remark=f"Not measured: its training, {recipe.epochs} epochs of {images:,} images, about {hours:#.2g} hours "
            f"on {machine}, is not done at this scale; ask for --scale paper, or give {files} with --models MODELS."
        )


@dataclass(frozen=True)
class _Error:
    """The share of test images that the network gets wrong."""

    subject: Subject
    name = "test error"

    def identity(self) -> Mapping[str, object]:
        return self.subject.identity()

    @torch.no_grad()
    def measure(self) -> Measured:
        classifier, wrong, count = self.subject.classifier, 0, 0
        for block in self.subject.blocks("test error"):
            logits = classifier.logits(block.images.to(classifier.device, classifier.dtype))
            wrong += int((logits.argmax(1).cpu() != block.labels).sum())
            count += len(block)
        network, origin = self.subject.network, self.subject.origin
        given = self.subject.given
        weights = f"{network.parameters:,} weights"
        trained = f"Trained by the study on {origin.training}" if given is None else f"Network from {given.name}"
        return Measured({"images": f"{count:,}", "error": wilson(wrong, count)}, remark=f"{trained} ({weights}).")


@dataclass(frozen=True)
class _DeepFool:
    """DeepFool in the 2-norm, from the predicted class of every image."""

    subject: Subject
    name = "DeepFool"
    attack = DeepFool()

    def identity(self) -> Mapping[str, object]:
        return {**self.subject.identity(), **_described(self.attack, Lp(2))}

    def measure(self) -> Measured:
        rows = _attacked(self.attack, self.subject, Lp(2))
        relative = rows.size / rows.norm
        found = np.isfinite(relative)
        values = _cost(rows, "deepfool")
        notes = {"deepfool.passes": _passes(rows)}
        values["deepfool.iterations"] = _mean(rows.iterations)
        if not found.all():
            lost = f"{(~found).sum():,} of {len(found):,} images left out"
            notes["deepfool.rho"] = f"({lost}: not fooled in {self.attack.steps} steps)"
        values["deepfool.rho"] = _mean(relative[found]) if found.any() else "no image fooled"
        return Measured(values, notes)


@dataclass(frozen=True)
class _FastGradientSign:
    """Fast gradient sign at the smallest eps that changes the class of 90 % of the images."""

    subject: Subject
    name = "fast gradient sign"
    attack = FGSM()

    def identity(self) -> Mapping[str, object]:
        search = {"share": SHARE, "doublings": DOUBLINGS, "bisections": BISECTIONS}
        return {**self.subject.identity(), **_described(self.attack, Lp("inf")), "search": search}

    def measure(self) -> Measured:
        steps = SignSteps(self.subject)
        found = smallest_eps(steps.rate, largest=self.subject.classifier.bounds.span)
        rows = _attacked(self.attack, self.subject, Lp("inf", found.eps))
        values, notes = _cost(rows, "sign"), {"sign.passes": _passes(rows)}
        rate = f"{100 * found.rate:.1f} % at ε = {found.eps:.3g}"
        if found.reached:
            values["sign.rho"], notes["sign.rho"] = _mean(steps.relative(found.eps).numpy()), f"({rate})"
        else:
            values["sign.rho"], notes["sign.rho"] = f"{100 * SHARE:.0f} % never reached", f"(at most {rate})"
        return Measured(values, notes)


@dataclass(frozen=True)
class _Rows:
    """What attacking the test images gave, one number per image; `batch_seconds` one per batch, for an image."""

    size: Floats
    norm: Floats
    forward: Floats
    backward: Floats
    iterations: Floats
    batch_seconds: Floats


def _attacked(attack: Attack, subject: Subject, threat: Lp) -> _Rows:
    """Run an attack on every test image against the class that the network predicts for it."""
    parts: list[tuple[Floats, ...]] = []
    seconds: list[float] = []
    for block in subject.blocks(type(attack).__name__):
        result = run(
            attack,
            subject.classifier,
            block.images,
            threat=threat,
            seed=subject.setting.seed,
            batch=subject.batch,
            ids=block.index,
        )
        columns = (result.size, norms.size(block.images, 2), result.forward, result.backward, result.iterations)
        parts.append(tuple(column.double().cpu().numpy() for column in columns))
        seconds.append(float(result.seconds.mean()))
    size, norm, forward, backward, iterations = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Rows(size, norm, forward, backward, iterations, np.asarray(seconds))


def _cost(rows: _Rows, method: str) -> dict[str, Estimate | str]:
    times = _mean(rows.batch_seconds)
    seconds = Estimate(times.value, max(times.low, 0.0), times.high, len(rows.size))
    return {f"{method}.passes": _mean(rows.forward + rows.backward), f"{method}.seconds": seconds}


def _passes(rows: _Rows) -> str:
    return f"({rows.forward.mean():.3g} forward + {rows.backward.mean():.3g} backward)"


def _mean(values: Floats) -> Estimate:
    return bootstrap(values, lambda samples: samples.mean(axis=1))


def _described(attack: Attack, threat: Lp) -> dict[str, object]:
    name, radius = type(attack).__name__, "none" if threat.radius == inf else str(threat.radius)
    settings = {field: str(value) for field, value in asdict(attack).items()}
    return {
        "attack": {"name": name, **settings},
        "threat": {"norm": threat.name, "radius": radius},
        "from": "predicted",
    }


def _published(row: str, column: str) -> Figure:
    return published()[TABLE].figure(row, _PAPER[column]) if column in _PAPER else None


DEEPFOOL_ROBUSTNESS = Study(
    name="deepfool-robustness",
    title="Average robustness of image classifiers by DeepFool and by fast gradient sign",
    source=published()[TABLE].source + ", table 1",
    cells=cells,
    rows=ROWS,
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    plot=("deepfool.rho", "sign.rho", "lbfgs.rho"),
)
