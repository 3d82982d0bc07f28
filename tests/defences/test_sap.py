"""Stochastic activation pruning: odds, expected values, the way back, and which layers are met."""

import pytest
import torch
from torch import Tensor, nn

from brittle import Classifier
from brittle.defences.sap import StochasticActivationPruning
from brittle.errors import InputError

UNITS = torch.tensor([[0.1, -0.2, 0.0, 0.7, 1.5], [1.0, 1.0, 1.0, 1.0, 1.0]])
DRAWS = 2000
BOTH = pytest.mark.parametrize("replacement", [False, True])


def pruned(fraction: float, *, replacement: bool) -> Tensor:
    """Many draws of the units, (draws, 2, 5)."""
    torch.manual_seed(0)
    defence = StochasticActivationPruning(fraction=fraction, replacement=replacement)
    return torch.stack([defence.prune(UNITS) for _ in range(DRAWS)])


def odds_of(draws: int) -> Tensor:
    """The published probability that a unit is drawn at all, in float64."""
    share = UNITS.double().abs() / UNITS.double().abs().sum(1, keepdim=True)
    return 1 - (1 - share) ** draws


@BOTH
@pytest.mark.parametrize("fraction", [0.2, 0.6, 1.0, 3.0])
def test_the_expected_value_is_the_activation(fraction: float, replacement: bool):
    found, odds = pruned(fraction, replacement=replacement), odds_of(round(fraction * 5))
    deviation = UNITS.abs() * ((1 - odds) / odds.clamp_min(1e-9) / DRAWS).sqrt().float()
    assert ((found.mean(0) - UNITS).abs() <= 4 * deviation + 1e-6).all()


@BOTH
def test_units_are_kept_as_often_as_published_and_divided_by_their_odds(replacement: bool):
    found, odds = pruned(0.6, replacement=replacement), odds_of(3).float()
    kept = found != 0
    assert ((kept.float().mean(0) - odds).abs() <= 4 * (odds * (1 - odds) / DRAWS).sqrt() + 1e-6).all()
    torch.testing.assert_close(found, torch.where(kept, UNITS / odds.clamp_min(1e-9), 0))


def test_replacement_draws_pairs_as_a_slow_reference_does():
    found = pruned(0.6, replacement=True)[:, 1] != 0
    share = 0.2
    pair = 1 - 2 * (1 - share) ** 3 + (1 - 2 * share) ** 3  # two units at once, by inclusion and exclusion
    assert abs(float((found[:, 0] & found[:, 4]).float().mean()) - pair) < 4 * (pair * (1 - pair) / DRAWS) ** 0.5
    slow = torch.zeros(DRAWS, 5).scatter_(1, torch.full((DRAWS, 5), share).multinomial(3, replacement=True), 1.0)
    counts = [torch.bincount(kept.sum(1).long(), minlength=6)[1:4] / DRAWS for kept in (found, slow)]
    assert (counts[0] - counts[1]).abs().max() < 0.04  # never more than three of them, as often as there


def test_alone_units_do_not_compete():
    found = pruned(0.6, replacement=False)[:, 1] != 0
    single = 1 - 0.8**3
    assert abs(float((found[:, 0] & found[:, 4]).float().mean()) - single**2) < 4 * (0.25 / DRAWS) ** 0.5
    assert int(found.sum(1).max()) == 5


@BOTH
def test_the_mask_is_held_fixed_on_the_way_back(replacement: bool):
    units = UNITS.clone().requires_grad_()
    found = StochasticActivationPruning(0.6, replacement=replacement).prune(units)
    found.sum().backward()
    torch.testing.assert_close(units.grad * UNITS, found.detach())


@BOTH
def test_silent_layers_stay_silent(replacement: bool):
    found = StochasticActivationPruning(replacement=replacement).prune(torch.zeros(2, 3, 4, 4))
    assert torch.equal(found, torch.zeros(2, 3, 4, 4))


@BOTH
def test_many_draws_keep_every_unit(replacement: bool):
    units = torch.rand(3, 50) + 0.5
    torch.testing.assert_close(StochasticActivationPruning(100, replacement=replacement).prune(units), units)


def test_all_images_of_a_pass_meet_the_same_random_numbers():
    units = torch.rand(1, 4, 8, 8).repeat(3, 1, 1, 1)
    found = StochasticActivationPruning().prune(units)
    assert torch.equal(found[0], found[1])
    assert (found == 0).any()


class Functional(nn.Module):
    """A network that calls its activations in several ways."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 6, 3), nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        hidden = nn.functional.relu6(self.first(images), inplace=True)
        return self.last(self.second(hidden).relu().mean((2, 3)))


def logits(module: nn.Module, images: Tensor) -> Tensor:
    torch.manual_seed(0)
    return StochasticActivationPruning(0.5).protect(Classifier(module)).logits(images)


def test_networks_in_modules_functions_and_exported_programs_are_pruned_alike():
    module, images = Functional().eval(), torch.rand(2, 1, 8, 8)
    same = nn.Sequential(module.first, nn.ReLU6(), module.second, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    same.append(module.last)
    program = torch.export.export(module, (images,), dynamic_shapes=({0: torch.export.Dim("n")},))
    expected = logits(module, images)
    assert not torch.allclose(expected, module(images))
    torch.testing.assert_close(logits(same.eval(), images), expected)
    torch.testing.assert_close(logits(program.module(check_guards=False), images), expected)


def test_a_layer_is_pruned_by_hand_alike():
    module, images = nn.Sequential(nn.Flatten(), nn.Linear(4, 20), nn.Tanh(), nn.Linear(20, 3)), torch.rand(2, 1, 2, 2)
    torch.manual_seed(0)
    expected = module[3](StochasticActivationPruning(0.5).prune(module[:3](images)))
    torch.testing.assert_close(logits(module, images), expected)


def test_the_network_goes_on_as_before_after_an_error():
    class Fails(Functional):
        def forward(self, images: Tensor) -> Tensor:
            super().forward(images)
            raise RuntimeError("the disk is full")

    module, images = Fails().eval(), torch.rand(2, 1, 8, 8)
    with pytest.raises(Exception, match="the disk is full"):
        logits(module, images)
    assert torch.equal(Functional.forward(module, images), Functional.forward(module, images))


def test_a_network_without_activations_is_refused():
    with pytest.raises(InputError, match="no activation"):
        logits(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), torch.rand(2, 1, 2, 2))


@pytest.mark.parametrize("fraction", [0.0, -1.0, 101.0])
def test_settings_out_of_range_are_refused(fraction: float):
    with pytest.raises(InputError, match="fraction"):
        StochasticActivationPruning(fraction=fraction)
