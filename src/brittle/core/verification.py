"""What a hurried search has found, shown to the network as it is before it is kept."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brittle.classifiers.search_mode import rounding
from brittle.core.graph import Graph
from brittle.core.record import Record, best_of_each
from brittle.types import Images, Logits, Mask, PerImage

if TYPE_CHECKING:  # problems verify
    from brittle.core.problem import Problem

WORTH = 1e-4
"""By what fraction a change must be smaller than the one that is known, to be worth a pass."""


@dataclass(frozen=True)
class Claims:
    """Points of which a search says that they meet the goal, or not.

    Attributes:
        seen: the pass that says so.
        logits: of that pass, (m, k).
        size: of the changes, infinite where they are not allowed, (m,).
        met: whether the goal is met, (m,).
        margin: signed distance beyond the boundary, in logits, (m,).
    """

    seen: Graph
    logits: Logits
    size: PerImage
    met: Mask
    margin: PerImage


def verified(problem: "Problem", points: Images, claims: Claims, *, keeps: bool) -> tuple[Claims, Mask]:
    """Show the points that the record would take over for adversarial ones to the network as it is.

    So are those whose margin is within the rounding of the search, which may be any: at the boundary the verdict is the
    network's own, and a search takes no larger step than in float32 to be sure of one.

    Of several points of one image the smallest is shown first, and the next where that one is refused, so that points
    which are not needed cost nothing. What the network says takes the place of what the search was told, in the graph
    as well: gradients are those of the search, at the network's own logits.

    Args:
        problem: the problem of each point.
        points: as the network sees them.
        claims: what the search was told of them.
        keeps: whether the graph is to be differentiated.

    Returns:
        What is known of the points now, and whether the network itself has said that they meet the goal. The size is
        infinite of points that claim to and were not shown: they gain nothing, or no pass is left.
    """
    record, ids = problem.record, problem.ids
    lag = None if record.lag is None else record.lag[ids]  # as the pass had it
    noise = rounding(problem.classifier) * claims.logits.abs().amax(1)
    undecided = claims.margin > problem.goal.confidence - noise
    pending = (claims.met | undecided) & (claims.size < record.size[ids] * (1 - WORTH))
    holds, shown = torch.zeros_like(claims.met), torch.zeros_like(claims.met)
    logits, met, margin = claims.logits, claims.met, claims.margin
    while len(rows := best_of_each(ids, claims.size.where(pending, torch.inf), margin, pending)):
        affordable = record.affordable(ids[rows], problem.eot_samples)
        unpaid = torch.zeros_like(pending) if affordable is None else _beyond(rows, affordable, pending)
        pending, met = pending & ~unpaid, met & ~unpaid
        rows = rows if affordable is None else rows[affordable]
        if len(rows):
            full = problem.rows(rows).in_full()
            answer = full.looked_at(points[rows])
            found, lead = full.verdict(answer.logits, torch.isfinite(claims.size[rows]), answer.unusable, None)
            record.note_verified(ids[rows], refused=~found)
            shown = shown.index_fill(0, rows, value=True)
            holds, met = holds.index_copy(0, rows, found), met.index_copy(0, rows, found)
            margin, logits = margin.index_copy(0, rows, lead), logits.index_copy(0, rows, answer.logits)
            if lag is not None:
                _note_lag(record, ids[rows], lag[rows], answer, claims.seen.mean[rows])
            if keeps:
                claims.seen.correct(rows, answer.outputs)
            pending = pending.index_fill(0, rows, value=False) & ~torch.isin(ids, ids[rows[found]])
    size = claims.size.where(shown | ~claims.met, torch.inf)
    return Claims(claims.seen, logits, size, met, margin), holds


def first_lag(problem: "Problem", outputs: Tensor) -> None:
    """Let a hurried search begin with what its outputs lack of the network's own at the clean images.

    Most of that is there near by as well: what rounding makes of the weights. So the search sees the boundary about
    where it is; every point that is verified brings it up to date. Random draws would hide it.

    Args:
        problem: of the images that are attacked.
        outputs: of the network as it is, (n, k).
    """
    if problem.plain is not None and rounding(problem.classifier) and problem.eot_samples == 1:
        seen = problem.looked_at(problem.images)
        count = len(problem.record.size)
        problem.record.lag = outputs.new_zeros((count, outputs.shape[1]))
        own = Graph(problem.images, outputs, None, seen.unusable)
        _note_lag(problem.record, problem.ids, torch.zeros_like(outputs), own, seen.mean)


def _note_lag(record: Record, ids: Tensor, lag: Tensor, own: Graph, hurried: Tensor) -> None:
    """Add to a lag what outputs of a hurried search, (m, k), still lack of the network's own, where that has any."""
    assert record.lag is not None
    lack = own.mean - hurried
    lack = lack if own.unusable is None else lack.masked_fill(own.unusable[:, None], 0.0)
    record.lag.index_copy_(0, ids, lag + lack)


def _beyond(rows: Tensor, affordable: Tensor, like: Mask) -> Mask:
    """Say which of the rows no pass is left for."""
    unpaid = torch.zeros_like(like).index_fill_(0, rows, value=True)
    return unpaid.index_fill_(0, rows[affordable], value=False)
