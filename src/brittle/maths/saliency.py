"""Adversarial saliency maps, and the exact search for the best feature and the best pair of features.

Papernot et al., EuroS&P 2016, "The limitations of deep learning in adversarial settings" (arXiv:1511.07528). Two
numbers for each feature i of an image (one channel value) say all: `target`, the slope dF_t / dx_i of the class to be
reached, and `others`, the sum of the slopes of all other classes. A wish to lower the features is the same problem with
the signs of both turned round.
"""

import torch
from torch import Tensor

PAIRS = 1 << 22
"""Most pairs that are held at once."""
WEIGHTS = (0.25, 1.0, 4.0)
"""Directions in which features that outdo many others are looked for; they decide nothing but the time."""


def saliency(target: Tensor, others: Tensor, increasing: bool = True) -> Tensor:
    """Return the adversarial saliency map of single features (section 3.2, equations 8 and 9).

    Args:
        target: slopes of the class to be reached, any shape.
        others: sums of the slopes of the other classes, likewise.
        increasing: whether the features are to be raised; otherwise they are to be lowered.

    Returns:
        target |others| where target > 0 and others < 0 (for lowering: |target| others where target < 0 and others > 0),
        else 0.

    Example:
        >>> saliency(torch.tensor([2.0, 2.0, -1.0]), torch.tensor([-3.0, 1.0, 4.0]))
        tensor([6., 0., 0.])
        >>> saliency(torch.tensor([2.0, 2.0, -1.0]), torch.tensor([-3.0, 1.0, 4.0]), increasing=False)
        tensor([0., 0., 4.])
    """
    sign = 1 if increasing else -1
    return (sign * target).clamp_min(0) * (-sign * others).clamp_min(0)


def best_feature(target: Tensor, others: Tensor, domain: Tensor, increasing: bool = True) -> tuple[Tensor, Tensor]:
    """Find the feature of the largest saliency in each row; of equal ones the first.

    Args:
        target: slopes of the class to be reached, (n, d).
        others: sums of the slopes of the other classes, likewise.
        domain: which features may be chosen, (n, d) of truth values.
        increasing: as in `saliency`.

    Returns:
        Positions (n, 1), and whether the saliency there is above 0, (n,); where it is not, the position means nothing.
    """
    target, others = _comparable(target), _comparable(others)
    scores = saliency(target, others, increasing).masked_fill(~domain, 0)
    best = scores.amax(1, keepdim=True)
    return (scores == best).to(torch.uint8).argmax(1, keepdim=True), best[:, 0] > 0


def best_pair(
    target: Tensor, others: Tensor, domain: Tensor, increasing: bool = True, limit: int = PAIRS
) -> tuple[Tensor, Tensor]:
    """Find the pair of features p < q of the largest -alpha beta in each row (algorithm 3 of the paper), exactly.

    alpha is the sum of the pair's `target`, beta that of its `others`; alpha > 0 and beta < 0 are asked for (to lower
    features, the opposite). With u = target and v = -others the score (u_p + u_q)(v_p + v_q) rises in every u and v, so
    that replacing a feature by one at least as large in both never makes a pair worse: a feature that two others outdo
    is in no best pair unless it is tied, and only the few that fewer than two outdo are paired, not all d^2 pairs.

    Args:
        target: slopes of the class to be reached, (n, d), d from 2 up.
        others: sums of the slopes of the other classes, likewise.
        domain: which features may be chosen, (n, d) of truth values.
        increasing: as in `saliency`.
        limit: most pairs scored at once; more are scored in parts, so that memory is bounded in the worst case too.

    Returns:
        Positions (n, 2) in ascending order, and whether the score there is above 0, (n,); where it is not, the
        positions mean nothing. Of pairs with the same score that with the smallest p is taken, and of these that with
        the smallest q (as far as rounding of the scores can tell pairs apart).

    Example:
        >>> slopes = torch.tensor([[3.0, -1.0, 2.0, 1.0]]), torch.tensor([[1.0, -9.0, 0.0, -4.0]])
        >>> best_pair(*slopes, torch.ones(1, 4, dtype=torch.bool))
        (tensor([[0, 1]]), tensor([True]))
    """
    sign = 1 if increasing else -1
    u, v = sign * _comparable(target), -sign * _comparable(others)
    columns, real = _packed(domain & ~_far_behind(u, v, domain))
    u, v = (values.gather(1, columns).masked_fill(~real, -torch.inf) for values in (u, v))
    best, real = _packed(_hardly_outdone(u, v))
    u, v = (values.gather(1, best).masked_fill(~real, -torch.inf) for values in (u, v))
    pair, score = _scored(u, v, limit)
    return columns.gather(1, best.gather(1, pair)), score > 0


def _comparable(slopes: Tensor) -> Tensor:
    """Scale each row by a power of 2, which rounds nothing, so that products of tiny slopes do not vanish."""
    exponent = torch.frexp(slopes.abs().amax(1, keepdim=True)).exponent.clamp_min(-100)  # 2^100 is a float32
    return torch.ldexp(slopes, -exponent)


def _far_behind(u: Tensor, v: Tensor, domain: Tensor) -> Tensor:
    """Find most of the features that two others outdo without sorting: by a few that are large in both."""
    behind = torch.zeros_like(u, dtype=torch.uint8)
    for weight in WEIGHTS:
        strong = (u + weight * v).masked_fill(~domain, -torch.inf).topk(2, dim=1).indices
        tall, wide = (values.gather(1, strong).where(domain.gather(1, strong), -torch.inf) for values in (u, v))
        behind |= (u < tall.amin(1, keepdim=True)) & (v < wide.amin(1, keepdim=True))
    return behind.bool()


def _hardly_outdone(u: Tensor, v: Tensor) -> Tensor:
    """Say which features of each row fewer than two others outdo: others no less in u and v, of equal ones the first.

    Ordered by u (falling, of equal ones by v, then by position) a feature is outdone by exactly those before it whose v
    is no less; there are fewer than two of these where v is above the second largest before it. Features at minus
    infinity are left out.
    """
    order = v.argsort(dim=1, descending=True, stable=True)
    order = order.gather(1, u.gather(1, order).argsort(dim=1, descending=True, stable=True))
    ordered = v.gather(1, order)
    none = torch.full_like(ordered[:, :1], -torch.inf)
    before = torch.cat([none, ordered.cummax(1).values[:, :-1]], 1)
    second = torch.cat([none, torch.minimum(ordered, before).cummax(1).values[:, :-1]], 1)
    return torch.zeros_like(ordered, dtype=torch.bool).scatter(1, order, ordered > second)


def _packed(kept: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions of what is kept in each row, ascending, in as few columns as hold them (at least 2).

    Returns:
        Positions (n, m), filled up with 0 where a row keeps fewer than m, and which of them are real.
    """
    n, width = len(kept), max(2, int(kept.sum(1).max())) if len(kept) else 2
    rank = kept.cumsum(1)
    places = torch.zeros(n, width + 1, dtype=torch.int64, device=kept.device)
    everywhere = torch.arange(kept.shape[1], device=kept.device).expand_as(kept)
    places.scatter_(1, (rank - 1).where(kept, width), everywhere)
    return places[:, :width], torch.arange(width, device=kept.device) < rank[:, -1:]


def _scored(u: Tensor, v: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Score all pairs of each row's columns: the first best pair (n, 2), and its score (n,), 0 where none counts."""
    n, width = u.shape
    part = max(1, limit // max(1, n * width))
    best, pair = u.new_zeros(n), torch.zeros(n, 2, dtype=torch.int64, device=u.device)
    later = torch.arange(width, device=u.device)
    for start in range(0, width - 1, part):
        stop = min(start + part, width - 1)
        p, q = later[start:stop, None], later[None, start + 1 :]
        alpha = u[:, start:stop, None] + u[:, None, start + 1 :]
        beta = v[:, start:stop, None] + v[:, None, start + 1 :]
        counts = (alpha > 0) & (beta > 0) & (q > p)
        scores = (alpha * beta).where(counts, 0).flatten(1)
        top = scores.amax(1)
        where = (scores == top[:, None]).to(torch.uint8).argmax(1)
        found = torch.stack([p[where // q.shape[1], 0], q[0, where % q.shape[1]]], 1)
        better = top > best
        best, pair = torch.where(better, top, best), torch.where(better[:, None], found, pair)
    return pair, best
