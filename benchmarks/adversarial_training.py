"""Time an epoch of adversarial training: over its own bare passes, and over ART's `AdversarialTrainerMadryPGD`.

    PYTHONPATH=src .venv-bench/bin/python -m benchmarks.adversarial_training --data mnist/train.parquet

Everybody trains the same networks from the same weights on the same images, in batches of the same size, with the same
steps of PGD from a random start and the same optimiser, in turn in one process on one thread; CPU seconds, medians over
the rounds, the ratios of each round apart. The passes are counted inside the network in an epoch that is not timed. The
bare passes are those of ours made again with nothing around them: in the attack the gradient of the images alone, in
the step that of the weights and the optimiser's step. Robust accuracy after the epoch, judged by the same attack on the
same held-out images, says that nobody saved time on a weaker attack. ART's attack works in batches of 32 unless told
otherwise; here it is told.
"""

from __future__ import annotations

import copy
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.overhead import lenet
from benchmarks.peers import peer, wrapped_for_art
from brittle import PGD, Lp
from brittle.data import open_source
from brittle.training.accuracy import accuracy
from brittle.training.adversarial import AdversarialTraining
from brittle.training.fit import fit
from brittle.training.recipe import PlainTraining


@dataclass(frozen=True)
class Plan:
    """What everybody does."""

    images: Tensor
    labels: Tensor
    held: Tensor
    truth: Tensor
    batch: int
    steps: int
    radius: float
    rate: float

    @property
    def step_size(self) -> float:
        """Of the attack."""
        return 2.5 * self.radius / self.steps

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return what moves the weights of a module."""
        return torch.optim.SGD(module.parameters(), self.rate, 0.9, weight_decay=5e-4, nesterov=True)


class Whole(nn.Module):
    """A network in one piece: ART asks the parts of a `Sequential` one by one, past the hooks that count."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner.train()

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        return self.inner(images)


class Block(nn.Module):
    """Two convolutions beside a way around them."""

    def __init__(self, inner: int, outer: int, stride: int):
        super().__init__()
        self.first, self.norm = nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer)
        self.second, self.last = nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer)
        self.around = nn.Conv2d(inner, outer, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return the sum of both ways."""
        inner = functional.relu(self.norm(self.first(images)))
        return functional.relu(self.last(self.second(inner)) + self.around(images))


def residual(channels: int) -> nn.Module:
    """Return a small residual network with batch normalisation and random weights."""
    torch.manual_seed(0)
    first = (nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    last = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return nn.Sequential(*first, Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2), *last)


@dataclass(frozen=True)
class Pass:
    """A forward pass, or a way back through the pass before it.

    Attributes:
        rows: images in it.
        training: whether the network was in train mode.
        back: whether it is a way back.
        image: whether the images asked for a gradient.
        weights: whether the network's weights did.
    """

    rows: int
    training: bool
    back: bool
    image: bool
    weights: bool


@dataclass
class Passes:
    """All passes of a network, noted by hooks of its own."""

    made: list[Pass] = field(default_factory=list)

    def note(self, module: nn.Module, given: tuple[Tensor, ...], outputs: Tensor) -> None:
        """Note a forward pass, and the way back when it is gone."""
        image, graph = given[0].requires_grad, outputs.requires_grad
        weights = graph and any(one.requires_grad for one in module.parameters())
        about = len(outputs), module.training
        self.made.append(Pass(*about, False, image and graph, weights))
        if graph:
            outputs.register_hook(lambda _: self.made.append(Pass(*about, True, image, weights)))

    def __str__(self) -> str:
        forward = sum(one.rows for one in self.made if not one.back)
        back = sum(one.rows for one in self.made if one.back)
        both = sum(one.rows for one in self.made if one.back and one.image and one.weights)
        said = f"{forward:,} forward and {back:,} backward"
        return f"{said}, {both:,} of them through images and weights" if both else said


def counted(work: Callable[[nn.Module], object], module: nn.Module) -> list[Pass]:
    """Do some work with a copy of a network, and return its passes."""
    module, passes = copy.deepcopy(module), Passes()
    hook = module.register_forward_hook(passes.note)
    work(module)
    hook.remove()
    return passes.made


def replay(passes: list[Pass], module: nn.Module, plan: Plan) -> None:
    """Make the same passes again, and a step of the optimiser after each way back to the weights alone."""
    optimiser, batches = plan.optimiser(module), {}
    leaf = outputs = torch.empty(0)
    weights, training = None, None
    for made in passes:
        if made.training != training:
            training = made.training
            module.train(training)
        if made.weights != weights and (made.weights or made.image):
            weights = made.weights
            module.requires_grad_(weights)
        if not made.back:
            batches.setdefault(made.rows, (plan.images[: made.rows].clone(), plan.labels[: made.rows]))
            leaf = batches[made.rows][0].detach().requires_grad_(made.image)
            with torch.set_grad_enabled(made.image or made.weights):
                outputs = module(leaf)
        elif made.image:
            torch.autograd.grad(outputs, leaf, torch.ones_like(outputs))
        else:
            optimiser.zero_grad(set_to_none=True)
            functional.cross_entropy(outputs, batches[made.rows][1]).backward()
            optimiser.step()


def ours(module: nn.Module, plan: Plan) -> None:
    """Train for an epoch."""
    attack = PGD(steps=plan.steps, step_size=plan.step_size)
    settings = PlainTraining(epochs=1, batch=plan.batch, rate=plan.rate, schedule="constant")
    hard = AdversarialTraining(attack, Lp("inf", plan.radius))
    fit(module, plan.images, plan.labels, settings=settings, adversarial=hard)


def attacked(module: nn.Module, images: Tensor, labels: Tensor, radius: float, steps: int) -> Tensor:
    """Return the last point of PGD written by hand; the network is left frozen and in eval mode."""
    module.eval().requires_grad_(False)
    moved = (images + torch.empty_like(images).uniform_(-radius, radius)).clamp_(0, 1)
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        loss = functional.cross_entropy(module(moved), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        moved = torch.clamp(moved.detach() + 2.5 * radius / steps * gradient.sign(), images - radius, images + radius)
        moved = moved.clamp_(0, 1)
    return moved


def by_hand(module: nn.Module, plan: Plan) -> None:
    """Train for an epoch in the fewest lines: gradient, sign, clamp, and the step on the last point."""
    optimiser = plan.optimiser(module)
    for chosen in torch.randperm(len(plan.images)).split(plan.batch):
        images, labels = plan.images[chosen], plan.labels[chosen]
        moved = attacked(module, images, labels, plan.radius, plan.steps)
        module.train().requires_grad_(True)
        optimiser.zero_grad(set_to_none=True)
        functional.cross_entropy(module(moved), labels).backward()
        optimiser.step()


def of_art(module: nn.Module, plan: Plan) -> None:
    """Train for an epoch as ART does."""
    classifier: Any = wrapped_for_art(module, tuple(plan.images.shape[1:]), 10, plan.optimiser(module))
    about = {"eps": plan.radius, "eps_step": plan.step_size, "max_iter": plan.steps, "batch_size": plan.batch}
    trainer: Any = peer("art.defences.trainer").AdversarialTrainerMadryPGD(classifier, nb_epochs=1, **about)
    trainer.attack.set_params(batch_size=plan.batch, verbose=False)
    trainer.fit(plan.images.numpy(), plan.labels.numpy())


def judged(module: nn.Module, plan: Plan) -> tuple[float, float]:
    """Return clean accuracy, and that under 20 steps of PGD, on the held-out images."""
    torch.manual_seed(1)
    moved = attacked(module, plan.held, plan.truth, plan.radius, 20)
    return accuracy(module, plan.held, plan.truth), accuracy(module, moved, plan.truth)


def compared(name: str, module: nn.Module, plan: Plan, rounds: int) -> Iterator[str]:
    """Yield what was counted, reached and timed with a network."""
    ways: dict[str, Callable[[nn.Module, Plan], None]] = {"brittle": ours, "by hand": by_hand, "ART": of_art}
    passes = {way: counted(lambda given, make=make: make(given, plan), module) for way, make in ways.items()}
    for way, make in ways.items():
        trained = copy.deepcopy(module)
        torch.manual_seed(0)
        make(trained, plan)
        clean, robust = judged(trained, plan)
        modes = {one.training for one in passes[way] if one.image}
        said = f"attacked in {'train' if modes == {True} else 'eval' if modes == {False} else 'either'} mode"
        yield f"{name}, {way}: {Passes(passes[way])}, {said}; then {clean:.1%} clean, {robust:.1%} robust"
    ways["bare passes"] = lambda given, plan: replay(passes["brittle"], given, plan)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way, make in ways.items():
            trained = copy.deepcopy(module)
            began = time.process_time()
            make(trained, plan)
            times[way].append(time.process_time() - began)
    for way, some in times.items():
        yield f"{name}, {way}: {statistics.median(some[1:]):.3f} s an epoch"
    for way in ("bare passes", "by hand", "ART"):
        ratios = sorted(mine / other for mine, other in zip(times["brittle"][1:], times[way][1:], strict=True))
        yield f"{name}: {statistics.median(ratios):.3f} of {way} ({ratios[0]:.3f} to {ratios[-1]:.3f})"


def main() -> None:
    """Print the lines of each network."""
    parser = ArgumentParser(prog="python -m benchmarks.adversarial_training", description=__doc__)
    parser.add_argument("--data", default="digits:train", help="images (default: %(default)s)")
    parser.add_argument("--test", default="digits", help="held-out images (default: %(default)s)")
    parser.add_argument("--network", choices=("lenet", "residual"), action="append", help="by default both")
    parser.add_argument("--images", type=int, default=1000, help="of an epoch (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=50, help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=5, help="of the attack (default: %(default)s)")
    parser.add_argument("--eps", type=float, default=0.1, help="radius, linf (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=0.02, help="of the optimiser (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = [open_source(spec, max_images=options.images) for spec in (options.data, options.test)]
    given, held = (next(source.blocks(options.images)) for source in sources)
    about = options.batch, options.steps, options.eps, options.rate
    plan = Plan(given.images, given.labels, held.images, held.labels, *about)
    shape = tuple(plan.images.shape[1:])
    print(
        f"{len(plan.images)} images of {shape}, batch {plan.batch}, PGD-{plan.steps}, linf {plan.radius:g}, one thread"
    )
    networks = {"lenet": lenet, "residual": lambda: residual(shape[0])}
    for name in options.network or networks:
        if name == "lenet" and shape != (1, 28, 28):
            print(f"lenet takes (1, 28, 28), not {shape}: left out")
            continue
        for text in compared(name, Whole(networks[name]()), plan, options.rounds):
            print(text, flush=True)


if __name__ == "__main__":
    main()
