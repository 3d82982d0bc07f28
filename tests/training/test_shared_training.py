"""Trainings whose batches several processes share: the weights of one process, and an end that is told of."""

import multiprocessing
import os
import threading
from dataclasses import replace
from itertools import chain

import pytest
import torch
from torch import nn

from brittle import PGD, Lp
from brittle.errors import InputError, RunError
from brittle.plugins.user_file import object_in
from brittle.processes.gathering import _received
from brittle.processes.team import ALONE, Team
from brittle.training import AdversarialTraining, FreeTraining, PlainTraining, fit
from brittle.training.accumulated import AccumulatedTraining
from brittle.training.named import seeded
from brittle.training.shared_step import average

SHORT = PlainTraining(epochs=2, batch=10, rate=0.05, shift=1, flip=True, threads=1)
FREE = FreeTraining(Lp("inf", 0.1), replays=2)
ATTACKED = AdversarialTraining(PGD(steps=2), Lp("inf", 0.1))


pytestmark = pytest.mark.usefixtures("forked")


def network(*more):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), *more, nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))


def data(count=31):
    return torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(1)), torch.arange(count) % 3


def trained(workers, module=None, settings=SHORT, **how):
    module = module or network()
    history = fit(module, *data(), settings=replace(settings, workers=workers), **how)
    return module, history


def same(one, other, tolerance=0.0):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.allclose(a.double(), b.double(), rtol=0, atol=tolerance) for a, b in pairs)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize(
    "adversarial", [None, ATTACKED, FreeTraining(Lp("inf", 0.1), replays=2)], ids=["clean", "pgd", "free"]
)
def test_the_weights_are_those_of_one_process(workers, adversarial):
    """31 images in batches of 10: the last batch is a single image, which the first process has alone."""
    alone, history = trained(1, adversarial=adversarial)
    module, shared = trained(workers, adversarial=adversarial)
    assert not same(module, network(), 1e-3), "it has learnt something"
    assert same(module, alone, 1e-6)
    for one, other in zip(history.epochs, shared.epochs, strict=True):
        assert other.loss == pytest.approx(one.loss, abs=1e-5)
        assert other.accuracy == one.accuracy
        assert other.adversarial_accuracy == one.adversarial_accuracy
        assert other.clean_loss == pytest.approx(one.clean_loss, abs=1e-5)


def test_it_gives_the_same_bits_again_and_goes_on_to_them(tmp_path):
    whole, _ = trained(2, adversarial=ATTACKED)
    assert same(trained(2, adversarial=ATTACKED)[0], whole)

    def stop(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(2, adversarial=ATTACKED, checkpoint=tmp_path / "kept", progress=stop)
    module, history = trained(2, adversarial=ATTACKED, checkpoint=tmp_path / "kept")
    assert history.resumed == 1
    assert same(module, whole)


def test_batch_normalisation_keeps_the_mean_of_the_whole_batch():
    """After one step, of the same weights in both cases; variances of the shares estimate that of the whole."""
    once = replace(SHORT, epochs=1, batch=32, shift=0, flip=False)
    alone, _ = trained(1, network(nn.BatchNorm2d(3)), once)
    shared, _ = trained(2, network(nn.BatchNorm2d(3)), once)
    torch.testing.assert_close(shared[1].running_mean, alone[1].running_mean)
    torch.testing.assert_close(shared[1].running_var, alone[1].running_var, rtol=0.01, atol=0)
    assert shared[1].num_batches_tracked == 1


def test_dropout_draws_apart():
    module, _ = trained(2, network(nn.Dropout(0.5)))
    assert not same(module, trained(1, network(nn.Dropout(0.5)))[0], 1e-4)
    assert same(module, trained(2, network(nn.Dropout(0.5)))[0])


class Elsewhere(nn.Module):
    """A network that does something in the other process only."""

    def __init__(self, what):
        super().__init__()
        self.inner, self.what = network(), what

    def forward(self, images):
        if multiprocessing.parent_process() is not None:
            if self.what == "dies":
                os._exit(9)
            raise KeyError("lost")
        return self.inner(images)


def test_one_that_dies_ends_the_training_in_a_sentence():
    with pytest.raises(RunError, match=r"^one of 2 processes that went in step is gone; .*the same command goes on"):
        trained(2, Elsewhere("dies"))
    assert not torch.distributed.is_initialized()


def test_an_error_of_another_process_comes_as_itself():
    with pytest.raises(Exception, match="lost"):
        trained(2, Elsewhere("fails"))


def test_what_cannot_be_shared_is_refused():
    module = network()
    module.lock = threading.Lock()
    with pytest.raises(InputError, match=r"^what is shared cannot be sent to other processes: .*lock"):
        trained(2, module)
    settings = replace(SHORT, shift=0, flip=False)
    with pytest.raises(InputError, match=r"^accumulated training beside workers=2"):
        trained(2, settings=settings, adversarial=AccumulatedTraining(Lp("inf", 0.1)))
    with pytest.raises(InputError, match="workers is 0; it must be at least 1"):
        PlainTraining(workers=0)
    with pytest.raises(InputError, match=r"workers is 6, and each needs two of the 10 images .*; take 5 workers"):
        PlainTraining(batch=10, workers=6)


def test_what_another_process_cannot_make_is_told_in_a_sentence():
    ours, theirs = multiprocessing.Pipe()
    ours.send_bytes(b"cnowhere\nNetwork\n.")
    with pytest.raises(InputError, match=r"made in another process \(ModuleNotFoundError.*top level of a file"):
        _received(theirs)


def test_a_process_of_another_group_is_refused(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    with pytest.raises(InputError, match=r"belongs to a group of torch.distributed"):
        trained(2)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("count", range(1, 14))
def test_shares_are_whole_and_no_image_is_alone(size, count):
    shares = [Team(rank, size).mine(count) for rank in range(size)]
    rows = [[*range(count)][one] for one in shares]
    assert [*chain.from_iterable(rows)] == [*range(count)]
    assert count == 1 or all(len(one) != 1 for one in rows)
    assert max(map(len, rows)) == len(rows[0])


def test_one_alone_averages_nothing():
    module = network()
    module[0].weight.grad = torch.ones_like(module[0].weight)
    average(module, ALONE, 0.5)
    assert module[0].weight.grad.eq(1).all()
    assert module[0].bias.grad is None


def test_a_network_of_the_users_own_file_is_known_in_a_process_that_begins_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("brittle.processes.child.START", "spawn")
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\n"
        "class Own(nn.Sequential):\n"
        "    pass\n"
        "def make():\n"
        "    return Own(nn.Flatten(), nn.Linear(36, 3))\n"
    )
    make = object_in(f"{path}:make")
    alone, _ = trained(1, seeded(make, 0))
    shared, _ = trained(2, seeded(make, 0))
    assert same(alone, shared, 1e-6)
