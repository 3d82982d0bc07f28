"""The networks of the table: two as they are published, three that the study trains."""

from dataclasses import replace

from brittle.attacks.pgd import PGD
from brittle.studies.bench.study import Setting, sized
from brittle.studies.obfuscated.lines import CIFAR, DIGITS, PHOTOGRAPHS, Line
from brittle.studies.shared.hardened import HardenedBenchmark
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.threats import Lp
from brittle.training.adversarial import AdversarialTraining
from brittle.training.recipe import PlainTraining

NAME = "obfuscated-gradients"
RADIUS = 0.031
"""Of the table, for CIFAR-10: 8 of 255 levels, nearly."""
TRAINING = "cifar10/train.parquet"
ORIGINS = {
    "resnet32": NetworkSource("ResNet-32", CIFAR, ("cifar10_resnet32.pt2",)),
    "mobilenet": NetworkSource("MobileNet v2", PHOTOGRAPHS, ("mobilenet_v2_1.0_224.pt2",)),
    "mnist": NetworkSource(
        "LeNet for MNIST", DIGITS, (), "lenet-mnist", "mnist/train.parquet", (("small", 2), ("paper", None))
    ),
    "madry": NetworkSource("adversarially trained", CIFAR, (), "lenet-cifar", TRAINING),
    "thermometer": NetworkSource("trained on encoded images", CIFAR, (), "lenet-cifar", TRAINING),
}
"""By the names that the lines have for them."""
_TRAINING = PlainTraining(8, 50, "adam", 1e-3, decay=0.0)
_LONG = replace(_TRAINING, epochs=80)
SIZES = {
    "small": {
        "thermometer": (10_000, replace(_TRAINING, epochs=4), 0),
        "madry": (10_000, replace(_TRAINING, epochs=4), 3),
    },
    "full": {"thermometer": (20_000, _TRAINING, 0), "madry": (20_000, replace(_TRAINING, epochs=4), 3)},
    "paper": {"thermometer": (None, _LONG, 0), "madry": (None, _LONG, 7)},
}
"""How networks are trained at a scale: images, settings, and steps of PGD within the table's radius."""


def benchmark(line: Line, setting: Setting) -> Benchmark:
    """Return the network of a row with its test images, to be found or trained when it is first asked for."""
    origin = replace(ORIGINS[line.network], row=line.key, images=line.small.images, full=line.full.images)
    if line.network not in sized(SIZES, setting.scale):
        return Benchmark(origin, setting)
    images, settings, steps = sized(SIZES, setting.scale)[line.network]
    training = AdversarialTraining(PGD(steps=steps), Lp("inf", RADIUS)) if steps else None
    settings = replace(settings, seed=setting.seed)
    command = f"brittle study {NAME}"
    return HardenedBenchmark(origin, setting, training, settings, images, command, line.defence)
