"""The passes of an adversarial training are counted by kind, and made again as they were."""

import pytest
import torch
from torch import nn

from benchmarks.adversarial_training import Pass, Plan, Whole, by_hand, counted, ours, replay, residual

STEPS, BATCH = 2, 4


@pytest.fixture(scope="module")
def plan() -> Plan:
    images = torch.rand((10, 1, 3, 3), generator=torch.Generator().manual_seed(0))
    labels = torch.arange(10) % 2
    return Plan(images, labels, images, labels, BATCH, STEPS, 0.1, 0.01)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return Whole(nn.Sequential(nn.Flatten(), nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 2)))


def a_step(rows: int) -> list[Pass]:
    """The passes of one step of the fewest lines."""
    attack = [Pass(rows, False, back, True, False) for _ in range(STEPS) for back in (False, True)]
    return [*attack, *(Pass(rows, True, back, False, True) for back in (False, True))]


def test_passes_by_hand_are_those_of_the_attack_and_the_step(network: nn.Module, plan: Plan):
    found = counted(lambda module: by_hand(module, plan), network)
    assert found == [one for rows in (4, 4, 2) for one in a_step(rows)]


def test_ours_are_two_more_forward_passes_a_batch(network: nn.Module, plan: Plan):
    found = counted(lambda module: ours(module, plan), network)
    bare = [one for rows in (4, 4, 2) for one in a_step(rows)]
    assert [one for one in found if one.back] == [one for one in bare if one.back]
    more = [one.rows for one in found if not one.back and not one.image and not one.weights]
    assert more[-6:] == [4, 4, 4, 4, 2, 2]  # the clean images, and the last point


@pytest.mark.parametrize("way", [by_hand, ours])
def test_they_are_made_again_in_order(way, network: nn.Module, plan: Plan):
    found = counted(lambda module: way(module, plan), network)
    again = counted(lambda module: replay(found, module, plan), network)
    assert again == found


def test_the_residual_network_takes_any_size():
    assert residual(3)(torch.rand(2, 3, 8, 9)).shape == (2, 10)
