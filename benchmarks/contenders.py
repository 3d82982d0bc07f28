"""Everybody's attack behind one call: images and labels in, changed images out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers import peer, wrapped_for_art

Call = Callable[[Tensor, Tensor], Tensor]
"""From images (n, c, h, w) in [0, 1] and labels (n,) to changed images; splits into batches itself."""


@dataclass(frozen=True)
class Task:
    """What is asked of every contender.

    Attributes:
        attack: deepfool, pgd or fgsm.
        p: the norm's exponent.
        radius: largest change; infinite for DeepFool.
        steps: most steps.
        step_size: of PGD, in the units of the images.
        batch: most images in one forward pass.
        classes: outputs of the network.
    """

    attack: str
    p: float
    radius: float
    steps: int
    batch: int
    classes: int

    @property
    def step_size(self) -> float:
        """Madry et al.'s ratio for MNIST: 0.01 for a radius of 0.3."""
        return self.radius / 30


def in_batches(call: Call, batch: int) -> Call:
    """Split for those who leave it to the user."""
    return lambda images, labels: torch.cat(
        [call(x, y) for x, y in zip(images.split(batch), labels.split(batch), strict=True)]
    )


def bare(module: nn.Module, task: Task) -> Call:
    """Gradient, sign, clamp, written by hand; nothing is looked at, judged or kept."""
    radius, stride = task.radius, task.radius if task.attack == "fgsm" else task.step_size

    def call(images: Tensor, labels: Tensor) -> Tensor:
        moved = images
        if task.attack == "pgd":
            moved = (images + torch.empty_like(images).uniform_(-radius, radius)).clamp_(0, 1)
        for _ in range(task.steps):
            moved = moved.detach().requires_grad_()
            loss = functional.cross_entropy(module(moved), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved)
            moved = moved.detach() + stride * gradient.sign()
            if task.attack == "pgd":
                moved = torch.clamp(moved, images - radius, images + radius)
            moved = moved.clamp_(0, 1)
        return moved

    return in_batches(call, task.batch)


def brittle(module: nn.Module, task: Task) -> Call:
    """The public call."""
    import brittle as own

    attack = {
        "deepfool": lambda: own.DeepFool(steps=task.steps),
        "pgd": lambda: own.PGD(steps=task.steps, step_size=task.step_size),
        "fgsm": own.FGSM,
    }[task.attack]()
    classifier, threat = own.Classifier(module), own.Lp(task.p, task.radius)
    return lambda images, labels: (
        own.run(attack, classifier, images, labels, threat=threat, batch=task.batch).adversarial
    )


def foolbox(module: nn.Module, task: Task) -> Call:
    """foolbox 3."""
    library = peer("foolbox")
    model = library.PyTorchModel(module, bounds=(0, 1), device="cpu")
    attacks = library.attacks
    attack = {
        ("deepfool", 2): lambda: attacks.L2DeepFoolAttack(steps=task.steps),
        ("deepfool", math.inf): lambda: attacks.LinfDeepFoolAttack(steps=task.steps),
        ("pgd", math.inf): lambda: attacks.LinfPGD(steps=task.steps, abs_stepsize=task.step_size),
        ("fgsm", math.inf): attacks.LinfFastGradientAttack,
    }[task.attack, task.p]()
    epsilon = None if math.isinf(task.radius) else task.radius
    return in_batches(lambda images, labels: attack(model, images, labels, epsilons=epsilon)[1], task.batch)


def torchattacks(module: nn.Module, task: Task) -> Call:
    """torchattacks."""
    library = peer("torchattacks")
    attack = {
        "deepfool": lambda: library.DeepFool(module, steps=task.steps),
        "pgd": lambda: library.PGD(module, eps=task.radius, alpha=task.step_size, steps=task.steps),
        "fgsm": lambda: library.FGSM(module, eps=task.radius),
    }[task.attack]()
    return in_batches(attack, task.batch)


def art(module: nn.Module, task: Task) -> Call:
    """The Adversarial Robustness Toolbox; it works on NumPy arrays and splits into batches itself."""
    evasion = peer("art.attacks.evasion")

    def call(images: Tensor, labels: Tensor) -> Tensor:
        model = wrapped_for_art(module, tuple(images.shape[1:]), task.classes)
        attack = {
            "deepfool": lambda: evasion.DeepFool(
                model, max_iter=task.steps, epsilon=0.02, batch_size=task.batch, verbose=False
            ),
            "pgd": lambda: evasion.ProjectedGradientDescent(
                model,
                eps=task.radius,
                eps_step=task.step_size,
                max_iter=task.steps,
                num_random_init=1,
                batch_size=task.batch,
                verbose=False,
            ),
            "fgsm": lambda: evasion.FastGradientMethod(model, eps=task.radius, batch_size=task.batch),
        }[task.attack]()
        return torch.from_numpy(attack.generate(images.numpy(), labels.numpy()))

    return call


def adv_lib(module: nn.Module, task: Task) -> Call:
    """adv-lib."""
    if task.attack == "deepfool":
        deepfool = peer("adv_lib.attacks.deepfool").df
        return in_batches(
            lambda images, labels: deepfool(module, images, labels, steps=task.steps, norm=task.p), task.batch
        )
    pgd = peer("adv_lib.attacks.projected_gradient_descent").pgd_linf
    settings = {"ε": task.radius, "steps": task.steps, "absolute_step_size": task.step_size}
    return in_batches(lambda images, labels: pgd(module, images, labels, **settings), task.batch)


CONTENDERS: dict[str, Callable[[nn.Module, Task], Call]] = {
    "adv-lib": adv_lib,
    "art": art,
    "bare": bare,
    "brittle": brittle,
    "foolbox": foolbox,
    "torchattacks": torchattacks,
}
"""Who there is, by name."""

PACKAGES = {
    "adv-lib": "adv-lib",
    "art": "adversarial-robustness-toolbox",
    "bare": "torch",
    "brittle": "brittle",
    "foolbox": "foolbox",
    "torchattacks": "torchattacks",
}
"""Whose version stands in the table."""
