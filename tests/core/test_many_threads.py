"""Pairs of threads on one network, without anything that makes them meet; as a script it prints how many were changed.

python tests/core/test_many_threads.py
"""

import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from brittle import PGD, Classifier, Lp, RandomNoise, run

PAIRS = 200
IMAGES = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Noisy(nn.Module):
    """A network that draws random numbers."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x + 0.2 * torch.rand_like(x))


class Counts(nn.Module):
    """A network that writes to its buffers also in eval mode, and answers by what stands there."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return self.inner(x + 0.01 * self.passes)


def plain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(288, 5)
    )


def frozen() -> nn.Sequential:
    module = plain()
    module[0].requires_grad_(False)
    return module


KINDS: dict[str, Callable[[], tuple[nn.Module, nn.Module]]] = {
    "in train mode": lambda: (plain().train(),) * 2,
    "partly frozen": lambda: (frozen().eval(),) * 2,
    "eot_samples": lambda: (Noisy(plain()).train(),) * 2,
    "writes buffers": lambda: (Counts(plain()).train(),) * 2,
    "one wraps the other": lambda: ((inner := plain().train()), nn.Sequential(nn.Dropout(0.1), inner)),
    "two that draw": lambda: (Noisy(plain()).train(), Noisy(plain()).train()),
}


def state_of(module: nn.Module) -> list[object]:
    modes = [child.training for child in module.modules()]
    wanted = [(parameter.requires_grad, parameter.grad) for parameter in module.parameters()]
    return [modes, wanted, *(buffer.tolist() for buffer in module.buffers())]


def found_by(module: nn.Module, place: int) -> Tensor:
    attack = PGD(steps=4) if place == 0 else RandomNoise(draws=6)
    return run(attack, Classifier(module), IMAGES, threat=Lp("inf", 0.1), seed=place).adversarial


def pair(kind: str, number: int) -> tuple[bool, bool, bool]:
    """Whether modules, results and the global random state are other than after runs one after the other."""
    torch.manual_seed(number)
    modules = KINDS[kind]()
    before = [state_of(module) for module in modules]
    _, alone = [[found_by(module, i) for i, module in enumerate(modules)] for _ in range(2)]  # once to warm up
    random, found = torch.get_rng_state(), list[Tensor | None]([None, None])

    def work(place: int) -> None:
        found[place] = found_by(modules[place], place)

    threads = [threading.Thread(target=work, args=(place,), daemon=True) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    others = [one is None or not torch.equal(one, other) for one, other in zip(found, alone, strict=True)]
    changed = [state_of(module) for module in modules] != before
    return changed, any(others), not torch.equal(random, torch.get_rng_state())


def changed_of(pairs: int) -> dict[str, tuple[int, int, int]]:
    """How many of the pairs of each kind left modules, results and the random state other than alone."""
    kinds, counts = list(KINDS), {kind: [0, 0, 0] for kind in KINDS}
    for number in range(pairs):
        kind = kinds[number % len(kinds)]
        counts[kind] = [one + other for one, other in zip(counts[kind], pair(kind, number), strict=True)]
    return {kind: (one, two, three) for kind, (one, two, three) in counts.items()}


@pytest.mark.slow
def test_two_hundred_pairs_leave_everything_as_alone():
    assert changed_of(PAIRS) == dict.fromkeys(KINDS, (0, 0, 0))


if __name__ == "__main__":
    found = changed_of(PAIRS)
    print(f"of {PAIRS} pairs of threads: modules changed, results changed, random state changed")
    for name, three in found.items():
        print(f"{name:20} {three[0]:4} {three[1]:4} {three[2]:4}")
    print(f"{'all':20} " + " ".join(f"{sum(column):4}" for column in zip(*found.values(), strict=True)))
