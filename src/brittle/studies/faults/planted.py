"""Every check with a case that has exactly its fault, and the same case without it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from brittle.attacks.deepfool import DeepFool
from brittle.attacks.fgsm import FGSM
from brittle.attacks.noise import RandomNoise
from brittle.attacks.pgd import PGD
from brittle.health import finite, gradients, outputs, radii, refusals, repeats, rows, thorough, weights
from brittle.health.check import Check
from brittle.health.context import HealthContext
from brittle.studies.faults import attacks, networks
from brittle.studies.faults.bench import beyond_the_box, case, digits, halves, mislabelled, network, small

Build = Callable[[], HealthContext]
STEPS = PGD(steps=10)
"""The attack of most cases."""
CLEAN_START = PGD(steps=10, random_start=False)
"""Without the luck of a random start, what hides its gradients stands."""
WIDE = 0.3
"""A radius at which noise alone breaks some digits of the quantising network."""


@dataclass(frozen=True)
class Planted:
    """A fault and its twin.

    Attributes:
        check: that must catch it.
        fault: in a few words.
        twin: what is sound.
        faulty, sound: make the cases.
    """

    check: Check
    fault: str
    twin: str
    faulty: Build
    sound: Build

    @property
    def key(self) -> str:
        """A name of its own: check and fault."""
        return f"{self.check.name}: {self.fault}"


def _around(kind: type[networks.Around], *, sound: bool) -> nn.Module:
    return kind(network(), sound=sound)


def _in_network(
    check: Check,
    fault: str,
    twin: str,
    kind: type[networks.Around],
    make: Callable[[nn.Module], HealthContext] = lambda module: case(module, [FGSM()]),
) -> Planted:
    """Plant a fault in the network."""
    return Planted(
        check,
        fault,
        twin,
        lambda: make(_around(kind, sound=False)),
        lambda: make(_around(kind, sound=True)),
    )


def _plain(*of: PGD | FGSM | RandomNoise | DeepFool, radius: float = 0.1, count: int = 10) -> HealthContext:
    return case(network(), of, radius=radius, count=count)


IN_NETWORKS = (
    _in_network(outputs.MODE, "turns its dropout on", "dropout off", networks.DropoutLeftOn),
    _in_network(outputs.RANDOMISED, "dropout left on", "dropout off", networks.DropoutLeftOn),
    _in_network(outputs.RANDOMISED, "resizes at random", "resizes to one size", networks.RandomResize),
    _in_network(outputs.RANDOMISED, "adds noise", "adds none", networks.RandomNoiseInside),
    _in_network(
        outputs.PROBABILITIES,
        "ends in a softmax",
        "returns logits",
        networks.Softmax,
        lambda module: case(module, [FGSM()], attacked=network()),
    ),
    _in_network(
        outputs.CLASSES,
        "two classes, DLR loss",
        "ten classes, DLR loss",
        networks.TwoClasses,
        lambda module: case(module, [FGSM()], given=halves(16), claims=PGD(loss="dlr")),
    ),
    _in_network(outputs.ALONE_OR_NOT, "statistics of the batch", "stored statistics", networks.BatchStatistics),
    _in_network(outputs.CLEAN, "answers by place in the batch", "answers by image", networks.ByPlace),
    _in_network(outputs.STABLE, "a wave of very short length", "no wave", networks.Rough),
    _in_network(gradients.GRADIENTS, "distilled at temperature 1000", "divided again", networks.Distilled),
    _in_network(gradients.GRADIENTS, "rounds its input", "rounds, gradient passed through", networks.Quantised),
    _in_network(finite.FINITE, "a root that has no slope", "no root", networks.Undefined),
    _in_network(finite.FINITE, "NaN beside the images", "numbers beside the images", networks.Overflows),
    _in_network(gradients.OPTIMISES, "descends inside forward", "the same step in closed form", networks.Purifies),
    _in_network(
        refusals.REFUSALS,
        "a detector that the attack does not know",
        "a detector that refuses nothing",
        networks.Suspicious,
        lambda module: case(module, [STEPS], reading={"rejects": True, "oblivious": True}),
    ),
    _in_network(weights.WEIGHTS, "a running mean in forward", "a fixed mean", networks.Learns),
    _in_network(
        repeats.SAME,
        "adds noise",
        "adds none",
        networks.RandomNoiseInside,
        lambda module: case(module, [], searches=[DeepFool()]),
    ),
    _in_network(
        rows.BLACK_BOX,
        "rounds its input",
        "rounds, gradient passed through",
        networks.Quantised,
        lambda module: case(module, [CLEAN_START, attacks.SignSearch()], radius=0.2, count=16),
    ),
    _in_network(
        rows.NOISE,
        "rounds its input",
        "rounds, gradient passed through",
        networks.Quantised,
        lambda module: case(module, [CLEAN_START, RandomNoise(draws=50)], radius=WIDE, count=24),
    ),
    _in_network(
        radii.UNBOUNDED,
        "rounds its input",
        "rounds, gradient passed through",
        networks.Quantised,
        lambda module: case(module, [PGD(steps=30, random_start=False)]),
    ),
    _in_network(
        thorough.MORE_RESTARTS,
        "falls by chance, and a start is a chance",
        "falls by gradients",
        networks.Patchy,
        lambda module: case(module, [STEPS], radius=0.05, count=32),
    ),
    _in_network(
        thorough.MORE_DRAWS,
        "falls by chance",
        "falls by gradients",
        networks.Patchy,
        lambda module: case(module, [STEPS], radius=0.05, count=32),
    ),
)
"""Faults of the network."""

IN_ATTACKS = (
    Planted(
        rows.ITERATIVE,
        "many steps of nearly no length",
        "steps of 2.5 radius / steps",
        lambda: case(network(), [FGSM(), PGD(steps=10, step_size=1e-4, random_start=False)]),
        lambda: _plain(FGSM(), STEPS),
    ),
    Planted(
        rows.UNLIMITED,
        "DeepFool of one step",
        "DeepFool of fifty",
        lambda: case(network(), [], searches=[DeepFool(steps=1)]),
        lambda: case(network(), [], searches=[DeepFool()]),
    ),
    Planted(
        rows.ALLOWED,
        "leaves the ball and says otherwise",
        "projects",
        lambda: case(network(), [attacks.LeavesTheBall()]),
        lambda: _plain(STEPS),
    ),
    Planted(
        repeats.ALLOWED,
        "leaves the ball and says otherwise",
        "projects",
        lambda: case(network(), [attacks.LeavesTheBall()]),
        lambda: _plain(STEPS),
    ),
    Planted(
        repeats.ALLOWED,
        "results that lie beyond the box",
        "results as they came",
        lambda: beyond_the_box(_plain(STEPS)),
        lambda: _plain(STEPS),
    ),
    Planted(
        repeats.RETURNED,
        "forgets where it was",
        "shows every point",
        lambda: case(network(), [attacks.Forgets(steps=10)]),
        lambda: _plain(STEPS),
    ),
    Planted(
        repeats.CONVERGED,
        "too few steps",
        "enough steps",
        lambda: case(network(), [PGD(steps=5, step_size=0.005, random_start=False)]),
        lambda: _plain(PGD(steps=25), radius=0.05),
    ),
    Planted(
        thorough.MORE_STEPS,
        "too few steps",
        "enough steps",
        lambda: case(network(), [PGD(steps=5, step_size=0.005, random_start=False)]),
        lambda: _plain(PGD(steps=25), radius=0.05, count=20),
    ),
    Planted(
        radii.WIDER,
        "steps that shrink as the radius grows",
        "steps in proportion",
        lambda: case(network(), [attacks.ShrinksItsSteps(steps=10, random_start=False)], radius=0.08, count=24),
        lambda: _plain(STEPS, radius=0.08, count=24),
    ),
    Planted(
        radii.GUESSING,
        "does nothing",
        "takes steps",
        lambda: case(network(), [attacks.DoesNothing()]),
        lambda: _plain(STEPS),
    ),
    Planted(
        thorough.ALL_GUESSING,
        "does nothing, beside one that does",
        "takes steps, beside another",
        lambda: case(network(), [attacks.DoesNothing(), STEPS]),
        lambda: case(network(), [PGD(steps=12), STEPS]),
    ),
)
"""Faults of the attack."""

IN_AUDITS = (
    Planted(
        outputs.IMAGES,
        "divided by 255 twice",
        "divided once",
        lambda: case(network(), [FGSM()], given=small(16)),
        lambda: _plain(FGSM()),
    ),
    Planted(
        rows.ROUNDING,
        "smallest changes alone",
        "an attack at the radius beside them",
        lambda: case(network(), [], searches=[DeepFool(overshoot=0.0, nudge=1e-6)], radius=1.0, count=40),
        lambda: case(network(), [STEPS], searches=[DeepFool()], count=40),
    ),
    Planted(
        rows.SAMPLE,
        "10 images",
        "120 images",
        partial(_plain, FGSM(), count=10),
        partial(_plain, FGSM(), count=120),
    ),
    Planted(
        rows.RIGHT,
        "labels counted from 1",
        "labels counted from 0",
        lambda: case(network(), [FGSM()], given=mislabelled(16)),
        lambda: case(network(), [FGSM()], given=digits(16)),
    ),
    Planted(
        rows.STRENGTH,
        "a single step alone",
        "many steps beside it",
        lambda: _plain(FGSM()),
        lambda: _plain(FGSM(), STEPS),
    ),
)
"""Faults of what was asked."""

PLANTED: tuple[Planted, ...] = (*IN_AUDITS, *IN_NETWORKS, *IN_ATTACKS)
