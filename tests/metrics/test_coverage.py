"""How often the intervals that are printed cover the truth: counted exactly, or over simulated sets of images.

Every kind of interval must cover in at least 93 % of the cases, with 5 to 200 images, or not be there.
"""

import numpy as np
import pytest
from scipy import stats

from brittle.maths import intervals
from brittle.metrics import Estimate, jackknife, optimality, proportion, quantile

FLOOR = 0.93
NUMBERS = (5, 6, 7, 8, 10, 15, 20, 30, 50, 100, 200)
LEVEL = 0.95


def mixture(generator, size):
    """Three in ten are five times as large: a second kind of image."""
    sizes = generator.lognormal(0, 0.4, size)
    return np.where(generator.random(size) < 0.3, 5 * sizes, sizes)


SIZES = {
    "normal": (lambda generator, size: generator.normal(10, 2, size), 10),
    "uniform": (lambda generator, size: generator.random(size), 0.5),
    "lognormal, 0.5": (lambda generator, size: generator.lognormal(0, 0.5, size), np.exp(0.125)),
    "lognormal, 1": (lambda generator, size: generator.lognormal(0, 1, size), np.exp(0.5)),
    "left-skewed": (lambda generator, size: 10 - generator.lognormal(0, 0.75, size), 10 - np.exp(0.75**2 / 2)),
    "exponential": (lambda generator, size: generator.exponential(1, size), 1),
    "gamma, 1/2": (lambda generator, size: generator.gamma(0.5, 1, size), 0.5),
    "heavy tails, t with 3": (lambda generator, size: 5 + generator.standard_t(3, size), 5),
    "mixture": (mixture, np.exp(0.08) * 2.2),
    "whole numbers": (lambda generator, size: generator.geometric(0.3, size).astype(float), 1 / 0.3),
}
"""Values without known bounds, as sizes, passes and times are, and their means."""
FRACTIONS = {
    "hits": (lambda generator, size: (generator.random(size) < 0.1) * 1.0, 0.1),
    "uniform": (lambda generator, size: generator.random(size), 0.5),
    "of nine targets": (lambda generator, size: generator.binomial(9, 0.97, size) / 9, 0.97),
    "nearly all 1": (lambda generator, size: np.where(generator.random(size) < 0.9, 1.0, generator.random(size)), 0.95),
    "small": (lambda generator, size: generator.beta(1, 9, size), 0.1),
    "either end": (lambda generator, size: generator.beta(0.2, 0.02, size), 0.2 / 0.22),
}
"""Values in [0, 1], and their means."""


def covered(low, high, truth) -> float:
    """In how many of the samples that have an interval it covers."""
    there = np.isfinite(low) | np.isfinite(high)
    assert there.any()
    return float(((low <= truth + 1e-12) & (truth - 1e-12 <= high))[there].mean())


@pytest.mark.parametrize("n", NUMBERS)
def test_a_proportion_covers_for_every_rate(n):
    rates = np.concatenate([np.linspace(0.001, 0.999, 999), np.logspace(-5, -3, 50)])
    counts = np.arange(n + 1)
    found = [proportion(count, n) for count in counts.tolist()]
    low, high = np.array([one.low for one in found]), np.array([one.high for one in found])
    inside = (low <= rates[:, None]) & (rates[:, None] <= high)
    coverage = (stats.binom.pmf(counts, n, rates[:, None]) * inside).sum(axis=1)
    assert coverage.min() >= LEVEL, rates[coverage.argmin()]


def test_the_interval_that_was_printed_before_does_not():
    """The same count of E. B. Wilson's interval (1927): this is why it is not used."""
    n, z = 20, stats.norm.isf(0.025)
    counts, rates = np.arange(n + 1), np.linspace(0.001, 0.1, 1000)
    rate, weight = counts / n, 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / weight
    reach = z / weight * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    inside = (np.where(counts == 0, 0, centre - reach) <= rates[:, None]) & (rates[:, None] <= centre + reach)
    assert (stats.binom.pmf(counts, n, rates[:, None]) * inside).sum(axis=1).min() < 0.85


@pytest.mark.parametrize("q", [0.1, 0.25, 0.5, 0.75, 0.9])
def test_the_ranks_of_a_quantile_cover_for_every_number(q):
    for n in range(1, 201):
        ranks = intervals.quantile_ranks(n, q, LEVEL)
        if ranks is None:
            assert 2 * max(q, 1 - q) ** n > 1 - LEVEL, f"{n} images would be enough"
            continue
        inside = stats.binom.cdf(ranks[1] - 1, n, q) - stats.binom.cdf(ranks[0] - 1, n, q)
        assert inside >= LEVEL


@pytest.mark.parametrize("n", [6, 30, 200])
def test_a_median_covers_where_attacks_fail(n):
    """Sizes of which a third is infinite, and sizes of whole pixels, of which many are equal."""
    generator = np.random.default_rng(n)
    for draw, truth in (
        (lambda: np.where(generator.random(n) < 1 / 3, np.inf, generator.random(n)), 0.75),
        (lambda: generator.geometric(0.3, n).astype(float), 2),
    ):
        found = [quantile(draw(), 0.5) for _ in range(200)]
        assert covered(np.array([one.low for one in found]), np.array([one.high for one in found]), truth) >= FLOOR


def of_means(n: int, samples: int, seed: int = 0) -> dict[str, float]:
    found = {}
    for name, (draw, truth) in SIZES.items():
        values = draw(np.random.default_rng([n, seed]), (samples, n))
        found[name] = covered(*intervals.studentised_mean(values, LEVEL), truth)
    return found


@pytest.mark.parametrize("n", [8, 20, 80])
def test_a_mean_covers(n, monkeypatch):
    monkeypatch.setattr("brittle.maths.intervals.RESAMPLES", 500)
    found = of_means(n, 600)
    assert min(found.values()) >= FLOOR, found


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 9, 10, 12, 15, 20, 30, 50, 100, 200])
def test_a_mean_covers_counted_long(n):
    found = of_means(n, 3000, seed=1)
    assert min(found.values()) >= FLOOR, found


def test_the_percentile_bootstrap_does_not():
    """What was printed before, at n = 10: this is why it is not used."""
    draw, truth = SIZES["lognormal, 1"]
    generator = np.random.default_rng(0)
    values = draw(generator, (300, 10))
    means = values[:, generator.integers(10, size=(500, 10))].mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert covered(low, high, truth) < 0.85


def of_shares(n: int, samples: int, seed: int = 0) -> dict[str, float]:
    found = {}
    for name, (draw, truth) in FRACTIONS.items():
        values = draw(np.random.default_rng([n, seed]), (samples, n))
        found[name] = covered(*intervals.bounded_mean(values, (0, 1), LEVEL), truth)
    return found


@pytest.mark.parametrize("n", [5, 20, 200])
def test_a_mean_of_shares_covers(n, monkeypatch):
    monkeypatch.setattr("brittle.maths.intervals.RESAMPLES", 500)
    found = of_shares(n, 400)
    assert min(found.values()) >= FLOOR, found


@pytest.mark.slow
@pytest.mark.parametrize("n", NUMBERS)
def test_a_mean_of_shares_covers_counted_long(n):
    found = of_shares(n, 2000, seed=1)
    assert min(found.values()) >= FLOOR, found


def ratio_of_successes(generator, n) -> tuple[Estimate, float]:
    """Mean size over the successes of several targets for an image: a ratio of two sums over images."""
    count = generator.binomial(9, 0.6, n).astype(float)
    total = generator.lognormal(0, 0.7, n) * count
    found = jackknife(np.arange(n, dtype=float), lambda rows: _ratio(total, count, rows.astype(int)))
    return found, float(np.exp(0.7**2 / 2))


def _ratio(total, count, rows):
    return total[rows].sum(axis=1) / count[rows].sum(axis=1)


def share_of_optimality(generator, n) -> tuple[Estimate, float]:
    """An attack that is up to twice as far as the best, and fails now and then, given the best size that is largest."""
    best, own = _attacks(generator, n)
    farthest = best.max()
    gained, room = (np.maximum(farthest - sizes, 0).mean() for sizes in (MANY[1], MANY[0]))
    return optimality({"best": best, "own": own})["own"], float(gained / room)


def _attacks(generator, n):
    best = generator.lognormal(0, 0.6, n)
    factor = np.where(generator.random(n) < 0.3, 1.0, 1 + generator.random(n))
    return best, np.where(generator.random(n) < 0.05, np.inf, factor * best)


MANY = _attacks(np.random.default_rng(5), 20_000)


@pytest.mark.parametrize(
    ("case", "n", "samples"),
    [
        *((ratio_of_successes, n, samples) for n, samples in ((8, 200), (50, 100))),
        *((share_of_optimality, n, samples) for n, samples in ((5, 50), (40, 40))),
    ],
)
def test_ratios_cover(case, n, samples, monkeypatch):
    monkeypatch.setattr("brittle.maths.intervals.RESAMPLES", 400)
    _ratios_cover(case, n, samples)


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 20, 50, 200])
@pytest.mark.parametrize("case", [ratio_of_successes, share_of_optimality])
def test_ratios_cover_counted_long(case, n):
    _ratios_cover(case, n, 500)


def _ratios_cover(case, n, samples):
    generator = np.random.default_rng(n)
    hits = 0
    for _ in range(samples):
        found, truth = case(generator, n)
        assert found.has_interval
        hits += found.low <= truth <= found.high
    assert hits / samples >= FLOOR
