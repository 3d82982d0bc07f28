"""Patches and frames: sizes and projections against brute force, and what they look like on images."""

import itertools

import numpy as np
import pytest
import torch

from brittle import Frame, Lp, Patch
from brittle.base.bounds import Bounds
from brittle.base.seeds import Streams

BOX = Bounds()


def images(count: int = 5, shape: tuple[int, int, int] = (2, 6, 7)) -> torch.Tensor:
    return torch.rand((count, *shape), generator=torch.Generator().manual_seed(count))


def sparse(clean: torch.Tensor) -> torch.Tensor:
    """Images of which about every eighth pixel differs."""
    generator = torch.Generator().manual_seed(9)
    chosen = torch.rand((len(clean), 1, *clean.shape[2:]), generator=generator) < 0.12
    return torch.where(chosen, torch.rand(clean.shape, generator=generator), clean)


def test_the_size_of_a_patch_is_the_smallest_square_that_holds_all():
    clean = images()
    moved = sparse(clean)
    for before, after, size in zip(clean, moved, Patch().size(clean, moved), strict=True):
        differs = (before != after).any(0)
        holds = [
            side
            for side in range(8)
            for top, left in itertools.product(range(7), range(8))
            if int(differs[top : top + side, left : left + side].sum()) == int(differs.sum())
        ]
        assert int(size) == min(holds)


@pytest.mark.parametrize("side", [1, 2, 4, 6, 7])
def test_a_patch_keeps_the_square_of_most_change(side):
    clean, moved = images(4), images(6)[:4]
    kept = Patch(side).project(clean, moved)
    for before, after, found in zip(clean, moved, kept, strict=True):
        change = (after - before).square().sum(0)
        best = max(
            float(change[top : top + side, left : left + side].sum())
            for top, left in itertools.product(range(6), range(7))
        )
        assert float((found - before).square().sum()) == pytest.approx(best, rel=1e-5)
    assert bool((Patch().size(clean, kept) <= side).all())


def test_every_image_has_a_patch_of_its_own_side():
    clean, moved = images(3), images(4)[:3]
    kept = Patch(torch.tensor([1.0, 3.0, 5.0])).project(clean, moved)
    assert Patch().size(clean, kept).tolist() == [1, 3, 5]
    for row, side in enumerate((1.0, 3.0, 5.0)):
        torch.testing.assert_close(kept[row : row + 1], Patch(side).project(clean[row : row + 1], moved[row : row + 1]))


def test_the_size_of_a_frame_is_how_deep_it_goes():
    clean = images(2, (1, 5, 9))
    for row, column in itertools.product(range(5), range(9)):
        moved = clean.clone()
        moved[:, :, row, column] += 0.5
        assert Frame().size(clean, moved).tolist() == [1 + min(row, column, 4 - row, 8 - column)] * 2
    everywhere = Frame(2).project(clean, clean + 1)
    assert int((everywhere != clean)[0].sum()) == 45 - 5
    assert Frame().max_size(clean, BOX).tolist() == [3, 3]


def test_random_patches_lie_anywhere_and_are_whole():
    clean, ids = images(400), torch.arange(400)
    moved = Patch(3).draw(clean, Streams(0, ids), ids, BOX)
    assert ((moved != clean).any(1).flatten(1).sum(1) == 9).all()
    covered = (moved != clean).any(1).double().mean(0)
    assert covered.min() > 0.01
    assert covered.argmax() == covered[3].argmax() + 3 * 7 or covered[2:4, 2:5].mean() > covered[0].mean()


def test_a_patch_is_put_on_whole_at_places_that_the_streams_determine():
    some, ids, patch = images(300), torch.arange(300), torch.rand(2, 3, 2)
    put = Patch(3).put_on(some, patch, BOX, ids, 1)
    tops = set()
    for before, after in zip(some, put, strict=True):
        rows, columns = (before != after).any(0).nonzero().unbind(1)
        top, left = int(rows.min()), int(columns.min())
        assert torch.equal(after[:, top : top + 3, left : left + 2], patch)
        rest = after.clone()
        rest[:, top : top + 3, left : left + 2] = before[:, top : top + 3, left : left + 2]
        assert torch.equal(rest, before)
        tops.add((top, left))
    assert tops == set(itertools.product(range(4), range(6)))
    alone = Patch(3).put_on(some[7:8], patch, BOX, ids[7:8], 1)
    assert torch.equal(alone[0], put[7])
    assert not torch.equal(Patch(3).put_on(some, patch, BOX, ids, 2), put)


@pytest.mark.parametrize("threat", [Patch(3), Frame(2), Lp("inf", 0.2)])
def test_the_change_gets_the_gradient_of_all_images(threat):
    some, ids, box = images(6).double() * 0.2 + 0.4, torch.arange(6), Bounds()
    weights = torch.randn(some.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    change = (threat.blank_change((2, 6, 7), box) + 0.01).double().requires_grad_()
    total = (threat.put_on(some, change, box, ids) * weights).sum()
    (gradient,) = torch.autograd.grad(total, change)
    step = 1e-6 * torch.randn(change.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    ahead, behind = ((threat.put_on(some, change.detach() + sign * step, box, ids) * weights).sum() for sign in (1, -1))
    assert float((gradient * step).sum()) == pytest.approx(float(ahead - behind) / 2, rel=1e-5)


def test_content_keeps_its_place_in_the_range_where_bounds_are_others():
    for threat in (Patch(2), Frame(1)):
        content = torch.rand(1, 4, 4)
        wide = threat.rescaled_change(content, BOX, Bounds(-1, 3))
        torch.testing.assert_close(wide, content * 4 - 1)
        torch.testing.assert_close(threat.rescaled_change(wide, Bounds(-1, 3), BOX), content)
    torch.testing.assert_close(
        Lp(2, 1).rescaled_change(torch.ones(1, 2, 2), BOX, Bounds(-1, 3)), torch.full((1, 2, 2), 4.0)
    )


def test_usual_sides_grow_with_the_image():
    assert [Patch().usual_radius((3, side, side))[0] for side in (224, 32, 2)] == [50, 7, 1]
    assert [Frame().usual_radius((3, side, side))[0] for side in (224, 32)] == [4, 1]


def test_numpy_measures_as_torch_does_where_nothing_differs():
    clean = images(2).double().numpy()
    for threat in (Patch(), Frame()):
        assert np.array_equal(threat.measured(clean, clean), np.zeros(2))
        assert threat.size(torch.from_numpy(clean), torch.from_numpy(clean)).tolist() == [0, 0]
