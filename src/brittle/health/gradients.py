"""Checks of the network's gradients, and that it takes none itself."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from brittle.classifiers.frozen import preserving_state
from brittle.errors import ModelError
from brittle.health.check import Check, Outcome, skipped
from brittle.health.context import HealthContext
from brittle.health.sources import AUTOATTACK, INDICATORS, ROBUSTBENCH
from brittle.maths.losses import cross_entropy, logit_margin
from brittle.types import Labels, Logits, PerImage

VANISHED = 0.1
"""Fraction of the images without a gradient of the cross-entropy above which the check fails; ours."""


def _gradients(case: HealthContext) -> Outcome:
    used = bool(case.attacked())
    try:
        margin, entropy = (_zeros(case, value) for value in (logit_margin, cross_entropy))
    except (RuntimeError, ModelError) as error:
        reason = f"the network cannot be differentiated: {str(error).splitlines()[0]}"
        return Outcome("fail", reason) if used else skipped(f"No attack asked for gradients, and {reason}")
    count, kind = case.probed, "images have a gradient that is zero or not finite"
    text = f"{margin} of {count} {kind} for the margin, {entropy} for the cross-entropy"
    fraction = max(margin, entropy) / count
    if margin or fraction > VANISHED:
        return Outcome("fail" if used else "warn", text, fraction)
    return Outcome("warn" if entropy else "pass", text, fraction)


def _zeros(case: HealthContext, value: Callable[[Logits, Labels], PerImage]) -> int:
    """Count the probed images whose gradient holds nothing but zeros, or something that is no number."""
    found: list[Tensor] = []
    labels = case.labels[: case.probed].to(case.shown.device)
    with preserving_state(case.meter, case.seed):
        for images, own in zip(case.shown.split(case.batch), labels.split(case.batch), strict=True):
            leaf = images.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(value(case.classifier.logits(leaf), own).sum(), leaf)
            flat = gradient.flatten(1)
            found.append((flat == 0).all(1) | ~torch.isfinite(flat).all(1))
    return int(torch.cat(found).sum())


GRADIENTS = Check(
    "gradients",
    "Gradients",
    "For no image is the gradient of the margin zero in every pixel; nor that of the cross-entropy, where up to "
    f"{VANISHED:.0%} of the images are a warning.",
    f"{AUTOATTACK}, check_zero_gradients; {INDICATORS}, unavailable gradients",
    "Logits too large: attack the margin (pgd:loss=margin). A step that has no slope, such as rounding: give it a "
    "smooth surrogate (BPDA), or attack without gradients.",
    _gradients,
)


def _optimises(case: HealthContext) -> Outcome:
    with preserving_state(case.meter, case.seed), _spied() as calls, torch.no_grad():
        case.logits(case.shown[:1])
    with preserving_state(case.meter, case.seed), _spied() as again:
        case.logits(case.shown[:1])
    total = max(sum(calls.values()), sum(again.values()))
    kinds = ", ".join(kind for kind in calls if calls[kind] or again[kind])
    text = f"{total} calls of autograd inside one forward pass" + (f" ({kinds})" if kinds else "")
    return Outcome("fail" if total else "pass", text, float(total))


OPTIMISES = Check(
    "optimises",
    "No optimisation inside the network",
    "A forward pass on images that ask for no gradient differentiates nothing.",
    f"{AUTOATTACK}, check_dynamic (there by tracing every call); {ROBUSTBENCH}",
    "Attack through the whole loop with enough of its steps, with a surrogate of it (BPDA), or without gradients.",
    _optimises,
)


@contextmanager
def _spied() -> Generator[dict[str, int]]:
    """Count what happens in autograd within the block: backward passes, and kept tensors that are used in one.

    Every way into the engine from Python goes through one function, under whatever name it was imported; what goes
    another way is seen by the tensors that it takes out again. To keep some is no optimisation: a network whose
    parameters ask for gradients, and that nobody could freeze, does no more than that.
    """
    calls = {"backward passes": 0, "kept tensors used": 0}
    autograd: Any = torch.autograd
    engine = autograd._engine_run_backward

    def counted(*arguments: Any, **named: Any) -> Any:
        calls["backward passes"] += 1
        return engine(*arguments, **named)

    def used(tensor: Tensor) -> Tensor:
        calls["kept tensors used"] += 1
        return tensor

    autograd._engine_run_backward = counted
    try:
        with torch.autograd.graph.saved_tensors_hooks(_same, used):
            yield calls
    finally:
        autograd._engine_run_backward = engine


def _same(tensor: Tensor) -> Tensor:
    return tensor


GRADIENT_CHECKS = (GRADIENTS, OPTIMISES)
