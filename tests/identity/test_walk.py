"""Every place in which a network may keep numbers counts, and what is no weight does not."""

import collections
import functools
import types
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn

from brittle.identity import content
from brittle.identity.walk import Known, reach

WEIGHTS = torch.ones(3)


def by_global():
    return lambda images: images * WEIGHTS


def by_closure(weights):
    return lambda images: images * weights


def by_default(weights):
    return lambda images, held=weights: images * held


def by_method(weights):
    class Holder:
        def __init__(self):
            self.weights = weights

        def answer(self, images):
            return images * self.weights

    return Holder().answer


def by_slots(weights):
    class Holder:
        __slots__ = ("weights",)

        def __call__(self, images):
            return images * self.weights

    holder = Holder()
    holder.weights = weights
    return holder


def by_class(weights):
    class Net(nn.Module):
        shared = weights

    return Net()


def by_dataclass(weights):
    @dataclass
    class Net:
        parts: list = field(default_factory=lambda: [{"weights": (weights,)}])

    return Net()


def by_list(weights):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.held = [nn.Linear(2, 3)]

    net = Net()
    net.held[0].bias.data = weights
    net.held[0].weight.data.zero_()
    return net


def by_attribute(weights):
    net = nn.Module()
    net.scale = weights
    return net


def by_hook(weights):
    net = nn.Identity()
    net.register_forward_hook(lambda module, args, out: out * weights)
    return net


def scripted(weights):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(weights)

        def forward(self, images):
            return images * self.scale

    return torch.jit.freeze(torch.jit.trace(Net().eval(), torch.ones(1, 3)))


def exported(weights):
    class Net(nn.Module):
        def forward(self, images):
            return images * weights

    return torch.export.export(Net(), (torch.ones(2, 3),)).module()


PLACES = {
    "closure": by_closure,
    "default": by_default,
    "bound method": by_method,
    "slots": by_slots,
    "class attribute": by_class,
    "dataclass": by_dataclass,
    "list-held module": by_list,
    "plain attribute": by_attribute,
    "hook": by_hook,
    "frozen": scripted,
    "exported constant": exported,
    "partial": lambda weights: functools.partial(torch.mul, weights),
    "array": lambda weights: by_closure(weights.numpy()),
    "deque": lambda weights: by_closure(collections.deque([weights])),
    "set of arrays": lambda weights: by_closure({weights.numpy().tobytes()}),
    "namespace": lambda weights: by_closure(types.SimpleNamespace(weights=weights)),
    "half": lambda weights: by_closure(weights.half()),
    "sparse": lambda weights: by_closure(weights.to_sparse()),
    "quantised": lambda weights: by_closure(torch.quantize_per_tensor(weights, 0.1, 0, torch.qint8)),
    "wrapped": lambda weights: torch.no_grad()(by_closure(weights)),
}


@pytest.mark.filterwarnings("ignore:.*torch.*deprecated")
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_other_numbers_make_another_digest_wherever_they_are_kept(place):
    first, again, other = (reach(place(torch.tensor(values))) for values in ([1.0, 2, 3], [1.0, 2, 3], [1.0, 2, 4]))
    assert first.digest() == again.digest()
    assert first.digest() != other.digest()
    assert first.unseen == ()


def test_a_global_that_the_code_reads_counts(monkeypatch):
    before = reach(by_global()).digest()
    monkeypatch.setitem(globals(), "WEIGHTS", torch.zeros(3))
    assert reach(by_global()).digest() != before


def test_a_module_of_the_users_counts_by_the_names_that_are_read(monkeypatch):
    own = types.ModuleType("own_layers")
    own.NETWORK, own.OTHER = torch.ones(2), torch.ones(2)
    monkeypatch.setitem(globals(), "own_layers", own)

    def answer(images):
        return images * own_layers.NETWORK  # pyright: ignore[reportUndefinedVariable]

    before = reach(answer)
    assert ":own_layers.NETWORK" in before.digests
    own.OTHER = torch.zeros(2)
    assert reach(answer).digest() == before.digest()
    own.NETWORK = torch.zeros(2)
    assert reach(answer).digest() != before.digest()


def test_settings_of_layers_count():
    assert reach(nn.Dropout(0.1)).digest() != reach(nn.Dropout(0.2)).digest()
    assert reach(nn.Conv2d(1, 1, 3)).digests["()"] != reach(nn.Conv2d(1, 1, 3, padding=1)).digests["()"]


def test_what_changes_from_pass_to_pass_is_no_weight():
    class Remembers(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.seen, self.answers = nn.Linear(2, 2), None, {}

        def forward(self, images):
            self.seen = images
            self.answers[str(len(self.answers))] = images.sum()
            return self.layer(images)

    def looked(net):
        net(torch.ones(1, 2))
        known = Known()
        first = reach(net, known=known)
        net(torch.zeros(1, 2))
        return first.settled(reach(net, known=known))

    torch.manual_seed(0)
    net = Remembers()
    first = looked(net)
    again = looked(net)
    assert first.digest() == again.digest()
    assert any(".seen changes from pass to pass" in line for line in first.unseen)
    with torch.no_grad():
        net.layer.weight += 1
    assert looked(net).digest() != first.digest()


def test_known_digests_are_taken_anew_after_a_write():
    known, weights = Known(), torch.ones(3)
    before = reach(by_closure(weights), known=known).digest()
    weights[0] = 2
    assert reach(by_closure(weights), known=known).digest() != before


def test_code_without_a_file_counts():
    def made(text):
        space = {"__name__": "nowhere"}
        exec(compile(text, "<cell>", "exec"), space)  # as a notebook does
        return reach(space["answer"]).code

    assert made("def answer(x): return x + 1") == made("\n\ndef answer(x): return x + 1")
    assert made("def answer(x): return x + 1") != made("def answer(x): return x - 1")
    assert made("def answer(x): return x + 1") != made("def answer(x): return x + 2")


def test_what_shows_nothing_is_told():
    class Fake:
        def __array__(self, *_):
            raise ValueError("no")

    (line,) = reach(by_closure(Fake())).unseen
    assert "cannot be read (ValueError)" in line


def test_cycles_end_and_long_chains_are_told(monkeypatch):
    ring: list[object] = []
    ring.append(ring)
    assert reach(ring).digests == {}
    monkeypatch.setattr("brittle.identity.walk.MOST_OBJECTS", 10)
    (line,) = reach([[number] for number in range(100)]).unseen
    assert "ended after" in line


def test_every_byte_of_a_network_is_read_once(monkeypatch):
    read = []
    update = content._update
    monkeypatch.setattr(content, "_update", lambda digest, flat: (read.append(flat.nbytes), update(digest, flat)))
    net = nn.Sequential(nn.Linear(300, 300), nn.Linear(300, 300, bias=False))
    net.also = net[0]
    reach(net)
    assert sum(read) == sum(weights.nbytes for weights in net.parameters())


def test_arrays_of_other_kinds_are_read():
    arrays = [np.float32(3), np.arange(4)[::2], np.zeros(0)]
    assert len(reach(arrays).digests) == 3
