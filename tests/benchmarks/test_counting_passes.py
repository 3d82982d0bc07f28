import pytest
import torch
from torch import nn

from benchmarks.counting import Backward, Counted, Forward, replay


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


@pytest.fixture
def images():
    return torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(1))


def test_counts_rows_of_calls_also_of_forward_itself(network, images):
    counted = Counted(network)
    with torch.no_grad():
        counted(images)
        counted.forward(images[:2])
    assert counted.log.passes == [Forward(5, False), Forward(2, False)]
    assert (counted.log.forward, counted.log.backward) == (7, 0)


@pytest.mark.parametrize("way", ["grad", "backward"])
def test_counts_every_way_back_through_a_kept_graph(network, images, way):
    counted, leaf = Counted(network), images.clone().requires_grad_()
    outputs = counted(leaf)
    for column in range(3):
        if way == "grad":
            torch.autograd.grad(outputs[:, column].sum(), leaf, retain_graph=True)
        else:
            outputs[:, column].sum().backward(retain_graph=True)
    assert counted.log.passes == [Forward(5, True), *[Backward(5, 0)] * 3]


def test_a_way_back_for_some_images_goes_through_all_of_them(network, images):
    counted, leaf = Counted(network), images.clone().requires_grad_()
    torch.autograd.grad(counted(leaf)[:2, 0].sum(), leaf)
    assert counted.log.backward == 5


def test_parameters_alone_are_no_graph_of_the_images(network, images):
    counted = Counted(network)
    counted(images)
    assert counted.log.passes == [Forward(5, False)]


def test_changes_no_output_and_no_mode(network, images):
    counted = Counted(network.eval())
    assert not counted.training
    assert torch.equal(counted(images), network(images))


def test_agrees_with_what_brittle_says_of_itself(network, images):
    import brittle

    counted = Counted(network)
    labels = network(images).argmax(1)
    result = brittle.run(brittle.DeepFool(), brittle.Classifier(counted), images, labels, threat=brittle.Lp(2))
    assert counted.log.forward == int(result.forward.sum())
    assert counted.log.backward >= int(result.backward.sum())  # those that have finished ride along, not charged


def test_replay_makes_the_same_passes_in_the_same_order(network, images):
    passes = [
        Forward(5, True),
        Forward(2, False),
        Backward(5, 0),
        Forward(7, True),
        Backward(5, 0),
        Backward(7, 3),
        Forward(1, True),
    ]
    again = Counted(network)
    replay(passes, again, images)
    assert again.log.passes == passes


def test_replay_computes_no_gradient_of_a_parameter(network, images):
    replay([Forward(5, True), Backward(5, 0)], network, images)
    assert all(parameter.grad is None for parameter in network.parameters())
