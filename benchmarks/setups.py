"""Networks, images, threats and attacks that are small, for `benchmarks.same_bits`.

The networks are made here, and only public names of brittle are used, so that other versions can be asked the same.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

import brittle
from brittle.registry import ATTACKS, COMBINATORS, UNIVERSAL


def public(name: str) -> Any:
    """Return what has this name; in which module it is differs between versions."""
    for place in ("brittle", "brittle.specs", "brittle.evaluation.spec"):
        try:
            return getattr(import_module(place), name)
        except (ImportError, AttributeError):
            continue
    raise SystemExit(f"{brittle.__file__} has no {name}")


parse_attack, parse_universal = public("parse_attack"), public("parse_universal")
LEVELS = "lattice" if "lattice" in inspect.signature(brittle.run).parameters else "quantization"
"""The option of `run` that names the levels of values, by what it is called."""
LP = {"linf": (math.inf, 0.05), "l2": (2, 0.2), "l1": (1, 0.5), "l0": (0, 2.0)}
THREATS: dict[str, brittle.Threat] = {
    **{f"{name} {radius:g}": brittle.Lp(p, radius) for name, (p, radius) in LP.items()},
    "pixels 1": brittle.Pixels(1.0),
    "flow 0.5": brittle.Flow(0.5),
    **{name: brittle.Lp(p) for name, (p, _) in LP.items()},
    "pixels": brittle.Pixels(math.inf),
    "flow": brittle.Flow(math.inf),
}
SPECS = """
adef:steps=8  adef:steps=8,candidates=3,smoothing=0  alma:steps=10,first_distance=0.3  apgd:steps=9
apgd:steps=6,loss=margin,restarts=2  autoattack:steps=4,queries=6  bim:step_size=0.02  boundary:steps=15
boundary-descent:steps=12,runs=2  cw-l0:steps=6,learning_rate=0.3,candidates=1  ddn:steps=8  deepfool
cw-l2:searches=2,steps=10,learning_rate=0.1,constant=0.1  cw-linf:steps=6,learning_rate=0.15,refinements=1
fab:steps=6  fab:steps=4,targets=2,restarts=2  fgsm  fmn:steps=8  hop-skip-jump:steps=2,draws=12  jsma:fraction=0.4
jsma:theta=-1,pairs=false,on=logits,aim=label  lbfgs:searches=3,steps=12  lbfgs:searches=3,steps=12,untargeted=random
least-likely:step_size=0.02  nes:draws=12,steps=5,delta=0.01,stride=0.06  noise:draws=6
one-pixel:population=12,generations=4  pdpgd:steps=10  pgd:steps=6  pgd:steps=6,restarts=2,loss=scaled
pgd:steps=6,loss=dlr,random_start=false  random-direction:directions=2
rotation-translation:angles=7,degrees=90,reach=0.3  rotation-translation:search=random,draws=8,degrees=60,reach=0.5
sigma-zero:steps=10  simba:epsilon=0.4  simba:basis=cosine,frequencies=1,epsilon=0.1
spsa:draws=12,steps=5,stride=0.06  square:queries=20  stadv:steps=6,memory=3  superdeepfool:steps=6,walk=10
support-descent:steps=20  smallest(pgd:steps=4):steps=5  smallest(fgsm):steps=8  restarts(pgd:steps=3):count=2
cascade(fgsm;pgd:steps=3)  cascade(deepfool;boundary-descent:steps=6)
ascent:passes=2  fff:iterations=20  gd-uap:iterations=20  uap:passes=2
"""
"""Settings that are small and reach the attacks' branches; what is registered beside them is run with its own."""


def specs() -> list[str]:
    """Return what is run: `SPECS`, and everything registered that is not among them."""
    named = {spec.partition(":")[0].partition("(")[0] for spec in SPECS.split()}
    rest = [name for name in (*ATTACKS, *UNIVERSAL) if name not in named]
    return [*SPECS.split(), *rest, *(f"{name}(pgd:steps=3)" for name in COMBINATORS if name not in named)]


def attack_of(spec: str) -> Any:
    """Return the attack, or the universal attack, that a spec names."""
    return parse_universal(spec) if spec.partition(":")[0] in UNIVERSAL else parse_attack(spec).attack


class Stage(nn.Module):
    """A layer that computes a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.forward = function


def network(channels: int, *first: nn.Module) -> nn.Sequential:
    """Return a small smooth network of 4 classes in float32, for images of any size; `first` comes before it."""
    torch.manual_seed(0)
    convolution, linear = nn.Conv2d(channels, 6, 3, padding=1), nn.Linear(24, 4)
    with torch.no_grad():
        convolution.weight.mul_(5)
        linear.weight.mul_(20)
    pooled = nn.Sequential(convolution, nn.Tanh(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2), nn.Flatten(), linear)
    return nn.Sequential(*first, Stage(lambda images: images - 0.5), *pooled).eval()


def affine(white: float) -> nn.Sequential:
    """Return an affine network of 4 classes in float64, for images of 1 x 3 x 4 with values from 0 to `white`."""
    torch.manual_seed(1)
    layer = nn.Linear(12, 4).double()
    with torch.no_grad():
        layer.weight.normal_()
        layer.bias.copy_(0.3 * torch.randn(4) - layer.weight.sum(1) / 2)
    return nn.Sequential(Stage(lambda images: images / white), nn.Flatten(), layer)


@dataclass(frozen=True)
class Setup:
    """A network and its images, and what it is attacked with.

    Attributes:
        classifier: the network.
        shape: of an image: channels, height, width.
        bounded: whether threats with a radius are tried, or those without one; None for both.
        options: of `brittle.run`.
    """

    classifier: brittle.Classifier
    shape: tuple[int, int, int]
    bounded: bool | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def images(self) -> Tensor:
        """Return eight images near the middle whose values a file of 8 bits can hold."""
        generator = torch.Generator().manual_seed(2)
        values = 0.5 + 0.4 * (torch.rand(8, *self.shape, generator=generator, dtype=torch.float64) - 0.5)
        return ((values * 255).round() / 255 * self.classifier.bounds.span).to(self.classifier.dtype)


def setups() -> dict[str, Setup]:
    """Return what every attack is tried on, by name."""
    classifier, grey, colour = brittle.Classifier, (1, 3, 4), (3, 5, 4)
    small = network(1).double()
    plain, three = classifier(small), classifier(network(3))
    targets = brittle.Targeted(torch.arange(8) % 4)
    noisy = network(3, Stage(lambda images: images + 0.02 * torch.randn_like(images)))
    coarse = nn.Sequential(brittle.Surrogate(lambda images: (images * 63).round() / 63), network(3).bfloat16())
    return {
        "affine, values up to 255": Setup(classifier(affine(255), bounds=(0, 255)), grey, bounded=False),
        "convolutional": Setup(plain, grey),
        "colour, batches of 3": Setup(three, colour, bounded=True, options={"batch": 3, "seed": 7}),
        "colour, 256 levels": Setup(three, colour, options={LEVELS: 256}),
        "large, targeted": Setup(classifier(network(1)), (1, 24, 24), False, {"goal": targets}),
        "convolutional, least likely": Setup(plain, grey, True, {"goal": brittle.LeastLikely()}),
        "convolutional, budget of 20": Setup(plain, grey, False, {"budget": 20}),
        "noisy, two draws": Setup(classifier(noisy), colour, True, {"draws": 2}),
        "surrogate, bfloat16": Setup(classifier(coarse), colour, False),
        "scores": Setup(classifier(lambda images: small(images.detach()).softmax(1), probabilities=True), grey),
        "labels": Setup(classifier(lambda images: small(images.detach()).argmax(1), labels=4), grey),
    }
