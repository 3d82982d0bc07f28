"""What adversarial images of a substitute do to the oracle that it was taught by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from brittle.classifiers.classifier import Classifier
from brittle.core.attack import Attack
from brittle.core.goal import ALL_THE_WAY
from brittle.core.run import run
from brittle.errors import InputError
from brittle.evaluation.plan import Planned, plan, refuse_twice, spec_of, threat_for, threat_of
from brittle.metrics import Estimate, proportion
from brittle.specs import Question
from brittle.threats import parse_threat
from brittle.types import Images, Labels

EPSILONS = (0.1, 0.2, 0.25, 0.3, 0.4)
"""Radii of the sweep where none are given, of images in [0, 1] in the maximum norm; 0.3 is the paper's on MNIST."""


@dataclass(frozen=True)
class Transferred:
    """What one attack at one radius did.

    Attributes:
        attack: as the user wrote it.
        norm: by which a change is measured.
        radius: the largest change; None of an attack that searches for the smallest one.
        fooled: of all images, the fraction that changed the substitute's own class.
        rate: of the images that the oracle has right, the fraction that it has wrong after the attack: what transfers.
        wrong: of all images, the fraction that the oracle has wrong after it, as the paper counts.
        queries: what it cost, new images alone.
    """

    attack: str
    norm: str
    radius: float | None
    fooled: Estimate
    rate: Estimate
    wrong: Estimate
    queries: int

    @property
    def named(self) -> str:
        """The attack with its radius."""
        return self.attack if self.radius is None else f"{self.attack} at {self.norm} {self.radius:g}"


def sweep(attacks: Sequence[str | Attack], question: Question, epsilons: Sequence[float]) -> list[Planned]:
    """Return every attack at every radius; of one that searches the smallest change a single one.

    Args:
        attacks: as text or as values.
        question: its threat, by default linf; an attack that does not know it takes l2, or the first that it knows, and
            no radius.
        epsilons: the radii.

    Raises:
        InputError: an unknown attack, one that is given twice, a radius that is none, or no radius for an attack that
            needs one.

    Example:
        >>> [(one.info.spec, one.info.radius) for one in sweep(["fgsm", "jsma"], Question(), [0.1, 0.3])]
        [('fgsm', 0.1), ('fgsm', 0.3), ('jsma', None)]
    """
    threat, radius = threat_of(question)
    asked = threat or parse_threat("linf")
    radii = list(epsilons) if radius is None else [radius]
    found: list[Planned] = []
    for attack in attacks:
        spec = spec_of(attack)
        if spec.radius is not None or asked.name not in spec.attack.threats:
            own = asked if asked.name in spec.attack.threats else threat_for(attack)
            found += plan([attack], own, None)
            continue
        several = [plan([attack], asked, one)[0] for one in radii]
        found += several if several and several[0].info.kind == "fixed" else plan([attack], asked, None)
    if not found:
        raise InputError("there is no attack to try; expected one such as fgsm, or none given for the usual ones")
    refuse_twice(found)
    return found


def adversarial(planned: Planned, substitute: nn.Module, images: Images, seed: int) -> tuple[Images, int]:
    """Return what an attack on the substitute makes of images, on the CPU, and how many change the substitute's class.

    Nobody's labels are used: an image is to leave the class that the substitute sees in it. Within a given radius an
    attack goes on to its last step, for a change that barely breaks the substitute breaks few others; where it finds
    nothing, the point that came nearest is shown to the oracle all the same.
    """
    confidence = ALL_THE_WAY if planned.info.kind == "fixed" else 0.0
    asked: dict[str, Any] = {"threat": planned.threat, "seed": seed, "confidence": confidence}
    made = run(planned.attack, Classifier(substitute), images, **asked)
    return made.adversarial.cpu(), int((made.prediction != made.clean_prediction).sum())


def measured(planned: Planned, fooled: int, after: Labels, before: Labels, truth: Labels, queries: int) -> Transferred:
    """Return what transferred.

    Args:
        planned: the attack.
        fooled: images whose class the substitute sees changed.
        after: the oracle's labels of the adversarial images.
        before: the oracle's of the clean ones.
        truth: the images' own.
        queries: what it cost.

    Raises:
        InputError: the oracle has not one image right, so that nothing could transfer.
    """
    right, count = before == truth, len(truth)
    if not bool(right.any()):
        raise InputError(
            f"the oracle has not one of {count} test images right, so that no rate of transfer can be told; expected "
            "images with the oracle's classes: see the names of both"
        )
    broken = int(((after != truth) & right).sum())
    return Transferred(
        attack=planned.info.spec,
        norm=planned.info.norm,
        radius=planned.info.radius,
        fooled=proportion(fooled, count),
        rate=proportion(broken, int(right.sum())),
        wrong=proportion(int((after != truth).sum()), count),
        queries=queries,
    )
