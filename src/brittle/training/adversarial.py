"""Adversarial training: the step is made on images that an attack has just changed for the worse."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from brittle.arguments import check_fields
from brittle.base.seeds import Streams
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.core.attack import Attack, at_least, nothing_returned, telling_whose
from brittle.core.goal import Away, Untargeted
from brittle.core.inputs import as_images, as_labels, check_radius, check_range_of_labels, placed
from brittle.core.problem import Problem
from brittle.core.record import Record
from brittle.errors import InputError
from brittle.threats import Threat
from brittle.training.objective import PLAIN, Objective
from brittle.types import Images, Labels, Logits, Mask


@dataclass(frozen=True)
class AdversarialTraining:
    """What is done to the images of a training before each of its steps.

    Madry et al., ICLR 2018, equation 2.1 (arXiv:1706.06083): the weights that minimise E[max over the allowed changes
    of the loss]. The attack approximates the maximum, with the network in eval mode; the step on what it found is made
    in train mode. Any attack serves: one at a given radius climbs to its end, for the training wants the worst and not
    the first success; one that searches for the smallest change gives the smallest it finds, and leaves images that
    are wrong already as they are. Goodfellow et al. (ICLR 2015) is `FGSM()`, the fast training of Wong et al. (ICLR
    2020) is `PGD(steps=1, step_size=1.25 * radius)`, whose start is random.

    Deviations: of the points that an attack at a given radius has looked at, the one with the largest margin of
    another class is taken, where Madry et al. take the last one; the network is in eval mode, where their network is
    the same in both.

    Attributes:
        attack: the inner maximiser.
        threat: which changes are allowed; one radius for all images, infinite only where the attack needs none.
        fraction: fraction of each batch that is attacked, the rest stays clean (Kurakin et al., ICLR 2017, algorithm 1,
            arXiv:1611.01236). In expectation this is Goodfellow's mixed loss with alpha = 1 - fraction, his 0.5.
        warmup: epochs over which the radius grows from 0 to the threat's, in proportion to the steps made; without it
            networks often end in a constant at a large radius. It begins after the clean epochs.
        clean_epochs: first epochs without an attack.
        objective: the loss of clean and attacked images: `CrossEntropy`, `Trades` or `Mixed`.

    Raises:
        InputError: invalid settings; UnsupportedThreat where the attack does not know the threat.

    Example:
        >>> from brittle import PGD, Lp
        >>> AdversarialTraining(PGD(steps=7), Lp("inf", 0.3), warmup=2.0).threat_at(1.0).radius
        0.15
    """

    attack: Attack
    threat: Threat
    fraction: float = 1.0
    warmup: float = 0.0
    clean_epochs: int = 0
    objective: Objective = PLAIN

    def __post_init__(self):
        check_fields(self)
        self.attack.check(self.threat)
        if isinstance(self.threat.radius, Tensor):
            raise InputError("the threat has a tensor of radii; expected one number, the radius for all images")
        if not 0 < self.fraction <= 1:
            raise InputError(f"fraction is {self.fraction}; expected a fraction of each batch, above 0 and at most 1")
        if self.fraction < 1 and self.objective.needs_all:
            raise InputError(
                f"fraction is {self.fraction} beside {self.objective}, which needs every image clean and attacked; "
                "leave the fraction at 1"
            )
        at_least("warmup", self.warmup, 0)
        at_least("clean_epochs", self.clean_epochs, 0)
        if self.warmup and not self.threat.bounded:
            raise InputError(
                f"warmup is {self.warmup}, but {self.threat.name} was given no radius that could grow; "
                "give it one, or begin with clean_epochs"
            )

    @property
    def fixed_radius(self) -> bool:
        """Whether the attack works at a given radius, and is to go on after the first success."""
        try:
            self.attack.check(self.threat.within(math.inf))
        except InputError:
            return True
        return False

    def threat_at(self, epochs: float) -> Threat | None:
        """Return the threat when so many epochs are done; None while the epochs are clean."""
        grown = epochs - self.clean_epochs
        if grown < 0:
            return None
        return self.threat if grown >= self.warmup else self.threat.within(self.threat.radius * grown / self.warmup)

    def whole_at(self, epoch: int) -> bool:
        """Whether the attack had its full radius when an epoch, 1 for the first, ended."""
        return epoch > self.clean_epochs and epoch - self.clean_epochs >= self.warmup

    def count(self, batch: int) -> int:
        """Return how many of a batch's images are attacked: at least one."""
        return max(1, round(self.fraction * batch))

    def to_dict(self) -> dict[str, Any]:
        """Return everything that determines what is done, as JSON can hold it."""
        return {
            "attack": repr(self.attack),
            "threat": repr(self.threat),
            "fraction": self.fraction,
            "warmup": self.warmup,
            "clean_epochs": self.clean_epochs,
            "objective": repr(self.objective),
        }


@dataclass(frozen=True)
class MaximiseMargin(Away):
    """Away from the labels, as far as possible: no point is far enough, so no attack stops before its end.

    Example:
        >>> MaximiseMargin(torch.tensor([0])).met(torch.tensor([[2.0, 5.0]]))
        tensor([False])
    """

    def reached(self, logits: Logits) -> Mask:
        """Never."""
        return torch.zeros_like(self.labels, dtype=torch.bool)


def perturb_batch(  # noqa: PLR0913  # what is attacked, within which threat, with which random numbers
    training: AdversarialTraining,
    classifier: Classifier,
    images: Images,
    labels: Labels,
    *,
    threat: Threat,
    ids: Tensor,
    seed: int,
    turn: int = 0,
    unknown: bool = False,
) -> tuple[Images, Logits]:
    """Attack the images of one step.

    The module's modes, gradients and the random state are left as they were. Other than `run`, this looks at the clean
    images once and at what the attack found not once more: a step of training costs the attack's passes and one.

    Args:
        training: which attack, and how.
        classifier: around the module in training.
        images: (n, c, h, w), on the module's device.
        labels: (n,) int64.
        threat: with the radius of this step.
        ids: (n,) positions of the images in the training set; with the seed they determine the draws of each image.
        seed: of the epoch.
        turn: of the step within the epoch; with the seed it determines what a stochastic network draws.
        unknown: look whether the network's outputs are logits, and the labels classes of it.

    Returns:
        The images to train on, and the logits of the clean ones in eval mode.
    """
    check_radius(training.threat, images, classifier.bounds)
    with preserving_state(classifier.module, seed ^ turn):
        clean = placed(images, classifier)
        with torch.no_grad():
            logits = classifier.logits(clean)
        if unknown:
            classifier.check(logits, clean)
            check_range_of_labels(labels, logits.shape[1])
        goal = MaximiseMargin(labels) if training.fixed_radius else Untargeted(labels)
        record = Record(threat.zero(clean))
        rows = torch.arange(len(clean), device=clean.device)
        streams = Streams(seed, ids.to(clean.device), clean.dtype)
        problem = Problem(classifier, clean, logits, goal, threat, rows, record, streams, len(clean))
        begun = (~goal.met(logits)).nonzero()[:, 0]
        if len(begun):
            problem = problem if len(begun) == len(clean) else problem.rows(begun)
            with telling_whose(training.attack):
                nothing_returned(training.attack, training.attack.perturb(problem))
        with torch.no_grad():
            _, found = threat.seen(clean, record.best, classifier.bounds)
    return found.to(images.dtype), logits


def adversarial_batch(  # whose, of what, by which attack, within what, drawn how
    module: nn.Module, images: Images, labels: Labels, attack: Attack, threat: Threat, *, seed: int | None = None
) -> Images:
    """Turn a batch into its adversarial batch, inside a training loop of one's own.

    The module is attacked in eval mode and left as it was: its modes, buffers and gradients, and with a seed torch's
    random state, are those from before, so it can be called anywhere between `zero_grad` and `backward`. Lightning's
    `training_step` is such a place, with `self` as the module.

    Args:
        module: from images to logits, on any device.
        images: (n, c, h, w) in [0, 1], on the module's device.
        labels: (n,) int64, on the same.
        attack: such as `PGD(steps=7)`; what each makes of an image is said at `AdversarialTraining`.
        threat: such as `Lp("inf", 8 / 255)`; without a radius for attacks that need none.
        seed: of the attack's draws. By default it is drawn from torch's global generator, which this advances by one
            number: every call draws anew, and `torch.manual_seed` before the loop repeats it. A number, such as that
            of the step, gives the same draws at every call, and leaves the generator as it was.

    Returns:
        The images to make the step on, like `images`.

    Raises:
        InputError: labels or images of another kind; BoundsError, for images outside [0, 1] such as normalised ones,
            and LabelError are kinds of it.
        ModelError: outputs that are not logits; UnsupportedThreat where the attack does not know the threat.

    Example:
        >>> from brittle import PGD, Lp
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> images, labels = torch.rand(8, 1, 4, 4), torch.arange(8) % 2
        >>> optimiser = torch.optim.SGD(module.parameters(), 0.1)
        >>> for step in range(2):
        ...     attacked = adversarial_batch(module, images, labels, PGD(steps=2), Lp("inf", 0.1), seed=step)
        ...     nn.functional.cross_entropy(module(attacked), labels).backward()
        ...     optimiser.step()
        >>> bool(((attacked - images).abs() <= 0.1 + 1e-6).all())
        True
    """
    training, classifier = AdversarialTraining(attack, threat), Classifier(module)
    images = as_images(images, classifier.bounds)
    labels = as_labels(labels, images).to(images.device)
    ids = torch.arange(len(images))
    seed = int(torch.randint(2**63 - 1, ())) if seed is None else seed
    return perturb_batch(training, classifier, images, labels, threat=threat, ids=ids, seed=seed, unknown=True)[0]
