"""How a search asks a network, and which networks cannot be asked so."""

import gc
import weakref

import pytest
import torch
from affine import convolutional, middle
from torch import nn

from brittle import Classifier, InputError
from brittle.classifiers import search_mode
from brittle.classifiers.memory_format import to_channels_last
from brittle.classifiers.search_mode import SearchMode, is_hurried

BF16 = SearchMode("bf16")
IMAGES = middle(5).float()


class Watched(nn.Module):
    """A network that notes how it is asked."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 4, 2)
        self.seen = []

    def forward(self, x):
        out = self.layer(x)
        self.seen.append((x.dtype, out.dtype, is_hurried()))
        return out.flatten(1)


def test_it_is_asked_in_bfloat16_and_answers_in_float32():
    module = Watched()
    asked = BF16.asked(Classifier(module))
    x = IMAGES.clone().requires_grad_()
    logits = asked.logits(x)
    assert module.seen[-1] == (torch.float32, torch.bfloat16, True)
    assert logits.dtype == torch.float32
    slope = torch.autograd.grad(logits[:, 0].sum(), x)[0]
    assert slope.dtype == torch.float32
    plain = Classifier(module).logits(x)
    assert module.seen[-1] == (torch.float32, torch.float32, False)
    assert not torch.equal(plain, logits)
    torch.testing.assert_close(plain, logits, atol=0.02, rtol=0.02)
    torch.testing.assert_close(slope, torch.autograd.grad(plain[:, 0].sum(), x)[0], atol=0.02, rtol=0.02)


def test_as_it_is_there_is_nothing_else_to_ask():
    assert SearchMode().asked(Classifier(Watched())) is None
    assert SearchMode().text == ""
    assert SearchMode("bf16", compile=True, channels_last=True).text == "in bf16, compiled, channels last"


def test_it_is_made_once_and_goes_with_the_classifier():
    classifier = Classifier(Watched())
    asked = BF16.asked(classifier)
    assert BF16.asked(classifier) is asked
    gone = weakref.ref(classifier.module)
    del asked, classifier
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (convolutional().module, "float64"),
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).bfloat16(), "bfloat16"),
        (lambda x: x.flatten(1), "is a callable"),
    ],
    ids=["float64", "bfloat16", "callable"],
)
def test_networks_that_cannot_be_asked_in_bfloat16_are_refused(network, said):
    with pytest.raises(InputError, match=said):
        BF16.asked(Classifier(network))


def test_within_autocast_it_is_said_twice():
    with torch.autocast("cpu", dtype=torch.bfloat16), pytest.raises(InputError, match="leave one of them out"):
        BF16.asked(Classifier(Watched()))


def test_values_are_checked():
    with pytest.raises(InputError, match="precision"):
        SearchMode("fp16")  # pyright: ignore[reportArgumentType]  # a user's


def test_the_order_in_memory_is_the_networks_own_choice():
    """The search brings images into it before autocast, by a trial of the network as it is."""
    module = convolutional().module.float()
    seen = []
    module[1].register_forward_pre_hook(lambda _, given: seen.append(given[0].stride(1)))
    asked = BF16.asked(Classifier(module))
    wide = torch.rand(4, 1, 8, 8)
    alone = to_channels_last(module, wide).stride()
    seen.clear()
    asked.logits(wide)
    assert seen == [alone[1]]


class Compiler:
    """A backend of torch that keeps the graph as it is, counts them, and fails where it is told to."""

    def __init__(self, *, fails=False):
        self.fails, self.graphs = fails, 0

    def __call__(self, graph, inputs):
        self.graphs += 1
        if self.fails:
            raise ValueError("no compiler here")
        return graph.forward


@pytest.fixture
def linear(monkeypatch):
    torch.compiler.reset()
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval()
    yield module, lambda **how: monkeypatch.setattr(search_mode, "BACKEND", Compiler(**how)) or search_mode.BACKEND
    torch.compiler.reset()


def test_one_piece_of_code_does_for_every_number_of_images(linear):
    module, use = linear
    compiler = use()
    classifier = Classifier(module)
    asked = SearchMode(compile=True).asked(classifier)
    for count in (5, 4, 3, 2, 1):
        x = IMAGES[:count].clone().requires_grad_()
        logits = asked.logits(x)
        torch.testing.assert_close(logits, classifier.logits(x))
        assert torch.autograd.grad(logits[:, 1].sum(), x)[0].shape == x.shape
    assert compiler.graphs == 1
    assert SearchMode(compile=True).asked(classifier) is asked


def test_what_cannot_be_compiled_is_asked_as_it_is_with_one_warning(linear):
    module, use = linear
    use(fails=True)
    asked = SearchMode(compile=True).asked(Classifier(module))
    with pytest.warns(RuntimeWarning, match=r"\(Sequential\) cannot be compiled and is asked as it is .*no compiler"):
        logits = asked.logits(IMAGES)
    assert torch.equal(logits, Classifier(module).logits(IMAGES))
    assert torch.equal(asked.logits(IMAGES), logits)
