"""Networks of normalised images, with mean and standard deviation put before them."""

import math

import pytest
import torch
from torch import nn

from brittle import Classifier, InputError, ModelError
from brittle.models import Network, digest_of, open_network
from brittle.models.agreement import Arithmetic
from brittle.models.normalised import Normalised, normalised, statistics_of

FACTORY = """
from torch import nn

def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
"""


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "net.py").write_text(FACTORY)
    return f"{tmp_path / 'net.py'}:make"


@pytest.mark.parametrize(
    ("mean", "std"),
    [("0.5,0.25,0", "0.5,0.25,1"), ((0.5, 0.25, 0.0), [0.5, 0.25, 1.0]), ("127.5/255, 0.25, 0", "0.5,1/4,1")],
)
def test_a_network_gets_images_less_the_mean_over_the_deviation(spec, mean, std):
    bare, network = open_network(spec), open_network(spec, mean=mean, std=std)
    images = torch.rand(5, 3, 2, 2)
    scale = torch.tensor([0.5, 0.25, 0.0])[:, None, None], torch.tensor([0.5, 0.25, 1.0])[:, None, None]
    torch.testing.assert_close(network.module(images), bare.module((images - scale[0]) / scale[1]))
    assert network.digest not in (bare.digest, open_network(spec, mean=mean, std=1).digest)
    assert list(network.module.state_dict()) == list(bare.module.state_dict())


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_a_network_of_another_number_format_is_normalised_in_its_own(spec, dtype):
    network = open_network(spec, mean="imagenet", dtype=dtype)
    logits = Classifier(network.module).logits(torch.rand(2, 3, 2, 2))
    assert logits.shape == (2, 3)
    assert network.module(torch.rand(2, 3, 2, 2).to(getattr(torch, dtype))).dtype == getattr(torch, dtype)


def test_names_say_both_and_one_number_is_for_all():
    assert statistics_of("imagenet") == statistics_of(std="imagenet") == statistics_of("imagenet", "imagenet")
    assert statistics_of(0.5, "0.1,0.2,0.3") == Arithmetic((0.5, 0.5, 0.5), (0.1, 0.2, 0.3))
    assert statistics_of() is None


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ("0.5", None, "mean is given without std; give both, or one of imagenet"),
        (None, 0.5, "std is given without mean"),
        ("imagenet", "0.5", "imagenet says both; leave the other one out"),
        ("cifar", None, "mean is given without std; give both, or one of imagenet"),
        ("cifar", "0.5", "mean is 'cifar'; expected numbers such as"),
        ("0.5,0.5", "0.1,0.2,0.3", "mean has 2 numbers and std 3"),
        ("123.675,116.28,103.53", "58.395,57.12,57.375", "give 0.485,0.456,0.406 and 0.229,0.224,0.225"),
        (0.5, 0, "std is 0; expected numbers above 0"),
        (math.nan, 1, "none infinite or NaN"),
        ((), (), "mean is empty"),
    ],
)
def test_what_is_no_mean_or_deviation_is_refused(mean, std, message):
    with pytest.raises(InputError, match=message):
        statistics_of(mean, std)


def test_a_network_with_its_normalisation_inside_gets_no_second_one():
    with pytest.raises(InputError, match="digits-lenet takes images from 0 to 1, with its normalisation inside"):
        open_network("digits-lenet", mean="mnist")


def test_a_mean_of_another_number_of_channels_makes_no_channels():
    with pytest.raises(InputError, match="3 numbers and mine takes images of 1 channels"):
        normalised(Network("mine", nn.Flatten(), "", input_shape=(1, 2, 2)), "imagenet")
    with pytest.raises(ModelError, match="3 numbers and images have 1 channel;"):
        Normalised(nn.Flatten(), statistics_of("imagenet"))(torch.rand(2, 1, 2, 2))


def test_a_converted_network_is_compared_on_what_it_gets():
    seen = []
    module = nn.Flatten()
    bare = Network("mine", module, digest_of(module), compare=lambda *told: seen.append(told))
    network = normalised(bare, 0.5, 0.25)
    network.compare(network.module, torch.ones(1, 1, 1, 1), "ones")
    ((inner, images, what),) = seen
    assert (inner, images.item(), what) == (module, 2.0, "ones")
