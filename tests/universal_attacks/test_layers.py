"""Which layers are found, that they give what they should, and that the user's network is left as it was."""

import pytest
import torch
from torch import fx, nn
from torch.nn import functional

from brittle.errors import InputError, ModelError
from brittle.universal_attacks.layers import layers_of

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Plain(nn.Module):
    """Convolution, normalisation and ReLU6, pooling, a convolution without activation, then the classifier."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU6(inplace=True), nn.MaxPool2d(2)
        )
        self.project = nn.Conv2d(4, 4, 1)
        self.last, self.act = nn.Conv2d(4, 5, 3, padding=1), nn.ReLU()
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        x = self.act(self.last(self.project(self.features(x))))
        return self.head(x.mean((2, 3)))


class Residual(nn.Module):
    """A residual sum in place, one ReLU used three times, and functions where modules could be."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.norm, self.relu, self.head = nn.BatchNorm2d(3), nn.ReLU(), nn.Linear(3, 2)

    def forward(self, x):
        out = self.relu(self.one(x))
        out = self.norm(self.two(out))
        out += x
        out = self.relu(out)
        return self.head(functional.leaky_relu(self.three(out), 0.1).mean((2, 3)))


class Fire(nn.Module):
    """Two convolutions side by side, joined before their activation, and a classifier that is a convolution."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.classify = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(4, 3, 1)

    def forward(self, x):
        x = functional.hardtanh(torch.cat([self.left(x), self.right(x)], 1), 0, 6)
        return functional.relu(self.classify(x)).mean((2, 3))


def plain(module, x):
    first = functional.relu6(module.features[1](module.features[0](x)))
    return [first, functional.relu(module.last(module.project(functional.max_pool2d(first, 2))))]


def residual(module, x):
    one = functional.relu(module.one(x))
    two = functional.relu(module.norm(module.two(one)) + x)
    return [one, two, functional.leaky_relu(module.three(two), 0.1)]


def fire(module, x):
    return [torch.cat([module.left(x), module.right(x)], 1).clamp(0, 6)]


NETWORKS = {
    "plain": (Plain, plain, ("features.2", "act")),
    "residual": (Residual, residual, ("relu", "relu#2", ":leaky_relu")),
    "fire": (Fire, fire, (":hardtanh",)),
}


@pytest.fixture(params=NETWORKS)
def case(request):
    build, expected, names = NETWORKS[request.param]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = build().eval()
    for norm in (part for part in module.modules() if isinstance(part, nn.BatchNorm2d)):
        norm.running_mean += 0.1
        norm.running_var *= 2
    return module, expected(module, IMAGES), names


@pytest.fixture(scope="module")
def exported():
    """Every network exported once; the exporter is slow."""
    found = {}
    for name, (build, expected, _) in NETWORKS.items():
        module = build().eval()
        dynamic = ({0: torch.export.Dim("n")},)
        program = torch.export.export(module, (IMAGES,), dynamic_shapes=dynamic)
        found[name] = program.module(), expected(module, IMAGES)
    return found


def test_a_module_gives_the_activations_of_its_convolutions(case):
    module, expected, names = case
    layers = layers_of(module, IMAGES)
    assert layers.names == names
    for given, wanted in zip(layers(IMAGES), expected, strict=True):
        torch.testing.assert_close(given, wanted)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_exported_graph_gives_the_same(exported, name):
    module, expected = exported[name]
    layers = layers_of(module, IMAGES)
    assert len(layers.names) == len(expected)
    for given, wanted in zip(layers(IMAGES), expected, strict=True):
        torch.testing.assert_close(given, wanted)


def convolved(module):
    """Give what each convolution of the plain network gives, before normalisation."""
    first = module.features[0](IMAGES)
    pooled = functional.max_pool2d(functional.relu6(module.features[1](first)), 2)
    projected = module.project(pooled)
    return [first, projected, module.last(projected)]


def test_of_convolutions_all_are_found_before_what_follows_them(exported):
    for module in (exported["plain"][0], Plain().eval()):
        layers = layers_of(module, IMAGES, kind="convolutions")
        assert len(layers.names) == 3
        if not isinstance(module, fx.GraphModule):
            assert layers.names == ("features.0", "project", "last")
            for given, wanted in zip(layers(IMAGES), convolved(module), strict=True):
                torch.testing.assert_close(given, wanted)
    again = Residual().eval()
    assert layers_of(again, IMAGES, kind="convolutions").names == ("one", "two", "three")
    assert len(layers_of(exported["fire"][0], IMAGES, kind="convolutions").names) == 3
    with pytest.raises(ModelError, match="no convolution; name the layers"):
        layers_of(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), IMAGES, kind="convolutions")


def test_names_that_were_found_may_be_given(case):
    module, expected, names = case
    layers = layers_of(module, IMAGES, names[::-1])
    assert layers.names == names[::-1]
    for given, wanted in zip(layers(IMAGES), expected[::-1], strict=True):
        torch.testing.assert_close(given, wanted)


def test_any_submodule_and_any_node_can_be_named(exported):
    module = Plain().eval()
    (given,) = layers_of(module, IMAGES, ("project",))(IMAGES)
    torch.testing.assert_close(given, module.project(module.features(IMAGES)))
    graph, _ = exported["plain"]
    node = next(node.name for node in graph.graph.nodes if "pool" in node.name)
    (pooled,) = layers_of(graph, IMAGES, (node,))(IMAGES)
    assert pooled.shape == (2, 4, 4, 4)


def test_an_exported_part_of_a_module_is_watched_like_any_other(exported):
    graph, expected = exported["plain"]
    layers = layers_of(nn.Sequential(nn.Identity(), graph), IMAGES)
    for given, wanted in zip(layers(IMAGES), expected, strict=True):
        torch.testing.assert_close(given, wanted)


def test_a_wrong_name_is_answered_with_those_there_are(exported):
    with pytest.raises(
        InputError, match=r"no layer 'features\.7' \(did you mean 'features\.3'\?\); it has features\.0, features\.1"
    ):
        layers_of(Plain().eval(), IMAGES, ("features.7", "act"))
    with pytest.raises(InputError, match="no layer 'nothing'; it has conv2d"):
        layers_of(exported["plain"][0], IMAGES, ("nothing",))
    with pytest.raises(InputError, match="not all different"):
        layers_of(Plain().eval(), IMAGES, ("act", "act"))


def test_without_a_convolution_the_user_is_asked_for_names():
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(ModelError, match="name the layers"):
        layers_of(module, IMAGES)
    (given,) = layers_of(module, IMAGES, ("2",))(IMAGES)
    assert given.shape == (2, 4)


def test_gradients_reach_the_images(case, exported):
    module, _, _ = case
    for one in (module, exported["fire"][0]):
        moving = IMAGES.clone().requires_grad_()
        sum(output.square().sum() for output in layers_of(one, IMAGES)(moving)).backward()
        assert moving.grad.abs().sum() > 0


def test_the_users_network_is_left_as_it_was(case, exported):
    module, _, _ = case
    before = module(IMAGES)
    layers_of(module, IMAGES)(IMAGES)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert torch.equal(module(IMAGES), before)
    graph, _ = exported["residual"]
    nodes, before = [node.name for node in graph.graph.nodes], graph(IMAGES)
    layers_of(graph, IMAGES)(IMAGES)
    assert [node.name for node in graph.graph.nodes] == nodes
    assert torch.equal(graph(IMAGES), before)


def test_hooks_are_gone_after_an_error():
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Linear(99, 2))
    with pytest.raises(RuntimeError):
        layers_of(module, IMAGES)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_the_graph_shares_the_weights_and_leaves_the_head_out(exported):
    graph, _ = exported["plain"]
    layers = layers_of(graph, IMAGES)
    assert isinstance(graph, fx.GraphModule)
    weights = {id(weight) for weight in graph.parameters()}
    assert all(id(weight) in weights for weight in layers._module.parameters())
    assert not any("linear" in node.name for node in layers._module.graph.nodes)
