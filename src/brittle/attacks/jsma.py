"""JSMA, the Jacobian-based saliency map attack, and the saliency maps that it follows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from brittle.base.rows import Rows, column
from brittle.classifiers.callable_module import no_gradients
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.slopes import slope_of
from brittle.core.attack import Attack
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import losses
from brittle.maths.saliency import best_feature, best_pair, saliency
from brittle.threats import Threat
from brittle.types import Images, Labels, Logits

On = Literal["logits", "probabilities"]
"""What the Jacobian is of."""
Aim = Literal["label", "nearest", "runner-up"]
"""What an untargeted attack drives: the label down, or another class up."""
SMALLEST_THETA = 1e-3
"""Features must be able to reach the end of the box in float32, so that every search ends."""


@dataclass(frozen=True)
class JSMAState(Rows):
    """Where the search stands.

    Attributes:
        x: the points.
        runner_up: the likeliest other class of the clean image.
        before: the points before the last step.
        barred: features that led where the network has no finite output, (n, d).
    """

    x: Images
    runner_up: Labels
    before: Images
    barred: Tensor


@dataclass(frozen=True)
class JSMA(Attack):
    """Few features changed by much: those that raise one class and lower the others, by the adversarial saliency map.

    Papernot et al., EuroS&P 2016, sections 3 and 4 (arXiv:1511.07528): of all features that can still be changed, take
    the pair (algorithm 3) or the one (algorithm 1) of the largest saliency -alpha beta, alpha > 0 being the slope of
    the target class and beta < 0 the sum of the slopes of all others; change it by theta; go on until the target is
    predicted, too many features are changed, or no score is above 0. A feature is one channel value. The best pair is
    found exactly without looking at all pairs (`brittle.maths.saliency.best_pair`, which says how ties are broken), and
    of the Jacobian only alpha and beta are computed: two backward passes a step on logits, one on probabilities, where
    the slopes of the others sum to -alpha.

    Deviations: `on`, since the paper defines the map on the network's outputs but takes the logits in its experiments,
    where on LeNet more features are needed; the limit counts features, the paper's iterations (the same for theta of 1
    and -1); untargeted goals, of which the paper has none (`aim`).

    On probabilities, as the paper defines the map, the choice of features depends on the scale of the logits.

    Attributes:
        theta: change of a feature, as a fraction of the bounds' span, negative to lower features; 1 in the paper.
        fraction: Upsilon, the most features that may be changed as a fraction of all; 0.145 in the paper. A finite
            radius is a limit too.
        pairs: two features a step, as in the paper's experiments; otherwise one.
        on: what is differentiated, `logits` or `probabilities`. The slopes of a probability are taken of its
            log-odds: the same up to a factor for each image, and they do not vanish where the softmax saturates.
        aim: for untargeted goals: `label` lowers the label's class by the mirrored map (the others' sum must rise);
            `nearest` raises the likeliest other class of each step, `runner-up` that of the clean image.

    Example:
        >>> JSMA().theta, JSMA(pairs=False).fraction
        (1.0, 0.145)
    """

    threats: ClassVar[tuple[str, ...]] = ("l0",)
    theta: float = 1.0
    fraction: float = 0.145
    pairs: bool = True
    on: On = "probabilities"
    aim: Aim = "label"

    def __post_init__(self):
        if not SMALLEST_THETA <= abs(self.theta) <= 1:
            raise InputError(f"theta is {self.theta}; expected {SMALLEST_THETA} to 1, or -1 to -{SMALLEST_THETA}")
        if not 0 < self.fraction <= 1:
            raise InputError(f"fraction is {self.fraction}; expected above 0 and at most 1 (all features)")
        if self.on not in ("logits", "probabilities"):
            raise InputError(f"on is {self.on!r}; expected logits or probabilities")
        if self.aim not in ("label", "nearest", "runner-up"):
            raise InputError(f"aim is {self.aim!r}; expected label, nearest or runner-up")

    def check(self, threat: Threat) -> None:
        """Refuse other norms, and radii at which no step can be taken.

        Raises:
            UnsupportedThreat: another norm than l0.
            InputError: pairs, and a radius below 2.
        """
        super().check(threat)
        if self.pairs and bool((torch.as_tensor(threat.radius) < 2).all()):
            raise InputError(f"JSMA changes two features a step and the radius is {threat.radius}; use pairs=false")

    def perturb(self, problem: Problem) -> None:
        """Change features of each image until its goal is met, the limit is reached or no feature helps."""
        runner_up = losses.others(problem.goal.distinct(problem.clean), problem.labels).argmax(1)
        barred = torch.zeros_like(problem.images.flatten(1), dtype=torch.bool)
        state, probe = JSMAState(problem.images, runner_up, problem.images, barred), problem.probe(problem.images)
        while len(keep := (~(probe.met | problem.record.spent(problem.ids))).nonzero()[:, 0]):
            if len(keep) < len(problem):
                problem, state, probe = problem.rows(keep), state.rows(keep), probe.rows(keep)
            state, helps = self._stepped(problem, state, probe)
            keep = helps.nonzero()[:, 0]
            if not len(keep):
                return
            if len(keep) < len(problem):
                problem, state = problem.rows(keep), state.rows(keep)
            problem.record.iterations[problem.ids] += 1
            probe = problem.probe(state.x)

    def _stepped(self, problem: Problem, state: JSMAState, probe: Probe) -> tuple[JSMAState, Tensor]:
        """Change the best features, or take back what led where the network has no finite output; say who goes on."""
        moved, helps = self._moved(problem, state, probe)
        lost = probe.unusable
        if lost is None:
            return replace(state, x=moved, before=state.x), helps
        barred = state.barred | (lost[:, None] & (state.x != state.before).flatten(1))
        moved = torch.where(column(lost, moved), state.before, moved)
        return JSMAState(moved, state.runner_up, torch.where(column(lost, moved), moved, state.x), barred), helps | lost

    def _moved(self, problem: Problem, state: JSMAState, probe: Probe) -> tuple[Images, Tensor]:
        """Change the best features of each image, and say where there were any."""
        increasing, lowered = self.theta > 0, self.aim == "label" and not problem.goal.targeted
        target, others = _slopes(probe.gradients(_columns(self._classes(problem, state, probe), self.on)).flatten(2))
        best, domain = best_pair if self.pairs else best_feature, self._domain(problem, state.x) & ~state.barred
        chosen, helps = best(target, others, domain, increasing != lowered)
        bounds, flat = problem.classifier.bounds, state.x.flatten(1)
        moved = flat.scatter(1, chosen, flat.gather(1, chosen) + self.theta * bounds.span)
        return bounds.clamp(moved.reshape(state.x.shape)), helps

    def _classes(self, problem: Problem, state: JSMAState, probe: Probe) -> Labels:
        """Return the class that each image is driven to; for `label`, from."""
        if problem.goal.targeted or self.aim == "label":
            return problem.goal.labels
        if self.aim == "runner-up":
            return state.runner_up
        return losses.others(problem.goal.distinct(probe.logits), problem.goal.labels).argmax(1)

    def _domain(self, problem: Problem, x: Images) -> Tensor:
        """Say which features may be changed (n, d): those not saturated, and where the limit is reached no new ones."""
        bounds, flat = problem.classifier.bounds, x.flatten(1)
        free = flat < bounds.upper if self.theta > 0 else flat > bounds.lower
        changed = flat != problem.images.flatten(1)
        radius = torch.as_tensor(problem.threat.radius, dtype=torch.float64, device=x.device).reshape(-1, 1)
        most = radius.clamp_max(int(self.fraction * flat.shape[1]))
        room = changed.sum(1, keepdim=True) + (2 if self.pairs else 1) <= most
        return free & (room | changed)


def saliency_maps(
    classifier: Classifier, images: Images, classes: Labels, *, on: On = "probabilities", increasing: bool = True
) -> Images:
    """Return how much each feature of the images alone, when changed, speaks for a class and against all others.

    Papernot et al. 2016, equations 8 and 9; see `brittle.maths.saliency.saliency`.

    Args:
        classifier: the network, left as it was found.
        images: (n, c, h, w) within its bounds.
        classes: (n,) to be reached.
        on: what is differentiated, as in `JSMA`; on probabilities the map is that of their log-odds, equal up to a
            factor for each image.
        increasing: whether features are to be raised.

    Returns:
        The maps, (n, c, h, w), from 0 up.
    """
    with preserving_state(classifier.module), torch.enable_grad():
        labels, gradients, columns = classes.to(classifier.device), list[Images](), None
        leaf = images.detach().to(classifier.device, classifier.dtype).requires_grad_()
        for number in range(1 if on == "probabilities" else 2):
            if columns is None:
                columns = _columns(labels, on)(classifier.logits(leaf)).sum(0)
            slope, kept = slope_of(columns[number], leaf, classifier.module, keep=number + 1 < len(columns))
            if slope is None:
                raise no_gradients("one of its layers passes no gradient on to the images")
            gradients.append(slope)
            columns = columns if kept else None
    return saliency(*_slopes(torch.stack(gradients, 1)), increasing)


def _columns(classes: Labels, on: On) -> Callable[[Logits], Tensor]:
    """Return what is to be differentiated: the class, and on logits the sum of the others beside it."""

    def logits(outputs: Logits) -> Tensor:
        target = outputs.gather(1, classes[:, None])
        return torch.cat([target, outputs.sum(1, keepdim=True) - target], 1)

    def probabilities(outputs: Logits) -> Tensor:
        return outputs.gather(1, classes[:, None]) - losses.others(outputs, classes).logsumexp(1, keepdim=True)

    return logits if on == "logits" else probabilities


def _slopes(gradients: Tensor) -> tuple[Tensor, Tensor]:
    """Split the gradients (n, 1 or 2, ...) into the class's and the sum of the others'."""
    target = gradients[:, 0]
    return target, gradients[:, 1] if gradients.shape[1] > 1 else -target
