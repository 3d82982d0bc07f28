import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from brittle import PGD, Classifier, Lp, run
from brittle.classifiers import conv_backward as module_under_test
from brittle.classifiers.conv_backward import LEAST, Shortened, conv_backward, fast_conv_backward
from brittle.errors import ModelError

GEOMETRIES = [
    ((3, 1, 12, 12), (7, 1, 5, 5), (1, 1), (0, 0)),
    ((2, 3, 11, 9), (20, 3, 3, 3), (2, 2), (1, 1)),
    ((2, 2, 10, 13), (12, 2, 3, 5), (1, 2), (2, 0)),
    ((2, 3, 14, 15), (18, 3, 7, 7), (3, 2), (3, 4)),
    ((1, 1, 5, 5), (6, 1, 5, 5), (1, 1), (0, 0)),
]


def by_torch(slopes, weight, shape, stride, padding):
    images = torch.zeros(shape, dtype=slopes.dtype, requires_grad=True)
    outputs = torch.conv2d(images, weight, None, stride, padding)
    return torch.autograd.grad(outputs, images, slopes)[0]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_the_way_back_is_that_of_the_convolution(geometry, order):
    shape, kernel, stride, padding = geometry
    weight = torch.randn(kernel, dtype=torch.float64)
    outputs = torch.conv2d(torch.zeros(shape, dtype=torch.float64), weight, None, stride, padding)
    slopes = torch.randn_like(outputs).contiguous(memory_format=order)
    found = conv_backward(slopes, weight, shape, stride, padding)
    assert found.shape == shape
    torch.testing.assert_close(found, by_torch(slopes, weight, shape, stride, padding))


def test_images_are_taken_in_parts_where_the_products_are_many(monkeypatch):
    weight, slopes = torch.randn(6, 1, 3, 3, dtype=torch.float64), torch.randn(5, 6, 4, 4, dtype=torch.float64)
    monkeypatch.setattr(module_under_test, "VALUES", 2 * 9 * 16)
    found = conv_backward(slopes, weight, (5, 1, 6, 6), (1, 1), (0, 0))
    torch.testing.assert_close(found, by_torch(slopes, weight, (5, 1, 6, 6), (1, 1), (0, 0)))


@pytest.fixture
def calls(monkeypatch):
    """How often our own way back was taken."""
    made = []

    def counted(*given):
        made.append(given)
        return conv_backward(*given)

    monkeypatch.setattr(module_under_test, "conv_backward", counted)
    return made


def layer(channels=1, filters=8, **options):
    torch.manual_seed(0)
    return nn.Conv2d(channels, filters, 3, **options).requires_grad_(False)


def slopes_of(network, images):
    images = images.detach().clone().requires_grad_()
    with fast_conv_backward(images):
        outputs = network(images)
    return torch.autograd.grad(outputs.square().sum(), images)[0]


def expected(network, images):
    images = images.detach().clone().requires_grad_()
    return torch.autograd.grad(network(images).square().sum(), images)[0]


def test_a_network_of_one_channel_goes_back_our_way_to_the_same_gradient(calls):
    network, images = nn.Sequential(layer(), nn.ReLU(), nn.MaxPool2d(2)), torch.rand(16, 1, 28, 28)
    torch.testing.assert_close(slopes_of(network, images), expected(network, images))
    assert len(calls) == 1


def test_exported_graphs_go_back_our_way(calls):
    images = torch.rand(16, 1, 28, 28)
    exported = torch.export.export(nn.Sequential(layer(), nn.ReLU()), (images,)).module()
    torch.testing.assert_close(slopes_of(exported, images), expected(exported, images))
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("network", "images"),
    [
        (layer(), torch.rand(1, 1, 28, 28)),  # few images
        (layer(3, 6), torch.rand(8, 3, 28, 28)),  # few filters
        (layer(8, 64), torch.rand(8, 8, 28, 28)),  # many channels
        (layer(dilation=2), torch.rand(16, 1, 28, 28)),
        (layer(padding="same"), torch.rand(16, 1, 28, 28)),
        (layer(2, 16, groups=2), torch.rand(16, 2, 28, 28)),
        (layer().double(), torch.rand(16, 1, 28, 28, dtype=torch.float64)),
        (layer().requires_grad_(), torch.rand(16, 1, 28, 28)),
    ],
    ids=["few images", "few filters", "channels", "dilation", "same", "groups", "float64", "trained"],
)
def test_everything_else_goes_back_as_ever(calls, network, images):
    torch.testing.assert_close(slopes_of(network, images), expected(network, images))
    assert not calls


def test_without_a_gradient_wanted_nothing_is_changed(calls):
    images = torch.rand(16, 1, 28, 28)
    with fast_conv_backward(images):
        assert not layer()(images).requires_grad
    assert not calls


def test_the_way_back_can_be_differentiated_again():
    network, images = nn.Sequential(layer(padding=1), nn.Tanh()), torch.rand(LEAST // 64, 1, 8, 8)
    moved = images.clone().requires_grad_()

    def curvature(context):
        with context:
            outputs = network(moved)
        (first,) = torch.autograd.grad(outputs.square().sum(), moved, create_graph=True)
        return torch.autograd.grad(first.square().sum(), moved)[0]

    torch.testing.assert_close(
        curvature(fast_conv_backward(moved)), curvature(fast_conv_backward(images)), rtol=1e-4, atol=1e-5
    )


def test_transforms_of_functions_within_a_network_still_work():
    convolution = layer()

    class Mapped(nn.Module):
        def forward(self, images):
            return torch.func.vmap(lambda image: convolution(image[None])[0])(images)

    images = torch.rand(16, 1, 28, 28)
    torch.testing.assert_close(slopes_of(Mapped(), images), expected(Mapped(), images))


def test_checkpoints_within_a_network_still_work():
    body = nn.Sequential(layer(), nn.ReLU())

    def recomputed(images):
        return checkpoint(body, images, use_reentrant=False)

    images = torch.rand(16, 1, 28, 28)
    torch.testing.assert_close(slopes_of(recomputed, images), expected(body, images))


class Mute(torch.autograd.Function):
    """Passes no gradient on, as operators without a way back do."""

    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, slopes):
        return None


@pytest.mark.parametrize("count", [1, 16])
def test_a_layer_that_passes_no_gradient_on_is_told(count):
    class Muted(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = layer()

        def forward(self, images):
            return Mute.apply(self.convolution(images)).flatten(1)[:, :4]

    network, images = Muted(), torch.rand(count, 1, 28, 28)
    with pytest.raises(ModelError, match="passes no gradient on"):
        run(PGD(steps=2), Classifier(network), images, network(images).argmax(1), threat=Lp("inf", 0.1))


def test_compiled_networks_still_work():
    network, images = nn.Sequential(layer(), nn.ReLU()), torch.rand(16, 1, 28, 28)
    torch.testing.assert_close(slopes_of(torch.compile(network, backend="eager"), images), expected(network, images))


def test_a_classifier_goes_back_our_way(calls):
    network = nn.Sequential(layer(), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 26 * 26, 3)).requires_grad_(False).eval()
    images = torch.rand(16, 1, 28, 28, requires_grad=True)
    found = torch.autograd.grad(Classifier(network).logits(images).square().sum(), images)[0]
    torch.testing.assert_close(found, expected(network, images))
    assert len(calls) == 1


@pytest.mark.parametrize(("network", "watched"), [(nn.Flatten(), 1), (layer(padding=1), 5)], ids=["none", "one"])
def test_a_network_without_convolutions_is_watched_in_its_first_pass_alone(monkeypatch, network, watched):
    """To watch costs time in every layer."""
    made = []
    monkeypatch.setattr(Shortened, "__enter__", lambda self: made.append(self) or TorchFunctionMode.__enter__(self))
    module = nn.Sequential(network, nn.Flatten(), nn.LazyLinear(3))
    module(images := torch.rand(LEAST // 64, 1, 8, 8))
    run(PGD(steps=5, random_start=False), Classifier(module), images, threat=Lp("inf", 1e-9))
    assert len(made) == watched
