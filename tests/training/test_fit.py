import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from forked import ending, kill
from torch import nn

from brittle.errors import BoundsError, InputError, LabelError, ModelError, RunError
from brittle.training import RECIPES, PlainTraining, accuracy, fit, train_named
from brittle.training.named import seeded

SETTINGS = PlainTraining(epochs=4, batch=16, rate=0.1, shift=1, flip=True, threads=1)


def data(count=100, seed=0):
    """Images whose brighter half, top or bottom, is the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=generator)
    images = torch.rand(count, 1, 6, 6, generator=generator) / 2
    for image, label in zip(images, labels, strict=True):
        image[:, 3 * label : 3 * label + 3] += 0.5
    return images, labels


def build():
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3)), *(nn.Flatten(), nn.Linear(64, 2))
    )


def trained(settings=SETTINGS, checkpoint=None, **options):
    module = seeded(build, 5)
    history = fit(module, *data(), settings=settings, checkpoint=checkpoint, **options)
    return module, history


def same(first, second):
    return all(torch.equal(first.state_dict()[name], tensor) for name, tensor in second.state_dict().items())


def test_it_learns_and_leaves_eval_mode():
    module, history = trained()
    assert accuracy(module, *data(200, seed=1)) > 0.95
    assert [epoch.number for epoch in history.epochs] == [1, 2, 3, 4]
    assert history.epochs[-1].loss < history.epochs[0].loss
    assert not any(part.training for part in module.modules())
    assert all(weight.grad is None for weight in module.parameters())


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_the_same_call_gives_the_same_bits(optimiser):
    settings = replace(SETTINGS, optimiser=optimiser, rate=0.01)
    (first, history), (second, again) = trained(settings), trained(settings)
    assert same(first, second)
    assert history == again


def test_the_seed_matters():
    assert not same(trained()[0], trained(replace(SETTINGS, seed=1))[0])


def test_the_global_random_state_is_neither_used_nor_changed():
    torch.manual_seed(1)
    first, _ = trained()
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.rand(7)
    second, _ = trained()
    assert same(first, second)
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("stop", [1, 3])
def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path, optimiser, stop):
    settings = replace(SETTINGS, optimiser=optimiser, rate=0.01)

    def interrupt(epoch):
        if epoch.number == stop:
            raise Interrupted

    with pytest.raises(Interrupted):
        trained(settings, tmp_path / "state", progress=interrupt)
    resumed, history = trained(settings, tmp_path / "state")
    whole, expected = trained(settings)
    assert history.resumed == stop
    assert history == expected
    assert same(resumed, whole)


def test_an_interruption_within_an_epoch_goes_back_to_its_beginning(tmp_path):
    calls = []

    class Stops(nn.Module):
        def forward(self, images):
            calls.append(1)
            if len(calls) == 12:  # one look at the logits, seven steps of epoch 1, its answers, three of epoch 2
                raise Interrupted
            return images

    module = seeded(build, 5)
    module.append(Stops())
    with pytest.raises(Interrupted):
        fit(module, *data(), settings=SETTINGS, checkpoint=tmp_path / "state")
    assert not module.training
    resumed = seeded(build, 5)
    resumed.append(Stops())
    history = fit(resumed, *data(), settings=SETTINGS, checkpoint=tmp_path / "state")
    assert history.resumed == 1
    assert same(resumed, trained()[0])


def test_a_finished_training_is_not_repeated(tmp_path):
    module, _ = trained(checkpoint=tmp_path / "state")
    again, history = trained(checkpoint=tmp_path / "state", progress=lambda epoch: pytest.fail("an epoch was repeated"))
    assert history.resumed == 4
    assert same(module, again)


def train_and_kill(trained, state):
    """Train in a process of its own, and kill that after its first epoch."""
    assert ending(lambda: trained(checkpoint=state, progress=kill)) == -signal.SIGKILL


def goes_on(trained, state, done):
    """Ask that a training goes on from its checkpoint after so many epochs to the bits of a whole one; return that."""
    resumed, history = trained(checkpoint=state)
    whole, expected = trained()
    assert history.resumed == done
    assert history == expected
    assert same(resumed, whole)
    return whole


def interrupt_and_go_on(trained, state):
    """Interrupt a training after its second epoch, and begin it again."""

    def interrupt(epoch):
        if epoch.number == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        trained(checkpoint=state, progress=interrupt)
    return goes_on(trained, state, 2)


def kill_and_go_on(trained, state):
    """Kill a training after its first epoch, and begin it again."""
    train_and_kill(trained, state)
    return goes_on(trained, state, 1)


def test_a_training_killed_with_kill_9_goes_on_to_the_same_bits(tmp_path):
    train_and_kill(trained, tmp_path / "state")
    resumed, history = trained(checkpoint=tmp_path / "state")
    assert history.resumed == 1
    assert same(resumed, trained()[0])


@pytest.mark.parametrize("change", [{"rate": 0.2}, {"epochs": 5}, {"seed": 9}])
def test_a_checkpoint_of_other_settings_is_refused(tmp_path, change):
    trained(checkpoint=tmp_path / "state")
    with pytest.raises(RunError, match="another training"):
        trained(replace(SETTINGS, **change), tmp_path / "state")


def test_a_checkpoint_of_other_data_or_another_network_is_refused(tmp_path):
    trained(checkpoint=tmp_path / "state")
    with pytest.raises(RunError, match="another training"):
        fit(seeded(build, 5), *data(seed=3), settings=SETTINGS, checkpoint=tmp_path / "state")
    other = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    with pytest.raises(RunError, match="another training"):
        fit(other, *data(), settings=SETTINGS, checkpoint=tmp_path / "state")


def test_images_in_another_order_of_memory_are_the_same_data(tmp_path):
    images, labels = data()
    fit(seeded(build, 5), images, labels, settings=SETTINGS, checkpoint=tmp_path / "state")
    turned = images.to(memory_format=torch.channels_last)
    assert fit(seeded(build, 5), turned, labels, settings=SETTINGS, checkpoint=tmp_path / "state").resumed == 4


def test_every_step_is_told():
    seen = []
    trained(replace(SETTINGS, epochs=2, batch=40), watch=seen.append)
    assert seen == pytest.approx([1 / 3, 2 / 3, 1] * 2)


def test_frozen_weights_stay():
    module = seeded(build, 5)
    module[0].weight.requires_grad_(False)
    before = module[0].weight.clone()
    fit(module, *data(), settings=SETTINGS)
    assert torch.equal(before, module[0].weight)
    assert not module[0].weight.requires_grad


def test_it_works_inside_no_grad_and_on_outputs_with_logits():
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = seeded(build, 5)

        def forward(self, images):
            return SimpleNamespace(logits=self.inner(images))

    wrapped = Wrapped()
    with torch.no_grad():
        fit(wrapped, *data(), settings=SETTINGS)
    assert same(wrapped.inner, trained()[0])


IMAGES, LABELS = data(8)


@pytest.mark.parametrize(
    ("images", "labels", "error", "message"),
    [
        (IMAGES[:0], LABELS[:0], InputError, "no images"),
        (IMAGES[0], LABELS, InputError, "n x c x h x w"),
        ((IMAGES * 255).byte(), LABELS, InputError, "torch.uint8"),
        (IMAGES * 255, LABELS, BoundsError, r"give \[0, 1\]"),
        (IMAGES * float("nan"), LABELS, BoundsError, "nan"),
        (IMAGES, LABELS[:3], LabelError, r"\(3,\)"),
        (IMAGES, LABELS.float(), LabelError, "torch.float32"),
        (IMAGES, LABELS + 1, LabelError, "2 classes"),
        (IMAGES, LABELS - 1, LabelError, "reach from -1"),
    ],
)
def test_bad_data_are_refused(images, labels, error, message):
    with pytest.raises(error, match=message):
        fit(build(), images, labels, settings=SETTINGS)


@pytest.mark.parametrize(
    ("module", "message"), [(nn.Flatten(), "nothing to train"), (nn.Conv2d(1, 2, 3), "must return logits")]
)
def test_bad_networks_are_refused(module, message):
    with pytest.raises(ModelError, match=message):
        fit(module, IMAGES, LABELS.clamp(max=1), settings=SETTINGS)


def test_a_training_that_runs_away_is_told_and_not_kept(tmp_path):
    with pytest.raises(ModelError, match="try a rate below 1e"):
        trained(replace(SETTINGS, rate=1e30), tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_accuracy_restores_every_mode_and_needs_images():
    module = build().train()
    module[1].eval()
    accuracy(module, *data())
    assert (module.training, module[1].training, module[3].training) == (True, False, True)
    with pytest.raises(InputError, match="no images"):
        accuracy(module, IMAGES[:0], LABELS[:0])


def test_accuracy_counts():
    images = torch.eye(4).reshape(4, 1, 1, 4)
    assert accuracy(nn.Flatten(), images, torch.tensor([0, 1, 2, 0]), batch=3) == 0.75


def design(name="digits-lenet"):
    return SimpleNamespace(name=name, input_shape=(1, 6, 6), build=build)


def test_a_named_architecture_starts_from_the_seed():
    settings = replace(SETTINGS, seed=5)
    module, _ = train_named(design(), *data(), settings=settings)
    expected = seeded(build, 5)
    fit(expected, *data(), settings=settings)
    assert same(module, expected)


def test_a_named_architecture_has_its_own_recipe(monkeypatch):
    monkeypatch.setitem(RECIPES, "mine", replace(SETTINGS, epochs=1, rate=0.03))
    assert train_named(design("mine"), *data())[1].settings.rate == 0.03


def test_images_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"digits-lenet takes images of 1x6x6 .* but these are 1x5x5"):
        train_named(design(), torch.rand(4, 1, 5, 5), torch.zeros(4, dtype=torch.int64))
