"""What moves the weights of a training: the optimiser of its settings, or one of the user's own."""

import torch
from torch import nn

from brittle.arguments import seen
from brittle.errors import InputError, ModelError
from brittle.training.epoch import Schedule
from brittle.training.identity import Optimise
from brittle.training.recipe import PlainTraining
from brittle.words import with_article


def optimiser_of(
    module: nn.Module, settings: PlainTraining, own: Optimise | None, schedule: Schedule | None
) -> tuple[torch.optim.Optimizer, Schedule | None]:
    """Return the optimiser over the weights that ask for a gradient, and what multiplies its rates, if not settings."""
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    if not weights:
        raise ModelError("no weight of this network asks for a gradient; there is nothing to train")
    if own is not None:
        if not callable(own):  # pyright: ignore[reportUnnecessaryComparison]  # a user's
            raise InputError(
                f"the optimiser is {seen(own)}; expected a function that makes one of the weights, such as "
                "lambda weights: torch.optim.AdamW(weights, 1e-3)"
            )
        made = own(weights)
        if not isinstance(made, torch.optim.Optimizer):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's
            raise InputError(
                f"the optimiser made {with_article(type(made).__name__)}; expected a function of the weights that "
                "returns a torch.optim.Optimizer, such as lambda weights: torch.optim.AdamW(weights, 1e-3)"
            )
        if isinstance(made, torch.optim.LBFGS):
            raise InputError(
                "the optimiser is LBFGS, which asks for the loss several times in a step, and a batch has one gradient "
                "here; take one that moves by a gradient, such as lambda weights: torch.optim.AdamW(weights, 1e-3)"
            )
        for group in made.param_groups:
            group["initial_lr"] = group["lr"]
        return made, schedule or _constant
    if settings.optimiser == "adam":
        made = torch.optim.Adam(weights, settings.rate, weight_decay=settings.decay)
    else:
        momentum, nesterov = settings.momentum, settings.momentum > 0
        made = torch.optim.SGD(weights, settings.rate, momentum, weight_decay=settings.decay, nesterov=nesterov)
    for group in made.param_groups:
        group["initial_lr"] = settings.rate
    return made, schedule


def _constant(done: float) -> float:
    return 1.0
