"""No check fails on an ordinary network: eight architectures trained briefly, and networks that come as they are."""

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from brittle.data import open_source
from brittle.evaluation.audit import audit
from brittle.models import Network, open_network
from brittle.models.network import digest_of

SHARED = Path(__file__).parents[3] / "shared"
ATTACKS = ["noise:draws=5", "fgsm", "pgd:steps=10,loss=margin", "deepfool"]


def convolution(given: int, made: int, **options: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(given, made, 3, padding=1, **options), nn.BatchNorm2d(made), nn.ReLU())


class Added(nn.Module):
    """x + f(x)."""

    def __init__(self, *parts: nn.Module):
        super().__init__()
        self.inner = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Gated(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, width: int):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, 4, 1), nn.SiLU(), nn.Conv2d(4, width, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


class Transposed(nn.Module):
    """The channels last within, for normalisation."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Transformer(nn.Module):
    """Patches, two layers of attention, their mean."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 32, 7, 7)
        self.places = nn.Parameter(0.02 * torch.randn(1, 16, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.patches(x).flatten(2).mT + self.places).mean(1))


def headed(*parts: nn.Module, width: int) -> nn.Sequential:
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def efficient_block() -> Added:
    return Added(
        nn.Conv2d(16, 48, 1), nn.BatchNorm2d(48), nn.SiLU(), nn.Conv2d(48, 48, 3, padding=1, groups=48),
        nn.BatchNorm2d(48), nn.SiLU(), Gated(48), nn.Conv2d(48, 16, 1), nn.BatchNorm2d(16),
    )  # fmt: skip


def convnext_block() -> Added:
    norm, wide = Transposed(nn.LayerNorm(24)), nn.Conv2d(24, 24, 7, padding=3, groups=24)
    return Added(wide, norm, nn.Conv2d(24, 48, 1), nn.GELU(), nn.Conv2d(48, 24, 1))


def residual() -> Added:
    return Added(convolution(16, 16), nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16))


ARCHITECTURES = {
    "efficientnet": lambda: headed(convolution(1, 16, stride=2), efficient_block(), efficient_block(), width=16),
    "convnext": lambda: headed(nn.Conv2d(1, 24, 4, 4), convnext_block(), convnext_block(), width=24),
    "resnet": lambda: headed(convolution(1, 16, stride=2), residual(), residual(), width=16),
    "transformer": Transformer,
    "vgg": lambda: headed(
        convolution(1, 16), nn.MaxPool2d(2), convolution(16, 32), nn.MaxPool2d(2), convolution(32, 32), width=32
    ),
    "mobilenet": lambda: headed(
        convolution(1, 16, stride=2), nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ReLU6(), nn.Conv2d(16, 32, 1),
        nn.BatchNorm2d(32), nn.ReLU6(), width=32,
    ),
    "mixer": lambda: nn.Sequential(
        nn.Unflatten(2, (4, 7)), nn.Unflatten(4, (4, 7)), nn.Flatten(), nn.Linear(784, 64), nn.GELU(), nn.LayerNorm(64),
        nn.Linear(64, 10),
    ),
    "perceptron": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.Tanh(), nn.Dropout(), nn.Linear(100, 10)),
}  # fmt: skip
QUICK = ("mobilenet", "transformer")
"""With and without convolutions, the cheapest of each."""


@cache
def digits() -> tuple[Tensor, Tensor]:
    block = next(open_source("digits:train").blocks(1297))
    return block.images, block.labels


def trained(name: str, epochs: int = 4) -> nn.Module:
    """Train for a few seconds, as the user's own loop would."""
    images, labels = digits()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = ARCHITECTURES[name]()
        steps = torch.optim.AdamW(module.parameters(), 3e-3)
        for _ in range(epochs):
            for rows in torch.randperm(len(images)).split(64):
                steps.zero_grad()
                nn.functional.cross_entropy(module(images[rows]), labels[rows]).backward()
                steps.step()
    return module.eval()


def failures(network: Network, data: str, folder: Path, max_images: int, eps: float) -> list[str]:
    health = audit(network, data, folder, attacks=ATTACKS, eps=eps, max_images=max_images).health()
    assert health is not None
    return [f"{one.title}: {one.text}" for one in health.ordered("fail")]


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES]
)
def test_no_check_fails_on_an_architecture_trained_briefly(name: str, tmp_path: Path):
    module = trained(name)
    found = Network(name, module, digest_of(module), (1, 28, 28))
    assert failures(found, "digits", tmp_path / "run", 110, 0.05) == []


def test_no_check_fails_on_a_function_around_a_network(tmp_path: Path):
    (tmp_path / "own.py").write_text(
        "from brittle.models import open_network\n\nnet = open_network('digits-lenet').module\n\n\n"
        "def make():\n    return lambda images: net(images)\n"
    )
    spec = f"{tmp_path / 'own.py'}:make"
    health = audit(spec, "digits", tmp_path / "run", attacks=ATTACKS, max_images=110, eps=0.1).health()
    assert health is not None
    assert health.ordered("fail") == []


AS_THEY_COME = [
    ("models/cifar10_lenet.pt2", "data/cifar10/test.parquet", 100, 2 / 255),
    ("models/cifar10_resnet32.pt2", "data/cifar10/test.parquet", 100, 1 / 255),
    ("models/mobilenet_v1_0.25_128.pt2", "data/imagenet-sample/val.parquet", 100, 1 / 255),
    ("models/squeezenet1_0.pt2", "data/imagenet-sample/val.parquet", 60, 1 / 255),
    ("truth/mnist_cnn_a_adv.pt2", "truth/mnist.npz", 100, 0.3),
    ("truth/cifar_cnn_a_mix.pt2", "truth/cifar.npz", 100, 2 / 255),
    ("truth/cifar_resnet2b.pt2", "truth/cifar.npz", 100, 2 / 255),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "data", "max_images", "eps"), AS_THEY_COME, ids=lambda value: str(value).split("/")[-1]
)
def test_no_check_fails_on_a_network_as_it_comes(model: str, data: str, max_images: int, eps: float, tmp_path: Path):
    if not (SHARED / model).exists():
        pytest.skip(f"needs {model}")
    network = open_network(str(SHARED / model))
    assert failures(network, str(SHARED / data), tmp_path / "run", max_images, eps) == []
