"""Adam's moments against torch's Adam."""

import torch

from brittle.attacks.moments import Moments


def test_steps_are_those_of_torch():
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(3, 1, 2, 2, generator=generator, dtype=torch.float64)
    theirs = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([theirs], lr=0.1)
    mine, moments = start.clone(), Moments.none(start)
    for _ in range(7):
        gradient = torch.randn(start.shape, generator=generator, dtype=torch.float64)
        theirs.grad = gradient
        optimiser.step()
        moments = moments.with_gradient(gradient)
        mine = mine - 0.1 * moments.direction
    torch.testing.assert_close(mine, theirs.detach(), atol=1e-12, rtol=0)
    assert (Moments.none(start).with_gradient(torch.zeros_like(start)).direction == 0).all()
