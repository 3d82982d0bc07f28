"""A package that brings brittle an attack, a threat, a defence and a channel."""

from dataclasses import dataclass
from typing import ClassVar

from brittle import Attack, Classifier, Lp, Problem, Threat
from brittle.classifiers.callable_module import CallableModule
from brittle.defences import Defence, Masking
from brittle.physical import Channel

__version__ = "1.0"


@dataclass(frozen=True)
class Grey(Attack):
    """Moves every image to mid-grey, as far as the radius allows."""

    threats: ClassVar[tuple[str, ...]] = ("linf", "half")
    needs_radius: ClassVar[bool] = True
    gradients: ClassVar[bool] = False
    steps: int = 4

    def perturb(self, problem: Problem) -> None:
        middle = problem.classifier.bounds.lower + problem.classifier.bounds.span / 2
        for step in range(1, self.steps + 1):
            moved = problem.images + (middle - problem.images) * step / self.steps
            problem.probe(problem.threat.project(problem.images, moved), graph=False)


@dataclass(frozen=True)
class Half(Threat):
    """Half of the largest change of a value."""

    name: ClassVar[str] = "half"

    def size(self, clean, moved):
        return Lp("inf").size(clean, moved) / 2

    def project(self, clean, moved):
        return Lp("inf", 2 * self.radius).project(clean, moved)

    def draw(self, clean, streams, ids, bounds):
        return Lp("inf", 2 * self.radius).draw(clean, streams, ids, bounds)

    def max_size(self, clean, bounds):
        return Lp("inf").max_size(clean, bounds) / 2


@dataclass(frozen=True)
class Coarse(Defence):
    """Rounds images to few levels before the network sees them, so that gradients are zero."""

    title: ClassVar[str] = "Few levels"
    masking: ClassVar[Masking] = Masking.SHATTERED
    levels: int = 4

    def protect(self, classifier: Classifier) -> Classifier:
        top, module = self.levels - 1, classifier.module
        return classifier.around(CallableModule(lambda images: module((images * top).round() / top)))


@dataclass(frozen=True)
class Darker(Channel):
    """Takes a part of the light away."""

    title: ClassVar[str] = "Less light"
    part: float = 0.5

    def transform(self, images, streams):
        return images * (1 - self.part)
