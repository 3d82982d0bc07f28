"""The image of least total variation is that of a general solver, begun from it and from elsewhere."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from brittle.maths.total_variation import reconstructed, reconstruction_objective, total_variation


def images(count: int = 2, channels: int = 1, side: int = 9) -> torch.Tensor:
    generator = torch.Generator().manual_seed(side)
    coarse = torch.rand((count, channels, 4, 4), generator=generator, dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(coarse, (side, side + 1), mode="bilinear")
    return (smooth + 0.02 * torch.randn(smooth.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)


def mask(channels: int = 1, side: int = 9) -> torch.Tensor:
    return torch.rand((channels, side, side + 1), generator=torch.Generator().manual_seed(7)) < 0.5


def solved(begin: torch.Tensor, image: torch.Tensor, kept: torch.Tensor, weight: float) -> float:
    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        z = torch.from_numpy(flat.reshape(image.shape)).requires_grad_()
        value = reconstruction_objective(z, image, kept, weight).sum()
        value.backward()
        return value.item(), np.nan_to_num(z.grad.numpy().ravel())

    return minimize(objective, begin.numpy().ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).fun


@pytest.mark.parametrize("weight", [0.003, 0.03, 0.1, 0.3, 0.5])
def test_no_general_solver_finds_less(weight):
    x, kept = images(), mask()
    found = reconstructed(x, kept, weight)
    ours = reconstruction_objective(found, x, kept, weight).sum(1)
    for image, one, value in zip(x, found, ours, strict=True):
        for begin in (one, image, torch.full_like(image, 0.5)):
            assert value <= 1.0005 * solved(begin[None], image[None], kept, weight)


def test_total_variation_is_that_of_the_definition():
    x = images(2, 3, 5)
    rows = sum((x[:, :, i] - x[:, :, i - 1]).norm(dim=2) for i in range(1, 5))
    columns = sum((x[:, :, :, j] - x[:, :, :, j - 1]).norm(dim=2) for j in range(1, 6))
    torch.testing.assert_close(total_variation(x), rows + columns)


@pytest.mark.parametrize("weight", [0.03, 0.5])
def test_every_channel_and_every_image_is_solved_by_itself(weight):
    x, kept = images(3, 2), mask(2)
    together = reconstructed(x, kept, weight)
    for number in range(3):
        torch.testing.assert_close(
            reconstructed(x[number : number + 1], kept, weight)[0], together[number], atol=2e-3, rtol=0
        )
    swapped = reconstructed(x.flip(1), kept.flip(0), weight).flip(1)
    torch.testing.assert_close(swapped, together, atol=2e-3, rtol=0)


def test_nothing_dropped_and_no_weight_changes_nothing():
    x = images()
    assert torch.equal(reconstructed(x, torch.ones_like(mask()), 0.0), x)
    assert torch.equal(reconstructed(x, torch.ones_like(mask()), 0.001), x)


@pytest.mark.parametrize("weight", [0.03, 2.0])
def test_what_lies_at_dropped_values_has_no_influence(weight):
    x, kept = images(), mask()
    other = torch.where(kept, x, 1 - x)
    assert torch.equal(reconstructed(x, kept, weight), reconstructed(other, kept, weight))


def test_a_large_weight_leaves_nothing_but_one_grey():
    found = reconstructed(images(), mask(), 5.0)
    assert float(found.flatten(1).std(1).max()) < 0.01


def test_nothing_kept_and_no_images():
    assert torch.isfinite(reconstructed(images(), torch.zeros_like(mask()), 0.03)).all()
    assert reconstructed(images()[:0], mask(), 0.03).shape == (0, 1, 9, 10)


def test_no_image_is_searched_for_longer_because_of_its_neighbours():
    x, kept = images(3, 1).float(), mask()
    x[1] = 0.5 + 0.01 * x[1]  # done long before the others
    together = reconstructed(x, kept, 0.3)
    for number in range(3):
        assert torch.equal(reconstructed(x[number : number + 1], kept, 0.3)[0], together[number])
