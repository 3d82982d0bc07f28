"""The one-pixel attack: differential evolution over a few pixels, from probabilities alone."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from brittle.base.bounds import Bounds
from brittle.base.rows import Rows, taken
from brittle.core.attack import Attack, at_least
from brittle.core.goal import Goal
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import losses
from brittle.maths.equal_rows import first_equal
from brittle.threats import Threat
from brittle.types import Images, Labels, Logits, Mask, PerImage

PARENTS = 3
"""Candidates that a child is made of; all of them differ, also from the one whose place it may take."""


@dataclass(frozen=True)
class OnePixelState(Rows):
    """The candidates of each image.

    Attributes:
        genes: (n, population, pixels, 2 + channels): row, column and one value per channel of every pixel, all as
            fractions: of the height, of the width, and of the bounds' span.
        fitness: (n, population), the log-odds of the target's probability (targeted), or of the label's, negated.
    """

    genes: Tensor
    fitness: Tensor


@dataclass(frozen=True)
class OnePixel(Attack):
    """The most telling change of a few pixels, by differential evolution; sees no gradients, only probabilities.

    Su, Vargas, Sakurai, IEEE Transactions on Evolutionary Computation 2019, section III (arXiv:1710.08864). The radius
    is the number of pixels d: 1, 3 or 5 in the paper. A candidate is d times (row, column, value per channel). The
    first ones have uniform positions and values from N(128, 127) of 255; a child is x_i = x_r1 + factor (x_r2 - x_r3)
    (equation 3) with r1, r2, r3 and i all different, without crossover, and takes the place of x_i if it is better.
    Better is a larger probability of the target, or a smaller one of the label. Every image evolves on its own, all of
    them in the same passes; an image costs population x (generations + 1) forward passes at most, and no backward pass.

    Deviations: candidates that leave the image or the bounds are put back on the edge (the paper does not say);
    probabilities are compared by their log-odds, the same order without the plateau where they round to 1; what paints
    the same picture as the image itself, a candidate of its population or another child is not asked about again (with
    one grey pixel most children do, at the edges of the range); an image stays until it is broken, whatever its
    probabilities. Of the candidates that break an image the one with the fewest pixels is returned, then the one
    farthest beyond the boundary.

    The fitness is of a softmax, and an image is done by its probability, as published; both depend on the scale of the
    logits.

    Attributes:
        population: candidates per image; 400 in the paper.
        generations: most generations after the first candidates; 100 in the paper.
        factor: F, the weight of the difference; 0.5 in the paper.
        stop: when a broken image is done. "confident", the paper's: once a candidate's probability is above
            `target_probability` or below `label_probability`; "success": at once.
        target_probability: 0.9, the paper's for targeted attacks.
        label_probability: 0.05, the paper's for untargeted ones.

    Example:
        >>> OnePixel(population=100, stop="success").generations
        100
    """

    threats: ClassVar[tuple[str, ...]] = ("pixels",)
    gradients: ClassVar[bool] = False
    needs_radius: ClassVar[bool] = True
    population: int = 400
    generations: int = 100
    factor: float = 0.5
    stop: Literal["confident", "success"] = "confident"
    target_probability: float = 0.9
    label_probability: float = 0.05

    def __post_init__(self):
        at_least("population", self.population, PARENTS + 1)
        at_least("generations", self.generations, 0)
        at_least("factor", self.factor, 0)
        if self.stop not in ("confident", "success"):
            raise InputError(f"stop is {self.stop!r}; expected confident or success")
        for name in ("target_probability", "label_probability"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected a probability between 0 and 1")

    def check(self, threat: Threat) -> None:
        """Refuse other threats, and radii that are no number of pixels.

        Raises:
            UnsupportedThreat: a threat that does not count pixels.
            InputError: a radius that is infinite or no whole number from 1 up.
        """
        radius = torch.as_tensor(threat.radius)
        whole = torch.isfinite(radius) & (radius >= 1) & (radius == radius.floor())
        if threat.name in self.threats and not bool(whole.all()):
            raise InputError(
                f"{type(self).__name__} changes a whole number of pixels and was given {threat.radius}; say Pixels(1), "
                f"or search for the smallest number with SmallestRadius({type(self).__name__}(...))"
            )
        super().check(threat)

    def perturb(self, problem: Problem) -> None:
        """Evolve the candidates of every image; images with the same number of pixels together."""
        pixels = torch.as_tensor(problem.threat.radius, device=problem.images.device).floor().expand(len(problem))
        for count in pixels.unique().tolist():
            if count:
                self._evolve(problem.rows((pixels == count).nonzero()[:, 0]), int(count))

    def _evolve(self, problem: Problem, pixels: int) -> None:
        genes = _first(problem, self.population, pixels)
        population = OnePixelState(genes, _fitness(problem, genes, OnePixelState(genes[:, :0], problem.clean[:, :0])))
        for _ in range(self.generations):
            keep = (~(self._finished(problem, population) | problem.record.spent(problem.ids))).nonzero()[:, 0]
            if not len(keep):
                return
            if len(keep) < len(problem):
                problem, population = problem.rows(keep), population.rows(keep)
            random = problem.streams.uniform(problem.ids, (PARENTS, self.population))
            genes = _children(population.genes, random, self.factor)
            population = _selected(population, OnePixelState(genes, _fitness(problem, genes, population)))
            problem.record.iterations[problem.ids] += 1

    def _finished(self, problem: Problem, population: OnePixelState) -> Mask:
        if self.stop == "success":
            return problem.solved
        wanted = self.target_probability if problem.goal.targeted else 1 - self.label_probability
        return problem.solved & (population.fitness.amax(1) > math.log(wanted / (1 - wanted)))


def _first(problem: Problem, population: int, pixels: int) -> Tensor:
    """Draw the first candidates: positions uniform, values around the middle, cut off at the bounds."""
    channels = problem.images.shape[1]
    positions = problem.streams.uniform(problem.ids, (population, pixels, 2))
    values = (128 + 127 * problem.streams.normal(problem.ids, (population, pixels, channels))) / 255
    return torch.cat([positions, values.clamp(0, 1)], 3)


def _parents(random: Tensor) -> Tensor:
    """Choose three different candidates for each place, none of them the one in that place, all equally likely.

    Args:
        random: (n, 3, population), uniform in [0, 1).

    Returns:
        Positions in the population, int64, of the same shape.
    """
    count, _, population = random.shape
    taken = torch.arange(population, device=random.device).expand(count, 1, population)
    for turn in range(PARENTS):
        left = population - 1 - turn
        chosen = (random[:, turn] * left).long().clamp_max(left - 1)  # the product may round up to `left`
        for earlier in taken.sort(1).values.unbind(1):
            chosen = chosen + (chosen >= earlier)
        taken = torch.cat([taken, chosen[:, None]], 1)
    return taken[:, 1:]


def _children(genes: Tensor, random: Tensor, factor: float) -> Tensor:
    """Make one child for each place (equation 3), put back on the edge where it leaves the image or the bounds."""
    flat = genes.flatten(2)
    first, second, third = (flat.gather(1, chosen[:, :, None].expand_as(flat)) for chosen in _parents(random).unbind(1))
    return (first + factor * (second - third)).clamp_(0, 1).reshape(genes.shape)


def _selected(parents: OnePixelState, children: OnePixelState) -> OnePixelState:
    """Put each child in the place of its parent where it is better."""
    better = children.fitness > parents.fitness
    return OnePixelState(
        torch.where(better[:, :, None, None], children.genes, parents.genes),
        torch.where(better, children.fitness, parents.fitness),
    )


def _cells(genes: Tensor, images: Images) -> Tensor:
    """Say which pixel each gene means, row by row: (..., pixels) int64."""
    height, width = images.shape[2:]
    row = (genes[..., 0] * height).long().clamp_max(height - 1)
    return row * width + (genes[..., 1] * width).long().clamp_max(width - 1)


def _values(genes: Tensor, bounds: Bounds) -> Tensor:
    """Say what each gene paints: (..., pixels, channels)."""
    return bounds.lower + bounds.span * genes[..., 2:]


def _painted(images: Images, genes: Tensor, bounds: Bounds) -> Images:
    """Paint each candidate (m, pixels, 2 + channels) on its image, in place; where two meet, the later one stays."""
    cells = _cells(genes, images)[:, None].expand(-1, images.shape[1], -1)
    values = _values(genes, bounds).transpose(1, 2).to(images.dtype)
    flat = images.flatten(2)
    for pixel in range(genes.shape[1]):
        flat.scatter_(2, cells[..., pixel : pixel + 1], values[..., pixel : pixel + 1])
    return flat.reshape(images.shape)


def _pictures(images: Images, genes: Tensor, bounds: Bounds) -> Tensor:
    """Describe what candidates paint, (n, population, columns) float64: never one row for two different pictures.

    The columns are, for each pixel, one more than its cell and the values that it has in the end, or zeros where these
    are what it has in the image.
    """
    rows = torch.arange(len(images), device=genes.device)[:, None, None]
    cells, values = _cells(genes, images), _values(genes, bounds)
    order = torch.arange(genes.shape[2], device=genes.device)
    last = ((cells[..., None] == cells[..., None, :]) * order).amax(3)  # where pixels meet, the one that stays
    values = values.gather(2, last[..., None].expand_as(values))
    changed = (values != images.flatten(2).transpose(1, 2)[rows, cells]).any(3, keepdim=True)
    return (torch.cat([1 + cells[..., None], values.double()], 3) * changed).flatten(2)


def _fitness(problem: Problem, genes: Tensor, parents: OnePixelState) -> Tensor:
    """Rate candidates, (n, population); the network sees each picture once that neither the image nor a parent is."""
    pictures = _pictures(problem.images, torch.cat([parents.genes, genes], 1), problem.classifier.bounds)
    pictures = torch.cat([torch.zeros_like(pictures[:, :1]), pictures], 1)
    known = torch.cat([_rated(problem.goal, problem.clean)[:, None], parents.fitness], 1)
    first, count = first_equal(pictures), known.shape[1]
    new = first[:, count:] == torch.arange(count, first.shape[1], device=genes.device)
    answers = torch.cat([known, known.new_zeros(new.shape)], 1)
    answers[:, count:][new] = _asked(problem, genes, new.flatten().nonzero()[:, 0])
    return answers.gather(1, first)[:, count:]


def _asked(problem: Problem, genes: Tensor, places: Tensor) -> PerImage:
    """Let the network see these candidates of the flattened population, in full batches that run over the images."""
    if not len(places):
        return problem.clean[:0, 0]
    population, candidates = genes.shape[1], genes.flatten(0, 1)
    found: list[PerImage] = []
    for part in places.split(problem.max_points):
        owners = part // population
        points = _painted(taken(problem.images, owners), candidates[part], problem.classifier.bounds)
        logits = problem.probe(points, of=owners, graph=False).logits
        found.append(_rated(problem.goal.rows(owners), logits))
    return torch.cat(found)


def _rated(goal: Goal, logits: Logits) -> PerImage:
    """Rate what the network said: the goal's log-odds, towards the target or away from the label."""
    odds = _log_odds(goal.distinct(logits).double(), goal.labels).to(logits.dtype)
    return (odds if goal.targeted else -odds).nan_to_num(nan=-torch.inf)


def _log_odds(logits: Logits, labels: Labels) -> PerImage:
    """Measure log(p / (1 - p)) of the label's probability p, exactly also where p rounds to 0 or 1."""
    return logits.gather(1, labels[:, None])[:, 0] - losses.others(logits, labels).logsumexp(1)
