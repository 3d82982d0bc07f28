import pytest
import torch
from scipy import stats

from brittle.maths.poisson import poisson_quantiles

UNIFORMS = torch.rand(20_000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("mean", "wrong"), [(0.1, 0), (3, 0.0005), (9.9, 0.0005), (10, 0.004), (60, 0.001), (500, 0.001)]
)
def test_events_are_those_of_the_distribution_function(mean, wrong):
    found = poisson_quantiles(UNIFORMS, torch.full_like(UNIFORMS, mean)).numpy()
    expected = stats.poisson.ppf(UNIFORMS.double().numpy(), mean)
    assert (found != expected).mean() <= wrong
    assert abs(found - expected).max() <= 1


def test_nothing_comes_of_a_mean_of_zero_and_every_end_is_a_number():
    ends = torch.tensor([0.0, 0.5, 1 - 2**-24])
    assert not poisson_quantiles(ends, torch.zeros(3)).any()
    for mean in (9.0, 500.0):
        found = poisson_quantiles(ends, torch.full((3,), mean))
        assert torch.isfinite(found).all()
        assert (found >= 0).all()


def test_what_a_number_becomes_does_not_depend_on_its_neighbours():
    means = 20 * torch.rand(20_000, generator=torch.Generator().manual_seed(1))
    together = poisson_quantiles(UNIFORMS, means)
    assert torch.equal(poisson_quantiles(UNIFORMS[7:20], means[7:20]), together[7:20])
