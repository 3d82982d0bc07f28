"""Attacks with one fault each, and a small black box to compare with."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from brittle.attacks.pgd import PGD
from brittle.attacks.transferable import Path
from brittle.base.rows import column
from brittle.core.attack import Attack, State, Stepwise
from brittle.core.probe import Probe
from brittle.core.problem import Problem


@dataclass(frozen=True)
class DoesNothing(Stepwise[State]):
    """Looks at the clean image again and again."""

    needs_radius: ClassVar[bool] = True
    steps: int = 3

    def start(self, problem: Problem) -> State:
        """Begin where it stays."""
        return State(problem.images)

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def step(self, problem: Problem, state: State, probe: Probe) -> State:
        """Stay."""
        return state


@dataclass(frozen=True)
class LeavesTheBall(Attack):
    """Takes a step of twice the radius and claims that it is half of it."""

    needs_radius: ClassVar[bool] = True
    times: float = 2.0

    def perturb(self, problem: Problem) -> None:
        """Write into the record what no probe has judged."""
        probe = problem.probe(problem.images)
        radius = column(problem.threat.radius, problem.images)
        far = problem.images + self.times * radius * self._direction(problem, probe)
        claimed = torch.full_like(problem.clean[:, 0], float(problem.threat.radius) / 2)
        met = torch.ones_like(claimed, dtype=torch.bool)
        problem.record.offer(problem.ids, far, claimed, met, claimed, distinct=True)
        problem.record.iterations[problem.ids] += 2

    def _direction(self, problem: Problem, probe: Probe) -> torch.Tensor:
        return probe.gradient(problem.goal.margin).sign()


@dataclass(frozen=True)
class Forgets(PGD):
    """Steps as PGD does, shows its steps to the network alone, and the problem nothing but where it started."""

    def perturb(self, problem: Problem) -> None:
        """Walk without a record."""
        threat, state = problem.lp, problem.images
        stride = column(2.5 * float(threat.radius) / self.steps, state)
        for _ in range(self.steps):
            with torch.enable_grad():
                leaf = state.detach().requires_grad_()
                logits = problem.classifier.logits(leaf)
                (gradient,) = torch.autograd.grad(problem.goal.margin(logits).sum(), leaf)
            state = problem.classifier.bounds.clamp(
                threat.project(problem.images, state + stride * threat.steepest(gradient))
            )
        problem.probe(problem.images)
        problem.record.iterations[problem.ids] += self.steps


@dataclass(frozen=True)
class ShrinksItsSteps(PGD):
    """PGD whose step is smaller the larger the radius is."""

    def step(self, problem: Problem, state: Path, probe: Probe) -> Path:
        """Step by 6e-5 / radius^2."""
        threat = problem.lp
        gradient = probe.gradient(problem.goal.margin)
        stride = column(6e-5 / torch.as_tensor(threat.radius) ** 2, probe.points).to(probe.points)
        return Path(threat.project(problem.images, probe.points + stride * threat.steepest(gradient)))


@dataclass(frozen=True)
class SignSearch(Attack):
    """A small black box: flips the signs of stripes of the change, and keeps what raises the margin.

    After Moon, An, Song, ICML 2019 ("Parsimonious black-box adversarial attacks"), by chance instead of greedily.

    Attributes:
        tries: how many flips are tried per image.
    """

    threats: ClassVar[tuple[str, ...]] = ("linf",)
    gradients: ClassVar[bool] = False
    needs_radius: ClassVar[bool] = True
    tries: int = 60

    def perturb(self, problem: Problem) -> None:
        """Flip, look, keep."""
        images, radius = problem.images, column(problem.threat.radius, problem.images)
        shape = tuple(images.shape[1:])
        places = torch.arange(len(problem), device=images.device)
        signs = problem.streams.signs(problem.ids, (shape[0], 1, shape[2])).expand(-1, -1, shape[1], -1).clone()
        best = torch.full_like(problem.clean[:, 0], -torch.inf)
        for turn in range(self.tries):
            height = max(2, shape[1] // (2 + turn // 10))
            chance = problem.streams.uniform(problem.ids, (2,))
            top, left = ((chance[:, axis] * (shape[1 + axis] - height)).long() for axis in (0, 1))
            rows, columns = (torch.arange(side, device=images.device)[None] for side in shape[1:])
            inside = ((rows >= top[:, None]) & (rows < top[:, None] + height))[:, :, None] & (
                (columns >= left[:, None]) & (columns < left[:, None] + height)
            )[:, None]
            tried = signs if turn == 0 else torch.where(inside[:, None], -signs, signs)
            probe = problem.probe(images + radius * tried, graph=False)
            margin = problem.goal.margin(probe.logits)
            better = (margin > best)[places]
            signs = torch.where(better[:, None, None, None], tried, signs)
            best = torch.maximum(best, margin)
            problem.record.iterations[problem.ids] += 1
