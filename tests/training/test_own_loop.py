"""Training in a way of one's own: an optimiser and schedule, or a whole loop."""

import signal
from dataclasses import replace

import pytest
import torch
from forked import ending, kill
from torch import nn
from torch.nn import functional

from brittle import PGD, DeepFool, InputError, Lp, ModelError, RunError
from brittle.training import AdversarialTraining, adversarial_batch, fit
from brittle.training.checkpoint import weights_of
from brittle.training.named import seeded
from training.test_fit import SETTINGS, Interrupted, build, data, same


def own(weights):
    return torch.optim.AdamW(weights, 0.02, weight_decay=0.1)


def falling(done):
    return 1 - done / 2


def trained(**options):
    module = seeded(build, 5)
    return module, fit(module, *data(), settings=SETTINGS, optimiser=own, schedule=falling, **options)


def test_an_optimiser_and_schedule_of_ones_own_move_the_weights():
    """The same steps by hand, on a network without augmentation, dropout or an order that matters."""
    images, labels = data(32)
    settings = replace(SETTINGS, epochs=2, batch=32, shift=0, flip=False)

    def linear():
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 2))

    module, expected = seeded(linear, 1), seeded(linear, 1)
    fit(module, images, labels, settings=settings, optimiser=own, schedule=falling)
    optimiser = own(expected.parameters())
    for done in (0.0, 0.5):
        for group in optimiser.param_groups:
            group["lr"] = 0.02 * (1 - done / 2)
        optimiser.zero_grad()
        functional.cross_entropy(expected(images), labels).backward()
        optimiser.step()
    assert torch.allclose(module[1].weight, expected[1].weight, atol=1e-6)


def test_without_a_schedule_its_own_rates_stay():
    rates = []

    def watched(weights):
        made = torch.optim.SGD([{"params": weights[:1], "lr": 0.5}, {"params": weights[1:], "lr": 0.25}])
        made.register_step_pre_hook(lambda optimiser, *_: rates.append([g["lr"] for g in optimiser.param_groups]))
        return made

    fit(seeded(build, 5), *data(20), settings=replace(SETTINGS, epochs=1), optimiser=watched)
    assert rates == [[0.5, 0.25]] * 2


def test_killed_with_kill_9_it_goes_on_to_the_same_bits(tmp_path):
    whole, expected = trained()
    assert ending(lambda: trained(checkpoint=tmp_path / "state", progress=kill)) == -signal.SIGKILL
    module, history = trained(checkpoint=tmp_path / "state")
    assert history.resumed == 1
    assert history == expected
    assert same(module, whole)


def test_a_checkpoint_of_another_optimiser_or_schedule_is_refused(tmp_path):
    trained(checkpoint=tmp_path / "state")
    for other in ({"optimiser": torch.optim.Adam}, {"schedule": lambda done: 1 - done}, {"optimiser": None}):
        with pytest.raises(RunError, match="another training"):
            fit(
                seeded(build, 5),
                *data(),
                settings=SETTINGS,
                checkpoint=tmp_path / "state",
                **{"optimiser": own, "schedule": falling, **other},
            )


def test_what_is_no_optimiser_is_refused():
    with pytest.raises(InputError, match=r"expected a function of the weights that returns a torch\.optim\.Optimizer"):
        fit(build(), *data(), settings=SETTINGS, optimiser=list)


def test_an_optimiser_that_asks_for_the_loss_again_is_refused():
    with pytest.raises(InputError, match="LBFGS, which asks for the loss several times in a step"):
        fit(build(), *data(), settings=SETTINGS, optimiser=torch.optim.LBFGS)


@pytest.mark.parametrize("given", [None, "fast", float("nan")])
def test_a_schedule_that_gives_no_number_is_refused(given):
    with pytest.raises(InputError, match=r"the schedule gave .* where 0% of the steps are done"):
        fit(build(), *data(), settings=SETTINGS, optimiser=own, schedule=lambda done: given)


def test_layers_without_a_size_are_told_to_be_shown_a_batch():
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(2))
    with pytest.raises(ModelError, match=r"do not know their sizes yet \(1\.weight, 1\.bias\); show it one batch"):
        fit(lazy, *data(), settings=SETTINGS)
    lazy(data()[0][:2])
    assert fit(lazy, *data(), settings=replace(SETTINGS, epochs=1)).epochs


def test_a_loss_that_grew_a_hundredfold_is_told():
    settings = replace(SETTINGS, rate=1e4, epochs=2)
    history = fit(nn.Sequential(nn.Flatten(), nn.Linear(36, 2)), *data(), settings=settings)
    assert any("the loss grew from" in one and "lower rate than 10000" in one for one in history.remarks)
    assert not fit(seeded(build, 5), *data(), settings=SETTINGS).remarks


def test_a_loss_that_runs_away_ends_with_the_last_good_weights_kept(tmp_path):
    def wild(done):
        return 1.0 if done < 0.5 else float("inf")

    module = seeded(build, 5)
    state = tmp_path / "state"
    hard = AdversarialTraining(PGD(steps=1), Lp("inf", 0.1))
    with pytest.raises(ModelError, match=r"the weights after epoch 2 stay in .*state.*--from"):
        fit(module, *data(), settings=SETTINGS, adversarial=hard, optimiser=own, schedule=wild, checkpoint=state)
    good = seeded(build, 5)

    def stop(epoch):
        if epoch.number == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(good, *data(), settings=SETTINGS, adversarial=hard, optimiser=own, progress=stop)
    kept = weights_of(state)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in good.state_dict().items())


def test_a_batch_is_attacked_within_a_loop_of_ones_own():
    module = seeded(build, 5).train()
    images, labels = data(12)
    functional.cross_entropy(module(images), labels).backward()
    grads = [one.grad.clone() for one in module.parameters()]
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    drawn = torch.random.get_rng_state()
    attacked = adversarial_batch(module, images, labels, PGD(steps=5), Lp("inf", 0.2), seed=3)
    assert module.training
    assert torch.equal(drawn, torch.random.get_rng_state())
    assert all(torch.equal(one.grad, kept) for one, kept in zip(module.parameters(), grads, strict=True))
    assert all(torch.equal(state[name], tensor) for name, tensor in module.state_dict().items())
    assert (attacked - images).abs().max() <= 0.2 + 1e-6
    assert not attacked.requires_grad
    module.eval()
    worse = functional.cross_entropy(module(attacked), labels) > functional.cross_entropy(module(images), labels)
    assert bool(worse)
    again = adversarial_batch(module, images, labels, PGD(steps=5), Lp("inf", 0.2), seed=3)
    other = adversarial_batch(module, images, labels, PGD(steps=5), Lp("inf", 0.2), seed=4)
    assert torch.equal(attacked, again)
    assert not torch.equal(attacked, other)


def test_every_call_draws_anew_and_torchs_seed_repeats_them():
    module, (images, labels) = seeded(build, 5), data(4)

    def twice():
        torch.manual_seed(7)
        return [adversarial_batch(module, images, labels, PGD(steps=1, step_size=0.01), Lp("inf", 0.2)) for _ in "ab"]

    (first, second), again = twice(), twice()
    assert not torch.equal(first, second)
    assert torch.equal(first, again[0])
    assert torch.equal(second, again[1])


def test_in_a_loop_images_that_are_wrong_already_are_attacked_to_the_end():
    """Of a linear network the worst change within the radius is known: every image's loss rises to it."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    images, labels = data(12)
    middle = 0.3 + 0.4 * images
    weights = module[1].weight.detach()
    slope = (weights[1 - labels] - weights[labels]).reshape(images.shape)
    attacked = adversarial_batch(module, middle, labels, PGD(steps=10), Lp("inf", 0.1))
    assert not bool((module(middle).argmax(1) == labels).all())
    torch.testing.assert_close(attacked, middle + 0.1 * slope.sign())


def test_any_attack_serves_a_loop_of_ones_own():
    images, labels = data(6)
    moved = adversarial_batch(seeded(build, 5), images, labels, DeepFool(), Lp(2))
    assert moved.shape == images.shape
    with pytest.raises(InputError, match="radius"):
        adversarial_batch(seeded(build, 5), images, labels, PGD(), Lp(2))
