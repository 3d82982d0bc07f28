"""What comes to the user's code and what comes back: types, memory, the way back, buffers, autocast."""

import copy
import math

import pytest
import torch
from affine import convolutional, middle
from torch import Tensor, nn

from brittle import (
    FAB,
    PGD,
    Classifier,
    DeepFool,
    Lp,
    ModelError,
    RandomNoise,
    Result,
    Square,
    SuperDeepFool,
    Surrogate,
    run,
)
from brittle.attacks.jsma import saliency_maps
from brittle.classifiers.door import answer
from brittle.classifiers.frozen import has_written, preserving_state
from brittle.core.randomness import is_randomised

HALVES = [torch.float16, torch.bfloat16]
LINF = Lp("inf", 0.05)


def network(kind: torch.dtype = torch.float32, *, channels: int = 1) -> nn.Sequential:
    module = convolutional(channels=channels).module.to(kind)
    assert isinstance(module, nn.Sequential)
    return module


def attacked(module, attack=None, threat=LINF, **options) -> Result:
    classifier = module if isinstance(module, Classifier) else Classifier(module)
    return run(attack or PGD(steps=5), classifier, middle(20).float(), threat=threat, **options)


class Casts(nn.Module):
    """Brings its input to its weights' type, and its outputs back to float32 where it is asked to."""

    def __init__(self, inner: nn.Module, kind: torch.dtype, *, back: bool):
        super().__init__()
        self.inner, self.kind, self.back = inner, kind, back

    def forward(self, x: Tensor) -> Tensor:
        said = self.inner(x.to(self.kind))
        return said.float() if self.back else said


class Mixed(nn.Module):
    """One part in half precision, the other in float32."""

    def __init__(self, kind: torch.dtype, *, first: bool):
        super().__init__()
        whole = network()
        self.body, self.head = whole[:6], whole[6:]
        (self.body if first else self.head).to(kind)
        self.between = torch.float32 if first else kind

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).to(self.between))


def in_autocast(module: nn.Module, kind: torch.dtype):
    def forward(x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=kind):
            return module(x)

    return forward


SHAPES = {
    "all": network,
    "casts": lambda kind: Casts(network(kind), kind, back=False),
    "casts and back": lambda kind: Casts(network(kind), kind, back=True),
    "half body": lambda kind: Mixed(kind, first=True),
    "half head": lambda kind: Mixed(kind, first=False),
    "callable": lambda kind: network(kind).__call__,
    "callable that casts": lambda kind: Casts(network(kind), kind, back=True).__call__,
    "autocast inside": lambda kind: in_autocast(network(), kind),
}


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_half_precision_is_as_brittle_as_float32(shape, kind):
    expected, found = attacked(network()), attacked(SHAPES[shape](kind))
    assert 4 < int(expected.success.sum()) < 20
    assert abs(int(found.success.sum()) - int(expected.success.sum())) <= 2
    figures = (found.adversarial, found.size, found.linf, found.margin, found.confidence)
    assert {values.dtype for values in figures} == {torch.float32}
    assert (found.linf <= 0.05 + 1e-6).all()


@pytest.mark.parametrize("kind", HALVES, ids=str)
def test_searches_on_a_lattice_by_draws_and_under_autocast(kind):
    for options in ({"quantization": 256}, {"eot_samples": 2}, {"budget": 12}):
        expected, found = attacked(network(), **options), attacked(network(kind), **options)
        assert abs(int(found.success.sum()) - int(expected.success.sum())) <= 2
    expected = attacked(network(), DeepFool(), Lp(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attacked(network(kind), DeepFool(), Lp(2))
        assert torch.is_autocast_enabled("cpu")
    assert found.size.dtype == torch.float32
    assert int(found.success.sum()) >= 18
    both = found.success & expected.success
    torch.testing.assert_close(found.size[both].median(), expected.size[both].median(), rtol=0.1, atol=0)


def test_the_network_stays_in_the_callers_autocast_and_our_arithmetic_does_not():
    seen = []

    class Looks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(torch.is_autocast_enabled("cpu"))
            return x.flatten(1)[:, :3]

    module = Looks()
    with torch.autocast("cpu", dtype=torch.bfloat16), preserving_state(module), preserving_state(module):
        assert not torch.is_autocast_enabled("cpu")
        answer(module, middle(1).float())
    assert seen == [True]


def test_float64_where_all_floating_parameters_are():
    for kind, expected in ((torch.float64, torch.float64), (torch.float32, torch.float32)):
        assert attacked(network(kind)).size.dtype == expected
    mixed = nn.Sequential(nn.Flatten(), Casts(nn.Linear(12, 4).double(), torch.float64, back=True), nn.Linear(4, 3))
    assert attacked(mixed).size.dtype == torch.float32
    hidden = network(torch.float64)
    assert attacked(lambda x: hidden(x)).size.dtype == torch.float32


def test_a_module_that_changes_its_type_is_asked_anew():
    module = network(torch.float16)
    assert attacked(module).success.any()
    assert attacked(module.double()).size.dtype == torch.float64
    assert attacked(module.bfloat16()).success.any()
    assert not [name for name in vars(module) if "brittle" in name]


def test_the_trials_of_types_cost_no_random_numbers():
    """A stochastic network draws before it fails on float32; what it drew then must not count."""

    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network(torch.float16)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x + 0.05 * torch.rand_like(x))

    module = Noisy()
    first, again = attacked(module), attacked(module)
    assert torch.equal(first.adversarial, again.adversarial)


def test_slopes_too_small_for_float16_come_through():
    """The cross-entropy of a sure network has slopes of 1e-9, below the smallest number of float16 (6e-8)."""
    module = network()
    with torch.no_grad():
        module[6].weight *= 2
    images = middle(8).float()
    slopes = []
    for kind in (torch.float32, torch.float16):
        leaf = images.clone().requires_grad_()
        logits = Classifier(copy.deepcopy(module).to(kind)).logits(leaf)
        (slope,) = torch.autograd.grad((logits.softmax(1).amin(1) * 1e-9).sum(), leaf)
        slopes.append(slope.flatten(1))
    assert 0 < float(slopes[0].abs().amax()) < 6e-8
    cosine = nn.functional.cosine_similarity(slopes[0] * 1e9, slopes[1] * 1e9)
    assert (cosine > 0.99).all()


def test_slopes_too_large_for_float16_are_gone_back_once_more():
    class Steep(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(12, 3).half()

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x.flatten(1).half()) * 5000

    module = Steep()
    with torch.no_grad():
        module.layer.weight.mul_(30)
    leaf = (middle(4).float() * 0.1).requires_grad_()
    logits = Classifier(module).logits(leaf)
    (slope,) = torch.autograd.grad((logits[:, 0] * 1e-3).sum(), leaf)
    expected = module.layer.weight[0].float() * 5
    torch.testing.assert_close(slope.flatten(1), expected.expand(4, -1), rtol=2e-3, atol=1e-3)


def test_float8_is_refused_by_its_type():
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).to(torch.float8_e4m3fn)
    with pytest.raises(ModelError, match=r"weights in float8_e4m3fn, .* module\.float\(\)"):
        attacked(module)


def test_the_error_of_the_right_type_is_told():
    module = nn.Sequential(nn.Flatten(), nn.Linear(7, 3)).half()
    with pytest.raises(ModelError, match="shapes cannot be multiplied"):
        attacked(module)


class Writes(nn.Module):
    """The same network, written so that it works in the memory that it is given."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        x *= 2
        x.sub_(0.25).div_(1.5)
        return self.inner(x)


class Reads(Writes):
    def forward(self, x: Tensor) -> Tensor:
        return self.inner((x * 2 - 0.25) / 1.5)


def writes_by_numpy(inner: nn.Module):
    def forward(x: Tensor) -> Tensor:
        array = x.numpy()
        array *= 2
        return inner(x)

    return forward


def test_numpy_may_write_into_what_a_callable_gets():
    images, inner = middle(20).float(), network()
    kept = images.clone()
    for attack in (Square(queries=20), RandomNoise(draws=5)):
        results = [
            run(attack, Classifier(module), images, threat=LINF)
            for module in (writes_by_numpy(inner), lambda x: inner(x * 2))
        ]
        assert torch.equal(results[0].adversarial, results[1].adversarial)
        assert torch.equal(results[0].size, results[1].size)
    assert torch.equal(images, kept)


def test_looks_beside_run_are_out_of_place_too():
    inner = network()
    writes, reads = Classifier(Writes(inner)), Classifier(Reads(inner))
    images = middle(6).float()
    assert not is_randomised(writes, images)
    labels = torch.zeros(6, dtype=torch.int64)
    assert torch.equal(saliency_maps(writes, images, labels), saliency_maps(reads, images, labels))
    for parts in ((lambda x: x.mul_(2), lambda x: x.mul_(3)), (lambda x: x * 2, lambda x: x * 3)):
        leaf = images.clone().requires_grad_()
        said = Surrogate(*parts)(leaf)
        assert torch.equal(said, images * 2)
        assert torch.equal(torch.autograd.grad(said.sum(), leaf)[0], torch.full_like(images, 3.0))


def test_a_network_may_use_its_output_memory_again():
    inner, memory = network(), torch.zeros(20, 4)

    def forward(x: Tensor) -> Tensor:
        with torch.no_grad():
            return memory[: len(x)].copy_(inner(x))

    results = [attacked(module, Square(queries=30)) for module in (forward, lambda x: inner(x).detach())]
    assert torch.equal(results[0].clean_prediction, results[1].clean_prediction)
    assert torch.equal(results[0].adversarial, results[1].adversarial)


@pytest.mark.parametrize("attack", [DeepFool(), FAB(steps=4), SuperDeepFool(steps=3, walk=4)], ids=repr)
def test_a_graph_that_serves_once_gives_the_same_figures(attack):
    """What torch.compile makes frees its graph on the way back, and refuses `retain_graph`."""
    inner = network()
    expected, found = attacked(inner, attack, Lp(2)), attacked(Once(inner), attack, Lp(2))
    assert found.success.all()
    torch.testing.assert_close(found.size, expected.size, rtol=1e-4, atol=1e-5)
    labels = torch.zeros(20, dtype=torch.int64)
    maps = [saliency_maps(Classifier(one), middle(20).float(), labels, on="logits") for one in (inner, Once(inner))]
    torch.testing.assert_close(maps[1], maps[0])


def test_a_graph_that_serves_once_goes_through_halves_too():
    """Slopes are brought into the range of float16 there, by another way back."""
    half = network().half()
    for attack in (DeepFool(), PGD(steps=4, random_start=False)):
        threat = Lp(2) if isinstance(attack, DeepFool) else LINF
        expected, found = attacked(half, attack, threat), attacked(Once(half), attack, threat)
        torch.testing.assert_close(found.size, expected.size, rtol=1e-3, atol=1e-4)
        assert torch.equal(found.success, expected.success)


class Once(nn.Module):
    """As a compiled module: its way back can be gone once."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return _Once.apply(self.inner(x))  # pyright: ignore[reportReturnType]


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, *gradients):
        if torch._C._autograd._get_current_graph_task_keep_graph():
            raise RuntimeError("This backward function was compiled with non-empty donated buffers: retain_graph=False")
        return gradients[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_networks_are_searched():
    inner = network()
    compiled = torch.compile(inner)
    for attack in (DeepFool(), FAB(steps=4), SuperDeepFool(steps=3, walk=4)):
        expected, found = attacked(inner, attack, Lp(2)), attacked(compiled, attack, Lp(2))
        torch.testing.assert_close(found.size, expected.size, rtol=1e-3, atol=1e-4)


class Counts(nn.Module):
    """Changes its buffers in a forward pass: by writing, past autograd's eyes, and by putting another in its place."""

    def __init__(self):
        super().__init__()
        self.inner = network()
        self.register_buffer("written", torch.zeros(3))
        self.register_buffer("behind", torch.zeros(3))
        self.register_buffer("replaced", torch.full((3,), math.nan))
        self.register_buffer("table", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.written.add_(1)
        self.behind.numpy()[:] += 1
        self.replaced = self.replaced + 1
        self.table = torch.zeros(len(self.table) + 1)
        return self.inner(x)


def test_buffers_are_put_back_also_after_an_exception():
    module = Counts()
    before = {name: (buffer, buffer.clone()) for name, buffer in module.named_buffers()}
    attacked(module)
    with pytest.raises(ModelError, match="channels"):
        run(PGD(), Classifier(module), middle(2, (2, 3, 4)).float(), threat=LINF)
    for name in ("written", "behind", "replaced"):
        buffer, values = before[name]
        assert getattr(module, name) is buffer
        torch.testing.assert_close(buffer, values, equal_nan=True)
    assert len(module.table) > 1  # it has grown, and the module may count on that
    assert has_written(module)
    assert not has_written(network())


class Drops(nn.Module):
    """Takes one of its buffers away when it is asked, and puts a number in the place of another."""

    def __init__(self):
        super().__init__()
        self.inner = network()
        self.register_buffer("gone", torch.zeros(3))
        self.register_buffer("number", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self._buffers.pop("gone", None)
        self._buffers.pop("number", None)
        self.__dict__["number"] = 3
        return self.inner(x)


def test_a_buffer_that_the_module_has_taken_away_stays_away():
    module = Drops()
    attacked(module)
    assert not hasattr(module, "gone")
    assert module.number == 3


def test_an_exported_program_in_train_mode_keeps_its_statistics():
    inner = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 2, 3)).train()
    module = torch.export.export(
        inner, (torch.rand(4, 1, 3, 4),), dynamic_shapes=({0: torch.export.Dim.AUTO},)
    ).module()
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    assert len(before) == 3
    attacked(module)
    assert all(torch.equal(before[name], buffer) for name, buffer in module.named_buffers())
