"""The threat of deformations: sizes, projections, draws, and what a run with it returns."""

import math

import pytest
import torch
from affine import affine, convolutional, middle

from brittle import (
    PGD,
    ADef,
    Attack,
    Bounds,
    DeepFool,
    Flow,
    InputError,
    Lp,
    Problem,
    RandomNoise,
    Restarts,
    SmallestRadius,
    UnsupportedThreat,
    run,
)
from brittle.base.seeds import Streams
from brittle.maths.geometry import warp
from brittle.threats.grid import QuantizationGrid

CLEAN = torch.rand(5, 3, 6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def drawn(threat: Flow, seed: int = 0) -> torch.Tensor:
    everyone = torch.arange(len(CLEAN))
    return threat.draw(CLEAN, Streams(seed, everyone, CLEAN.dtype), everyone, Bounds())


def test_the_size_is_the_longest_vector_and_not_that_of_a_component():
    field = torch.zeros(2, 2, 6, 4)
    field[0, :, 2, 3] = torch.tensor([3.0, -4.0])
    field[0, :, 1, 1] = torch.tensor([0.0, 4.5])
    assert Flow(math.inf).size(CLEAN[:2], field).tolist() == [5.0, 0.0]


def test_nothing_is_seen_as_the_image_itself_bit_for_bit():
    threat = Flow(1.0)
    field, images = threat.seen(CLEAN, threat.zero(CLEAN), Bounds())
    assert torch.equal(images, CLEAN)
    assert torch.equal(field, torch.zeros(5, 2, 6, 4, dtype=torch.float64))


def test_projection_shortens_vectors_one_by_one_and_each_image_to_its_own_radius():
    field = 4 * drawn(Flow(1.0))
    radii = torch.tensor([0.5, 1.0, 2.0, 9.0, 0.0], dtype=torch.float64)
    projected = Flow(radii).project(CLEAN, field)
    lengths, before = projected.norm(dim=1), field.norm(dim=1)
    torch.testing.assert_close(lengths, torch.minimum(before, radii[:, None, None].expand_as(before)))
    turned = (projected * field).sum(1) - lengths * before
    torch.testing.assert_close(turned, torch.zeros_like(turned))
    assert torch.equal(projected[3], field[3])


def test_draws_fill_the_disc_evenly_and_no_more():
    lengths = torch.cat([drawn(Flow(2.0), seed).norm(dim=1).flatten() for seed in range(40)])
    assert lengths.max() <= 2
    assert float((lengths < 1).double().mean()) == pytest.approx(1 / 4, abs=0.03)
    one = torch.cat([drawn(Flow(2.0), seed)[:, 0].flatten() for seed in range(40)])
    assert abs(float(one.mean())) < 0.05


def test_a_deformation_stays_in_the_box():
    threat = Flow(5.0)
    _, images = threat.seen(CLEAN.round(), drawn(threat), Bounds())
    assert images.min() >= 0
    assert images.max() <= 1


def test_the_radius_counts_in_pixels_whatever_the_values():
    sizes = torch.tensor([2.0, 2.0 + 1.9e-6, 2.0 + 2.1e-6], dtype=torch.float64)
    assert Flow(2.0).allows(sizes, span=255.0).tolist() == [True, True, False]


def test_results_carry_the_field_that_leads_to_the_image():
    images = middle()
    result = run(ADef(), convolutional(), images, threat=Flow(1.5))
    assert result.success.any()
    torch.testing.assert_close(warp(images, result.field), result.adversarial)
    torch.testing.assert_close(result.flow, result.field.norm(dim=1).flatten(1).amax(1))
    torch.testing.assert_close(result.size[result.success], result.flow[result.success])
    assert "field" not in result.table().column_names
    assert result.table()["flow"].to_pylist() == result.flow.tolist()


def test_other_threats_have_no_field_and_no_size_as_a_deformation():
    result = run(DeepFool(), convolutional(), middle(), threat=Lp(2))
    assert result.field is None
    assert torch.isinf(result.flow).all()


@pytest.mark.parametrize("attack", [DeepFool(), PGD(), Restarts(PGD(), 2)])
def test_attacks_on_values_refuse_it(attack: Attack):
    with pytest.raises(UnsupportedThreat, match="flow"):
        run(attack, convolutional(), middle(), threat=Flow(1.0))


def test_attacks_on_fields_refuse_norms():
    with pytest.raises(UnsupportedThreat, match="ADef cannot measure changes by l2; it knows flow"):
        run(ADef(), convolutional(), middle(), threat=Lp(2))


def test_a_missing_radius_is_asked_for_in_its_own_words():
    with pytest.raises(InputError, match=r"flow was given none; give a finite one .*Flow\(radius\)"):
        run(RandomNoise(), convolutional(), middle(), threat=Flow(math.inf))


def test_the_smallest_radius_is_found_around_random_fields_too():
    result = run(SmallestRadius(RandomNoise(draws=10), steps=8), convolutional(), middle(), threat=Flow(math.inf))
    best = run(ADef(candidates=3), convolutional(), middle(), threat=Flow(math.inf))
    both = result.success & best.success
    assert both.any()
    assert (best.size[both] <= result.size[both]).double().mean() > 0.5


def test_on_a_lattice_the_deformed_image_is_rounded_before_it_is_judged():
    images = QuantizationGrid(16).rounded(middle())
    result = run(ADef(), convolutional(), images, threat=Flow(math.inf), quantization=16)
    steps = result.adversarial * 15
    torch.testing.assert_close(steps, steps.round(), atol=1e-6, rtol=0)
    assert result.success.any()
    assert (convolutional().logits(result.adversarial).argmax(1) != result.clean_prediction)[result.success].all()
    rounded = QuantizationGrid(16).rounded(warp(images, result.field))
    torch.testing.assert_close(rounded, result.adversarial)
    assert result.size_unrounded is None


def test_the_judged_field_is_the_returned_one_whatever_the_attack_says():
    """An attack that proposes a field beyond the radius gets nothing for it."""

    class Far(ADef):
        def perturb(self, problem: Problem) -> None:
            problem.probe(problem.threat.zero(problem.images) + 2.0)

    result = run(Far(), affine(), middle(), threat=Flow(1.0))
    assert not result.success.any()
    assert (result.field == 0).all()
