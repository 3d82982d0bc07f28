"""Saliency maps against the paper's formula, and the search for pairs against all pairs."""

import pytest
import torch

from brittle.maths.saliency import PAIRS, best_feature, best_pair, saliency


def by_formula(target: float, others: float, increasing: bool) -> float:
    """Equation 8 and its mirror image, as printed."""
    if increasing:
        return 0.0 if target < 0 or others > 0 else target * abs(others)
    return 0.0 if target > 0 or others < 0 else abs(target) * others


def all_pairs(target, others, domain, increasing):
    """Algorithm 3 as written, one pair after the other; a later pair must be better to replace an earlier one."""
    sign, best, found = 1 if increasing else -1, 0.0, None
    places = [i for i in range(len(target)) if domain[i]]
    for place, p in enumerate(places):
        for q in places[place + 1 :]:
            alpha, beta = sign * (target[p] + target[q]), sign * (others[p] + others[q])
            if alpha > 0 and beta < 0 and -alpha * beta > best:
                best, found = -alpha * beta, [p, q]
    return found


def slopes(kind, seed, n=6, d=11):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: torch.randn(n, d, generator=generator, dtype=torch.float64)  # noqa: E731
    if kind == "ties":
        return tuple(torch.randint(-2, 3, (n, d), generator=generator).double() for _ in range(2))
    target = draw()
    if kind == "everything on the front":
        target = torch.linspace(0.1, 1, d, dtype=torch.float64).expand(n, d).flip(1)
        return target, -(1.1 - target) - 1e-3 * draw().abs()
    return target, {"apart": draw(), "opposite": -target + 0.2 * draw(), "alike": target + 0.2 * draw()}[kind]


@pytest.mark.parametrize("increasing", [True, False])
def test_map_is_the_formula(increasing):
    values = [-2.0, -0.5, 0.0, 0.5, 3.0]
    grid = torch.tensor([[t, o] for t in values for o in values])
    expected = [by_formula(t, o, increasing) for t, o in grid.tolist()]
    assert saliency(grid[:, 0], grid[:, 1], increasing).tolist() == expected


@pytest.mark.parametrize("kind", ["apart", "opposite", "alike", "ties", "everything on the front"])
@pytest.mark.parametrize("increasing", [True, False])
@pytest.mark.parametrize("limit", [PAIRS, 13])
def test_best_pair_is_that_of_all_pairs(kind, increasing, limit):
    for seed in range(12):
        target, others = slopes(kind, seed)
        if not increasing:
            target, others = -target, -others
        domain = torch.rand(target.shape, generator=torch.Generator().manual_seed(seed)) < (1, 0.6, 0.15)[seed % 3]
        pairs, found = best_pair(target, others, domain, increasing, limit)
        rows = zip(target.tolist(), others.tolist(), domain.tolist(), strict=True)
        expected = [all_pairs(*row, increasing) for row in rows]
        assert found.tolist() == [pair is not None for pair in expected]
        assert pairs[found].tolist() == [pair for pair in expected if pair is not None]


def test_of_equal_pairs_the_first_is_taken():
    target, others = torch.ones(1, 6), -torch.ones(1, 6)
    assert best_pair(target, others, torch.ones(1, 6) > 0)[0].tolist() == [[0, 1]]
    free = torch.tensor([[False, False, True, False, True, True]])
    assert best_pair(target, others, free)[0].tolist() == [[2, 4]]
    assert best_feature(target, others, free)[0].tolist() == [[2]]


def test_a_feature_that_speaks_against_may_be_half_of_the_best_pair():
    target, others = torch.tensor([[5.0, -1.0, 1.0]]), torch.tensor([[0.5, -6.0, -1.0]])
    assert best_pair(target, others, torch.ones(1, 3) > 0)[0].tolist() == [[0, 1]]


def test_nothing_is_found_where_every_score_is_zero():
    zeros, domain = torch.zeros(2, 5), torch.ones(2, 5) > 0
    for target, others in ((zeros, zeros), (zeros + 1, zeros + 1), (zeros - 1, zeros - 1)):
        assert not best_pair(target, others, domain)[1].any()
        assert not best_feature(target, others, domain)[1].any()
    assert not best_pair(zeros + 1, zeros - 1, ~domain)[1].any()
    assert not best_feature(zeros + 1, zeros - 1, ~domain)[1].any()
    assert len(best_pair(zeros[:0], zeros[:0], domain[:0])[1]) == 0


@pytest.mark.parametrize("scale", [1e-30, 1e-44, 1e30])
def test_tiny_and_huge_slopes_do_not_vanish_in_the_product(scale):
    target, others = torch.tensor([[1.0, 3.0, 2.0]]), -torch.tensor([[3.0, 2.0, 1.0]])
    domain = torch.ones(1, 3) > 0
    assert best_pair(scale * target, scale * others, domain)[0].tolist() == [[0, 1]]
    assert best_pair(scale * target, scale * others, domain)[1].all()
    assert best_feature(scale * target, scale * others, domain)[0].tolist() == [[1]]


def test_many_features_need_no_square_of_memory():
    generator = torch.Generator().manual_seed(0)
    target, others = (torch.randn(2, 40_000, generator=generator) for _ in range(2))
    (pair,), found = best_pair(target[:1], others[:1], torch.ones(1, 40_000) > 0)
    assert found.all()
    strong = (target[0] - others[0]).topk(400).indices.sort().values  # 40,000^2 pairs would be 6 GB
    expected = best_pair(target[:1, strong], others[:1, strong], torch.ones(1, 400) > 0)[0][0]
    assert pair.tolist() == strong[expected].tolist()
