"""What runs on a GPU: the verdicts of the CPU, faster ways of asking, verified, and memory that does not suffice.

Without a GPU every test here is skipped. What a GPU cannot change is tested elsewhere, on the CPU.
"""

import pytest
import torch
from affine import affine, distance, middle
from torch import nn

from brittle import DDN, PGD, Classifier, DeepFool, Lp, run
from brittle.evaluation.audit import audit

DEVICE = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
L2, LINF = Lp(2), Lp("inf", 0.1)
IMAGES = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Watched(nn.Module):
    """A convolutional network that notes in what it is asked, and in which order the channels lie."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.ReLU())
            self.last = nn.Linear(8, 5)
        self.seen = []

    def forward(self, x):
        out = self.layers(x)
        if not torch.compiler.is_compiling():
            self.seen.append((out.dtype, x.stride(1) == 1))
        return 10 * self.last(out.mean((2, 3)))


def network(device: str = DEVICE) -> Watched:
    return Watched().eval().to(device)


def judged(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return module(images.to(next(module.parameters()).device)).argmax(1).cpu()


def test_verdicts_and_sizes_are_those_of_the_cpu():
    """Convolutions may round as TF32 does, so that sizes agree to some digits."""
    here, there = (run(DeepFool(), Classifier(network(device)), IMAGES, threat=L2) for device in ("cpu", DEVICE))
    assert there.adversarial.device.type == "cpu"
    assert torch.equal(here.success, there.success)
    torch.testing.assert_close(here.size, there.size, rtol=0.05, atol=1e-3)


@pytest.mark.parametrize("asked", [{}, {"precision": "bf16"}, {"precision": "bf16", "channels_last": True}], ids=str)
def test_the_smallest_change_is_that_of_the_closed_form(asked):
    exact = affine()
    images = middle().float()
    labels = exact.module.float()(images).argmax(1)
    result = run(DeepFool(), Classifier(exact.module.to(DEVICE)), images, labels, threat=L2, **asked)
    nearest = distance(Classifier(exact.module.cpu()), images, labels, 2)
    assert result.success.all()
    assert (result.size >= nearest * (1 - 1e-3)).all()
    assert (result.size <= nearest * 1.05 + 1e-3).all()


WAYS = [
    {"precision": "bf16"},
    {"channels_last": True},
    {"precision": "bf16", "channels_last": True},
    pytest.param({"compile": True}, marks=pytest.mark.slow),
    pytest.param({"precision": "bf16", "compile": True, "channels_last": True}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("asked", WAYS, ids=str)
@pytest.mark.parametrize(("attack", "threat"), [(PGD(steps=10), LINF), (DDN(steps=30), L2)], ids=["pgd", "ddn"])
def test_what_a_hurried_search_keeps_the_network_as_it_is_confirms(asked, attack, threat):
    module = network()
    labels = judged(module, IMAGES)
    usual = run(attack, Classifier(module), IMAGES, labels, threat=threat)
    module.seen.clear()
    result = run(attack, Classifier(module), IMAGES, labels, threat=threat, **asked)
    assert (judged(module, result.adversarial) != labels)[result.success].all()
    torch.testing.assert_close(result.size[result.success], threat.size(IMAGES, result.adversarial)[result.success])
    assert int((usual.success != result.success).sum()) <= 2
    assert int(result.verified.sum()) > 0
    if not asked.get("compile"):
        kind = torch.bfloat16 if "precision" in asked else torch.float32
        assert (kind, asked.get("channels_last", False)) in module.seen
    assert (torch.float32, False) in module.seen, "the network as it is was asked too"


def test_a_batch_that_the_memory_does_not_hold_is_halved():
    class Greedy(nn.Module):
        """A network that takes a sixth of the GPU's memory for each image."""

        def __init__(self):
            super().__init__()
            self.inner, self.sizes = network(), []
            self.each = torch.cuda.get_device_properties(0).total_memory // 6

        def forward(self, x):
            self.sizes.append(len(x))
            held = torch.empty(len(x) * self.each, dtype=torch.uint8, device=x.device)
            return self.inner(x) + held[:1].float() * 0

    module = Greedy()
    result = run(PGD(steps=2), Classifier(module), IMAGES, threat=LINF, batch=12)
    whole = run(PGD(steps=2), Classifier(module.inner), IMAGES, threat=LINF, batch=12)
    assert module.sizes[0] == 12
    assert module.sizes[-1] < 6
    torch.testing.assert_close(result.adversarial, whole.adversarial, atol=1e-3, rtol=0)


def test_random_states_are_as_they_were():
    before = torch.cuda.get_rng_state()
    run(PGD(steps=2), Classifier(network()), IMAGES, threat=LINF, precision="bf16")
    assert torch.equal(before, torch.cuda.get_rng_state())


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="torch sees no second GPU here")
@pytest.mark.parametrize("asked", [{}, {"precision": "bf16"}], ids=str)
def test_the_second_gpu_gives_what_the_first_does(asked):
    first, second = (
        run(PGD(steps=5), Classifier(network(f"cuda:{number}")), IMAGES, threat=LINF, **asked) for number in range(2)
    )
    assert torch.equal(first.success, second.success)
    torch.testing.assert_close(first.adversarial, second.adversarial, atol=1e-3, rtol=0)


def test_an_audit_searches_in_bf16(tmp_path):
    asked = {"attacks": ["fgsm", "noise:draws=1"], "eps": 0.1, "max_images": 20, "device": DEVICE}
    made = audit("digits-lenet", "digits", tmp_path, precision="bf16", **asked)
    assert made.manifest.device.startswith(DEVICE)
    assert made.manifest.precision == "bf16"
