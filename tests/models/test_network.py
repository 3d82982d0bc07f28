import torch
from torch import nn

from brittle.models.network import digest_of, parameters_of, seeded


def small():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))


def test_the_same_network_has_the_same_digest():
    assert digest_of(small()) == digest_of(small())


def test_weight_buffer_structure_and_source_each_change_the_digest():
    changed_weight, changed_buffer, changed_structure = small(), small(), small()
    with torch.no_grad():
        changed_weight[0].weight[0, 0, 0, 0] += 1e-6
        changed_buffer[1].running_mean[0] += 1e-6
    changed_structure[0].padding = (1, 1)
    digests = [digest_of(m) for m in (small(), changed_weight, changed_buffer, changed_structure)]
    assert len({*digests, digest_of(small(), b"x"), digest_of(small(), b"y")}) == 6


def test_the_shape_counts_not_only_the_bytes():
    first, second = nn.ParameterList([torch.zeros(2, 3)]), nn.ParameterList([torch.zeros(3, 2)])
    assert digest_of(first) != digest_of(second)


def test_buffers_that_are_not_saved_count():
    first, second = nn.Module(), nn.Module()
    first.register_buffer("scale", torch.ones(1), persistent=False)
    second.register_buffer("scale", torch.zeros(1), persistent=False)
    assert digest_of(first) != digest_of(second)


def test_parameters_are_counted_without_buffers():
    assert parameters_of(nn.BatchNorm1d(4)) == 8


def test_seeded_leaves_the_random_state():
    before = torch.get_rng_state()
    with seeded():
        first = torch.rand(3)
    with seeded():
        assert torch.equal(first, torch.rand(3))
    assert torch.equal(before, torch.get_rng_state())
