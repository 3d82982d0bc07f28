"""Hardness and adversarial distance against figures worked out by hand."""

import numpy as np
import pytest

from brittle.errors import InputError
from brittle.metrics import adversarial_distance, correlation, hardness, limited, pair_means, robustness


def test_adversarial_distance_is_the_share_of_features_without_saliency():
    maps = np.zeros((3, 1, 2, 4))
    maps[1, 0, 0, :3] = (5, 1e-12, 2)
    maps[2] = 1
    distances = adversarial_distance(maps)
    assert distances.tolist() == [1, 1 - 3 / 8, 0]
    assert robustness(distances[:2]) == 0.625
    assert len(adversarial_distance(maps[:0])) == 0
    with pytest.raises(InputError, match="n = 0"):
        robustness(distances[:0])


def test_hardness_is_the_area_by_trapezoids():
    rates, distortions = np.array([0.1, 0.4, 1.0]), np.array([0.02, 0.04, 0.1])
    assert hardness(rates, distortions) == pytest.approx(0.3 * 0.03 + 0.6 * 0.07)
    linear = np.linspace(0, 1, 9)
    assert hardness(linear, 0.2 * linear) == pytest.approx(0.1)  # exact: the integral of 0.2 t
    both = hardness(np.stack([rates, np.full(3, np.nan)]), np.stack([distortions, distortions]))
    assert both[0] == hardness(rates, distortions)
    assert np.isnan(both[1])
    assert hardness(np.zeros(3), distortions) == 0
    for wrong in (rates[:1], rates[:2]):
        with pytest.raises(InputError, match=r"expected the same, \(..., m >= 2\)"):
            hardness(wrong, distortions[:1])


def test_one_run_tells_what_smaller_limits_would_have_given():
    changed, success = np.array([4, 10, 30, 2]), np.array([True, True, False, False])
    reached, cut = limited(changed, success, np.array([2, 4, 20, 40]))
    assert reached.tolist() == [[False, True, True, True], [False, False, True, True], [False] * 4, [False] * 4]
    assert cut.tolist() == [[2, 4, 4, 4], [2, 4, 10, 10], [2, 4, 20, 30], [2, 2, 2, 2]]


def test_means_by_source_and_target():
    source, target = np.array([0, 0, 2, 0]), np.array([1, 1, 0, 2])
    values = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 3.0], [0.5, 0.5]])
    means = pair_means(source, target, values, 3)
    assert means.shape == (3, 3, 2)
    assert means[0, 1].tolist() == [0.5, 0.5]
    assert means[2, 0].tolist() == [3, 3]
    assert np.isfinite(means[..., 0]).sum() == 3
    assert pair_means(source, target, values[:, 0], 3)[0, 2] == 0.5
    with pytest.raises(InputError, match="a target class lies outside 0 to 1: 0 to 2"):
        pair_means(source % 2, target, values, 2)
    with pytest.raises(InputError, match="expected as many of each"):
        pair_means(source, target[:2], values, 3)


def test_correlation():
    x = np.array([[np.nan, 1.0, 2.0], [3.0, np.nan, 5.0], [4.0, 6.0, np.nan]])
    line = correlation(x, 3 - 2 * x)
    assert (line.value, line.n) == (-1.0, 6)
    assert not line.has_interval
    bent = correlation(x, x**2)
    assert bent.value == pytest.approx(np.corrcoef(x[np.isfinite(x)], x[np.isfinite(x)] ** 2)[0, 1])
    noise = np.random.default_rng(0).normal(size=(2, 100))
    assert correlation(*noise).value == pytest.approx(np.corrcoef(noise)[0, 1])
    with pytest.raises(InputError, match="at least 4"):
        correlation(x[0], x[0])
    with pytest.raises(InputError, match="same everywhere"):
        correlation(noise[0], np.ones(100))
