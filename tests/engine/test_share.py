"""What each worker gets of the machines that there are."""

import pytest

from brittle.engine.share import Share, share
from brittle.errors import InputError


@pytest.mark.parametrize(
    ("machines", "workers", "device", "expected"),
    [
        ([(2, 0)], None, "cpu", Share(2, 1, 1)),
        ([(2, 0)], 1, "cpu", Share(1, 2, 2)),
        ([(64, 0)], None, "cpu", Share(16, 4, 4)),
        ([(64, 0), (4, 0)], None, "cpu", Share(20, 3, 3)),
        ([(8, 0), (8, 0)], 3, "cpu", Share(3, 4, 4)),
        ([(16, 2), (8, 0)], None, "cuda:1", Share(2, 8, 8, 1)),
        ([(16, 4)], 2, "cuda", Share(2, 8, 8, 1)),
        ([(0, 0), (4, 0)], None, "cpu", Share(4, 1, 1)),
    ],
)
def test_the_cores_are_divided_among_the_workers(machines, workers, device, expected):
    assert share(machines, workers, device) == expected


@pytest.mark.parametrize(
    ("workers", "device", "message"),
    [
        (9, "cpu", "9 workers are asked for, and there are 8 cores; ask for fewer"),
        (3, "cuda", "3 workers are asked for, and there are 8 cores and 2 GPUs"),
    ],
)
def test_more_workers_than_there_is_room_for_are_refused(workers, device, message):
    with pytest.raises(InputError, match=message):
        share([(8, 2)], workers, device)


def test_a_cluster_without_a_gpu_says_so():
    with pytest.raises(InputError, match=r"8 cores and 0 GPUs, and .* to run on cuda; give another"):
        share([(8, 0)], None, "cuda")
