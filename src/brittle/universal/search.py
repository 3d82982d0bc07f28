"""The loop of every search for a universal perturbation: passes, judgement, the best one, checkpoints."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from brittle.core.classifier import Classifier, undisturbed
from brittle.core.threat import Lp
from brittle.errors import InputError, RunError, UnsupportedThreat
from brittle.files import write_atomically
from brittle.maths import norms
from brittle.universal.images import ImageSet
from brittle.universal.perturbation import Perturbation

FORMAT = 1
"""Version of the checkpoint's layout; a file of another version is refused."""
Judge = Callable[[Tensor], float]
"""Says how good a perturbation (c, h, w) is; larger is better. For classifiers, a fooling rate."""


def unheard(fraction: float) -> None:
    """Tell nobody how far a pass is."""


@dataclass(frozen=True)
class UniversalProblem:
    """What a universal perturbation is looked for: a network, a size of images, a norm and a radius.

    Attributes:
        classifier: the network; methods without data take one whose outputs are no logits, too.
        shape: channels, height and width of an image.
        threat: norm and radius.
        images: the images X that it is made from; None for methods that need none.
        seed: of all random draws.
        progress: is told which fraction (0 to 1) of a pass is done.
    """

    classifier: Classifier
    shape: tuple[int, int, int]
    threat: Lp
    images: ImageSet | None = None
    seed: int = 0
    progress: Callable[[float], None] = field(default=unheard, compare=False, repr=False)

    @property
    def radius(self) -> float:
        """The radius as one number."""
        return float(self.threat.radius)

    def generator(self, number: int) -> torch.Generator:
        """Return the source of a pass's random draws, on the CPU; a pass draws the same after an interruption."""
        mixed = (self.seed * 1_000_003 + number) % (1 << 63)
        return torch.Generator().manual_seed(mixed)

    def zeros(self) -> Tensor:
        """Return the perturbation that changes nothing, beside the network."""
        return torch.zeros(self.shape, device=self.classifier.device, dtype=self.classifier.dtype)

    def project(self, perturbation: Tensor) -> Tensor:
        """Return the nearest perturbation within the radius."""
        return norms.project(perturbation[None], self.threat.p, self.threat.radius)[0]

    def given(self) -> ImageSet:
        """Return the images X.

        Raises:
            InputError: there are none.
        """
        if self.images is None:
            raise InputError("this method makes a perturbation from images and was given none; give X with images=")
        return self.images


@dataclass(frozen=True)
class UniversalState:
    """Where a search stands after a pass.

    Attributes:
        perturbation: (c, h, w), within the radius.
        extras: more tensors that the method needs to go on.
        forward, backward: passes of single images through the network so far, without those of the judge.
    """

    perturbation: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    forward: int = 0
    backward: int = 0


@dataclass(frozen=True)
class Pass:
    """One line of the history.

    Attributes:
        number: from 1 on.
        score: what the judge said of the perturbation after it; of classifiers the fooling rate.
        size: of the perturbation, by its norm.
        forward, backward: passes of single images so far.
        seconds: that it took, the judge's included.
    """

    number: int
    score: float
    size: float
    forward: int
    backward: int
    seconds: float


@dataclass(frozen=True)
class UniversalAttack(ABC):
    """A way to make a universal perturbation, pass by pass; its fields are its hyper-parameters.

    Attributes:
        threats: names of the norms that it has mathematics for.
        keeps_best: whether the pass that the judge liked best is returned; otherwise the last one.
    """

    threats: ClassVar[tuple[str, ...]] = ("l2", "linf")
    keeps_best: ClassVar[bool] = True

    @property
    def needs_images(self) -> bool:
        """Whether it is made from images; otherwise from the network alone."""
        return True

    @property
    @abstractmethod
    def most_passes(self) -> int:
        """The number of passes after which it ends in any case."""

    @abstractmethod
    def start(self, problem: UniversalProblem) -> UniversalState:
        """Return the first perturbation."""

    @abstractmethod
    def advance(self, problem: UniversalProblem, state: UniversalState, number: int) -> UniversalState:
        """Make pass `number`, counted from 0."""

    def finished(self, history: Sequence[Pass]) -> bool:
        """Say whether enough is reached after these passes."""
        return False

    def check(self, problem: UniversalProblem) -> None:
        """Refuse a problem that the method cannot work on.

        Raises:
            UnsupportedThreat: another norm.
            InputError: no radius, or no images where they are needed.
        """
        name = type(self).__name__
        if problem.threat.name not in self.threats:
            raise UnsupportedThreat(f"{name} works with {' and '.join(self.threats)}, not with {problem.threat.name}")
        if isinstance(problem.threat.radius, Tensor) or not problem.threat.bounded or problem.radius <= 0:
            raise InputError(f"{name} needs one radius above 0, as in Lp('inf', 10 / 255)")
        if self.needs_images:
            problem.given()


def find_universal(
    method: UniversalAttack,
    problem: UniversalProblem,
    judge: Judge | None = None,
    *,
    checkpoint: Path | None = None,
    identity: str = "",
    watch: Callable[[Pass], None] | None = None,
) -> Perturbation:
    """Make a universal perturbation.

    Args:
        method: how.
        problem: for what.
        judge: looks at the perturbation after every pass; by default the fooling rate on X. A perturbation of the
            worst score is better than none.
        checkpoint: a file that keeps the state after every pass; a search that was killed and is started again with the
            same arguments goes on from there, and ends with the same bits on the same device.
        identity: names network and images, so that a checkpoint of others is not taken for one of these.
        watch: called after every pass.

    Returns:
        The perturbation of the pass with the best score (of the last one where the method wants that), with the
        history of the passes in `made`.

    Raises:
        InputError: a problem that the method cannot work on; UnsupportedThreat is a kind of it.
        RunError: the checkpoint cannot be written, or is of another search.

    Example:
        >>> from brittle.universal.ascent import UniversalAscent
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
        >>> some = ImageSet(Classifier(network), torch.rand(8, 1, 2, 2))
        >>> problem = UniversalProblem(some.classifier, some.shape, Lp("inf", 0.1), some)
        >>> found = find_universal(UniversalAscent(passes=2), problem)
        >>> found.size <= 0.1 + 1e-6
        True
    """
    method.check(problem)
    judge = judge or problem.given().fooling_rate
    whole = f"{method!r} {problem.threat!r} {problem.shape} {problem.seed} {identity}"
    course = _Course.load(checkpoint, whole, problem) if checkpoint is not None and checkpoint.exists() else None
    if course is None:
        with undisturbed(problem.classifier.module, problem.seed):
            first = method.start(problem)
        course = _Course(first, first.perturbation, [])
    while len(course.history) < method.most_passes and not method.finished(course.history):
        began, number = time.perf_counter(), len(course.history)
        with undisturbed(problem.classifier.module, problem.seed + number):
            state = method.advance(problem, course.state, number)
        score, size = judge(state.perturbation), float(norms.size(state.perturbation[None], problem.threat.p)[0])
        line = Pass(number + 1, score, size, state.forward, state.backward, time.perf_counter() - began)
        better = not method.keeps_best or score >= max((one.score for one in course.history), default=-torch.inf)
        course = _Course(state, state.perturbation if better else course.best, [*course.history, line])
        if checkpoint is not None:
            course.save(checkpoint, whole)
        if watch is not None:
            watch(line)
    made = {"method": repr(method), "seed": problem.seed, "passes": [asdict(one) for one in course.history]}
    return Perturbation(course.best.detach().clone(), problem.threat, made)


@dataclass(frozen=True)
class _Course:
    """All that an interrupted search needs to go on."""

    state: UniversalState
    best: Tensor
    history: list[Pass]

    def save(self, path: Path, identity: str) -> None:
        tensors = {"perturbation": self.state.perturbation, "best": self.best}
        tensors |= {f"extra.{name}": tensor for name, tensor in self.state.extras.items()}
        header = {
            "format": FORMAT,
            "identity": identity,
            "forward": self.state.forward,
            "backward": self.state.backward,
            "history": [asdict(one) for one in self.history],
        }
        separate = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        write_atomically(path, save(separate, {"brittle": json.dumps(header)}))

    @classmethod
    def load(cls, path: Path, identity: str, problem: UniversalProblem) -> "_Course":
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {})["brittle"])
                tensors = {name: file.get_tensor(name).to(problem.classifier.device) for name in file.keys()}  # noqa: SIM118
            history = [Pass(**line) for line in header["history"]]
            seen, of = header["format"], header["identity"]
            extras = {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("extra.")}
            state = UniversalState(tensors["perturbation"], extras, header["forward"], header["backward"])
            course = cls(state, tensors["best"], history)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{str(path)!r} is no checkpoint of a search ({error}); remove it to start again") from error
        if seen != FORMAT or of != identity:
            raise RunError(
                f"the checkpoint {str(path)!r} is of another search (method, norm, radius, seed, network or images); "
                "name another file, or remove it to start again"
            )
        return course
