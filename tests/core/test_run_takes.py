"""`run`: what it takes, and what it leaves as it was."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from affine import affine, middle
from torch import nn

from brittle import (
    FGSM,
    PGD,
    Classifier,
    DeepFool,
    Lp,
    ModelError,
    run,
)

RADIUS = Lp("inf", 0.1)


def network(**heads: nn.Module) -> nn.Sequential:
    """A small float32 network."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3), *heads.values())


class Around(nn.Module):
    """A network within another."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner


class Crammed(nn.Module):
    """A network on a device that holds only so many images at once."""

    def __init__(self, room: int):
        super().__init__()
        self.inner, self.room, self.sizes = network(), room, []

    def forward(self, x):
        self.sizes.append(len(x))
        if len(x) > self.room:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return self.inner(x)


@pytest.mark.parametrize("room", [1, 3, 5])
def test_out_of_memory_halves_the_batch_and_goes_on(room):
    images, seen = middle(11).float(), []
    crammed = Crammed(room)
    result = run(PGD(steps=3), Classifier(crammed), images, threat=RADIUS, batch=8, progress=seen.append)
    whole = run(PGD(steps=3), Classifier(network()), images, threat=RADIUS, batch=8)
    torch.testing.assert_close(result.adversarial, whole.adversarial, atol=1e-6, rtol=0)
    assert torch.equal(result.success, whole.success)
    assert sum(seen) == 11
    assert [size for size in crammed.sizes if size > room] == [size for size in (8, 4, 2) if size > room]
    assert max(seen) <= room


def test_out_of_memory_with_one_image_is_said():
    with pytest.raises(torch.cuda.OutOfMemoryError):
        run(FGSM(), Classifier(Crammed(0)), middle(5).float(), threat=RADIUS)


def test_bytes_and_arrays_are_images_too():
    random = np.random.default_rng(0)
    array = random.integers(0, 256, (6, 1, 3, 4), dtype=np.uint8)
    floats = torch.from_numpy(array).float() / 255
    expected = run(PGD(steps=3), Classifier(network()), floats, threat=RADIUS)
    for images in (array, torch.from_numpy(array), floats.numpy(), floats.double().numpy(), floats.half().float()):
        result = run(PGD(steps=3), Classifier(network()), images, threat=RADIUS)
        torch.testing.assert_close(result.adversarial.float(), expected.adversarial, atol=2e-3, rtol=0)
        assert result.adversarial.is_floating_point()
    wide = run(FGSM(), Classifier(network(), bounds=(-1, 1)), array, threat=RADIUS)
    assert ((wide.adversarial - (2 * floats - 1)).abs() <= 0.1 + 1e-6).all()


def test_flipped_and_read_only_arrays_are_taken():
    array = middle(3).float().numpy()
    expected = run(FGSM(), Classifier(network()), array[..., ::-1].copy(), threat=RADIUS)
    flipped = array[..., ::-1]
    array.setflags(write=False)
    assert torch.equal(run(FGSM(), Classifier(network()), flipped, threat=RADIUS).adversarial, expected.adversarial)
    labels = np.zeros(3, dtype=np.int32)
    labels.setflags(write=False)
    assert len(run(FGSM(), Classifier(network()), array, labels, threat=RADIUS)) == 3


def test_tensors_from_inference_mode_are_taken_and_gradients_come_within_it():
    expected = run(DeepFool(), Classifier(network()), middle(4).float(), threat=Lp(2))
    with torch.inference_mode():
        images = middle(4).float()
        labels = torch.zeros(4, dtype=torch.int64) + network()(images).argmax(1)
        inside = run(DeepFool(), Classifier(network_outside), images, labels, threat=Lp(2))
    assert images.is_inference()
    outside = run(DeepFool(), Classifier(network()), images, labels, threat=Lp(2))
    assert torch.equal(inside.adversarial, expected.adversarial)
    assert torch.equal(outside.adversarial, expected.adversarial)


network_outside = network()


def test_images_that_require_gradients_are_taken():
    images = middle(3).float().requires_grad_()
    assert not run(FGSM(), Classifier(network()), images, threat=RADIUS).adversarial.requires_grad


class Exploding(nn.Module):
    """Works for so many calls, then raises."""

    def __init__(self, calls: int):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(4, 3))
        self.calls = calls

    def forward(self, x):
        self.calls -= 1
        if self.calls < 0:
            raise RuntimeError("enough")
        return self.body(x)


@pytest.mark.parametrize("calls", [0, 1, 3, 999])
def test_everything_is_put_back_also_after_an_exception(calls):
    module = Exploding(calls).train()
    module.body[3].eval()
    module.body[0].weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = torch.get_rng_state()
    try:
        run(PGD(steps=3), Classifier(module), middle(4).float(), threat=RADIUS)
    except ModelError as error:
        assert str(error.__cause__) == "enough"  # noqa: PT017
    assert [child.training for child in module.modules()] == [True, True, True, True, True, False]
    assert not module.body[0].weight.requires_grad
    assert module.body[3].weight.requires_grad
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


class WithLogits(Around):
    def forward(self, x):
        return SimpleNamespace(logits=self.inner(x), hidden=None)


def test_outputs_that_carry_logits_are_taken():
    images = middle(5).float()
    plain = run(DeepFool(), Classifier(network()), images, threat=Lp(2))
    carried = run(DeepFool(), Classifier(WithLogits(network())), images, threat=Lp(2))
    assert torch.equal(plain.adversarial, carried.adversarial)


def exported() -> nn.Module:
    images = torch.rand(4, 1, 3, 4)
    shapes = ({0: torch.export.Dim("n", min=1, max=1024)},)
    return torch.export.export(network().eval(), (images,), dynamic_shapes=shapes).module()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_exported_modules_are_taken_and_what_stands_around_them_is_put_in_eval_mode():
    images, module = middle(5).float(), exported()
    plain = run(DeepFool(), Classifier(network()), images, threat=Lp(2))
    torch.testing.assert_close(run(DeepFool(), Classifier(module), images, threat=Lp(2)).adversarial, plain.adversarial)
    around = nn.Sequential(module, nn.Dropout(0.9))
    around.training = around[1].training = True
    dropped = run(DeepFool(), Classifier(around), images, threat=Lp(2))
    torch.testing.assert_close(dropped.adversarial, plain.adversarial)
    assert around[1].training


class Single(Around):
    """One output per image: the difference of the two."""

    def __init__(self, inner: nn.Module, *, flat: bool):
        super().__init__(inner)
        self.flat = flat

    def forward(self, x):
        both = self.inner(x)
        return both[:, 1] - both[:, 0] if self.flat else both[:, 1:] - both[:, :1]


@pytest.mark.parametrize("flat", [True, False])
def test_a_single_output_is_a_binary_network(flat):
    two, images = affine(classes=2), middle()
    one = Classifier(Single(two.module, flat=flat), binary=True)
    first, second = (run(DeepFool(), classifier, images, threat=Lp(2)) for classifier in (two, one))
    assert torch.equal(first.clean_prediction, second.clean_prediction)
    torch.testing.assert_close(first.adversarial, second.adversarial)
    assert second.success.all()


class Noisy(Around):
    def forward(self, x):
        return self.inner(x + 0.05 * torch.randn_like(x))


def test_a_stochastic_network_is_reproducible_and_leaves_the_global_state_alone():
    images, classifier = middle(6).float(), Classifier(Noisy(network()))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = run(PGD(steps=4), classifier, images, threat=RADIUS, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again = run(PGD(steps=4), classifier, images, threat=RADIUS, seed=3)
    other = run(PGD(steps=4), classifier, images, threat=RADIUS, seed=4)
    assert torch.equal(first.adversarial, again.adversarial)
    assert torch.equal(first.margin, again.margin)
    assert not torch.equal(first.margin, other.margin)


def test_what_is_returned_is_as_exact_as_what_was_judged():
    """A float64 network's points are not rounded to the images' float32, which could undo them."""
    images = middle(30).float()
    classifier = affine()
    result = run(DeepFool(overshoot=1e-9, nudge=1e-10), classifier, images, threat=Lp(2))
    assert result.success.all()
    assert torch.equal(classifier.logits(result.adversarial).argmax(1), result.prediction)
    assert (result.prediction != result.clean_prediction).all()
