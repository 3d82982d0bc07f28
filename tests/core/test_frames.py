"""How deep a network lies below `run`: what stands between is read in every error and paid for in every pass."""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest
import torch
from affine import middle
from torch import Tensor, nn

import brittle
from brittle import PGD, Attack, Cascade, Classifier, DeepFool, Lp, Problem, Restarts, SmallestRadius, run
from brittle.core.attack import State
from brittle.core.probe import Probe

SOURCE = str(Path(brittle.__file__).parent)
PLAIN, REPEATED = 7, 12


class Deep(nn.Module):
    """A network that notes which of brittle's functions are under way, the outermost one first."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(12, 3)
        self.seen: list[list[str]] = []

    def forward(self, images: Tensor) -> Tensor:
        frame: FrameType | None = sys._getframe(1)
        chain: list[str] = []
        while frame is not None:
            if frame.f_code.co_filename.startswith(SOURCE):
                chain.append(frame.f_code.co_name)
            frame = frame.f_back
        self.seen.append(chain[::-1])
        return self.layer(images.flatten(1))


@dataclass(frozen=True)
class Twice(PGD):
    """Asks for two gradients at every point; the second one needs a forward pass of its own."""

    def step(self, problem: Problem, state: State, probe: Probe) -> State:
        probe.gradient(lambda logits: logits[:, 0])
        return super().step(problem, state, probe)


def longest(attack: Attack, eot_samples: int = 1) -> list[str]:
    torch.manual_seed(0)
    network = Deep()
    run(attack, Classifier(network), middle(3), threat=Lp("inf", 1e-3), eot_samples=eot_samples)
    assert all(chain[0] == "run" for chain in network.seen)
    return max(network.seen, key=len)


def test_a_pass_is_seven_frames_below_run():
    chain = longest(PGD(steps=3))
    assert len(chain) <= PLAIN, " > ".join(chain)


@pytest.mark.parametrize(
    ("attack", "eot_samples"),
    [
        (PGD(steps=3), 3),
        (Twice(steps=2), 1),
        (DeepFool(steps=3), 2),
        (Restarts(Twice(steps=2), 2), 2),
        (SmallestRadius(Restarts(Twice(steps=2), 2), 2), 2),
        (Cascade((PGD(steps=2), Restarts(Twice(steps=2), 2))), 2),
    ],
    ids=["eot_samples", "twice", "columns", "restarts", "smallest", "cascade"],
)
def test_a_repeated_pass_is_twelve_frames_below_run(attack: Attack, eot_samples: int):
    chain = longest(attack, eot_samples)
    assert len(chain) <= REPEATED, " > ".join(chain)
