"""Images in a file: the same rows as in memory, whole levels in a quarter of the space, and no memory of their own."""

import tracemalloc
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brittle.base.stored import StoredImages
from brittle.errors import RunError

LEVELS = torch.randint(0, 256, (7, 3, 4, 5), generator=torch.Generator().manual_seed(0))
IMAGES = LEVELS.float() / 255


@given(order=st.permutations(range(7)), sizes=st.lists(st.integers(0, 4), max_size=4))
def test_rows_are_those_that_were_written(order: list[int], sizes: list[int]):
    cuts = [min(sum(sizes[:place]), 7) for place in range(len(sizes) + 1)]
    parts = [IMAGES[first:last] for first, last in zip(cuts, [*cuts[1:], 7], strict=True)]
    stored = StoredImages.of(parts)
    assert stored.dtype == torch.uint8
    assert torch.equal(stored[torch.tensor(order)], LEVELS[torch.tensor(order)].to(torch.uint8))
    assert torch.equal(stored.chosen(torch.tensor(order))[2:5], LEVELS[torch.tensor(order)][2:5].to(torch.uint8))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_part_between_levels_widens_all(place: int):
    """Of photographs of 8 and of 16 bits in one folder, the first ones are levels and later ones are not."""
    parts = list(IMAGES[:6].split(2))
    parts[place] = (parts[place] + 0.3 / 255).clamp_max(1)
    stored = StoredImages.of(parts)
    assert stored.dtype == torch.float32
    assert torch.allclose(stored[:], torch.cat(parts), atol=1e-7)


def test_images_do_not_stay_in_memory():
    part = torch.zeros(100, 3, 32, 32)
    tracemalloc.start()
    stored = StoredImages.of(part for _ in range(50))
    stored[torch.arange(10)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(stored) == 5000
    assert peak < 0.1 * stored.shape.numel()


def test_the_file_has_no_name(tmp_path: Path):
    stored = StoredImages.of([IMAGES], tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(stored[:]) == 7


def test_where_nothing_can_be_written_the_reason_is_said(tmp_path: Path):
    with pytest.raises(RunError, match="TMPDIR"):
        StoredImages.of([IMAGES], tmp_path / "absent")
