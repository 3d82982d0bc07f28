"""One random stream per image: independent of company and order, and random enough."""

import math

import pytest
import torch

from brittle.base.seeds import Streams

IDS = torch.tensor([7, 3, 11, 2**40, 0])


def all_of(ids: torch.Tensor) -> torch.Tensor:
    return torch.arange(len(ids))


@pytest.mark.parametrize("kind", ["uniform", "normal", "exponential", "signs"])
def test_draws_depend_on_neither_company_nor_order(kind):
    order = torch.tensor([4, 0, 3, 1, 2])
    whole = getattr(Streams(5, IDS), kind)(all_of(IDS), (2, 3))
    mixed = getattr(Streams(5, IDS[order]), kind)(all_of(IDS), (2, 3))
    assert torch.equal(mixed, whole[order])
    for i in range(len(IDS)):
        assert torch.equal(getattr(Streams(5, IDS[i : i + 1]), kind)(torch.tensor([0]), (2, 3)), whole[i : i + 1])


def test_images_that_left_do_not_move_the_others_streams():
    some = Streams(5, IDS)
    some.uniform(all_of(IDS), (4,))
    second = some.uniform(torch.tensor([1, 3]), (4,))
    third = some.uniform(all_of(IDS), (4,))
    alone = Streams(5, IDS[1:2])
    draws = [alone.uniform(torch.tensor([0]), (4,)) for _ in range(3)]
    assert torch.equal(second[:1], draws[1])
    assert torch.equal(third[1:2], draws[2])
    everyone = Streams(5, IDS)
    everyone.uniform(all_of(IDS), (4,))
    assert torch.equal(everyone.uniform(all_of(IDS), (4,))[0], third[0])  # image 0 sat out one draw


def test_seed_id_and_turn_all_matter():
    first = Streams(0, IDS).uniform(all_of(IDS), (8,))
    assert torch.equal(first, Streams(0, IDS).uniform(all_of(IDS), (8,)))
    assert (first != Streams(1, IDS).uniform(all_of(IDS), (8,))).all()
    assert len(first.unique()) == first.numel()
    streams = Streams(0, IDS)
    assert (streams.uniform(all_of(IDS), (8,)) != streams.uniform(all_of(IDS), (8,))).all()


def test_the_bits_stay_what_they_are():
    """A published seed must give the same figures with the next version, and on every device."""
    drawn = Streams(2, torch.tensor([1]), torch.float64).uniform(torch.tensor([0]), (2,))
    assert drawn[0].tolist() == [splitmix(seed=2, id=1, place=0), splitmix(seed=2, id=1, place=1)]


def splitmix(seed: int, id: int, place: int) -> float:
    """The same hash in Python's unbounded integers."""
    golden, mask = 0x9E3779B97F4A7C15, (1 << 64) - 1

    def mixed(x: int) -> int:
        x &= mask
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
        return x ^ (x >> 31)

    key = mixed(mixed(id * golden + 1) ^ mixed(seed + golden))
    return (mixed(mixed(key) + place * golden) >> 11) * 2.0**-53


def test_uniform_moments_and_spread():
    drawn = Streams(0, torch.arange(200)).uniform(torch.arange(200), (500,))
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert drawn.mean() == pytest.approx(0.5, abs=0.005)
    assert drawn.var() == pytest.approx(1 / 12, rel=0.02)
    counts = torch.histc(drawn, 20, 0, 1) / drawn.numel()
    assert (counts - 0.05).abs().max() < 0.005
    assert abs(torch.corrcoef(torch.stack([drawn[:, :-1].flatten(), drawn[:, 1:].flatten()]))[0, 1]) < 0.02
    assert abs(torch.corrcoef(torch.stack([drawn[:-1].flatten(), drawn[1:].flatten()]))[0, 1]) < 0.02


def test_the_other_distributions():
    everyone = torch.arange(200)
    streams = Streams(0, everyone, torch.float64)
    normal = streams.normal(everyone, (500,))
    assert normal.mean() == pytest.approx(0, abs=0.02)
    assert normal.std() == pytest.approx(1, rel=0.02)
    assert (normal.abs() < 1.96).double().mean() == pytest.approx(0.95, abs=0.005)
    exponential = streams.exponential(everyone, (500,))
    assert exponential.min() >= 0
    assert exponential.mean() == pytest.approx(1, rel=0.02)
    assert (exponential > math.log(2)).double().mean() == pytest.approx(0.5, abs=0.01)
    signs = streams.signs(everyone, (500,))
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    assert signs.mean() == pytest.approx(0, abs=0.02)


def test_float64_carries_more_bits_than_float32():
    wide = Streams(0, IDS, torch.float64).uniform(all_of(IDS), (50,))
    assert wide.dtype == torch.float64
    assert (wide != wide.float().double()).any()
    assert Streams(0, IDS).uniform(all_of(IDS), (50,)).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_short_floats_never_round_up_to_one(dtype):
    streams = Streams(0, torch.arange(50), dtype)
    assert streams.uniform(torch.arange(50), (2000,)).max() < 1
    assert torch.isfinite(streams.normal(torch.arange(50), (2000,))).all()


def test_the_bits_of_later_draws_stay_what_they_are_too():
    """Results are compared across versions: the second and third draws of an image are part of them."""
    streams, of = Streams(5, torch.tensor([0, 3, 1000]), torch.float64), torch.arange(3)
    first = [[0.25671189161640284, 0.012968370523154915], [0.8860051368903252, 0.46603072847014926],
             [0.6211211766928798, 0.027822762021261882]]  # fmt: skip
    assert streams.uniform(of, (2,)).tolist() == first
    assert streams.uniform(of[1:], (1,)).tolist() == [[0.9671843940149738], [0.4936041967114503]]
    assert streams.uniform(of, (1,)).tolist() == [[0.607598676076686], [0.12417996826894484], [0.5717470396509032]]
