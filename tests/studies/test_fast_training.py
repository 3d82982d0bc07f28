"""The study of fast training on a few digits: every way is trained, counted, attacked and kept."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from brittle import PGD, Lp
from brittle.metrics import Estimate
from brittle.studies import Setting, run_study
from brittle.studies.bench.drawing import Curves
from brittle.studies.fast import training as fast
from brittle.studies.fast.passes import Passes, passes_of_an_epoch
from brittle.studies.fast.sizes import CIFAR, MNIST, WAYS
from brittle.training import AdversarialTraining, FreeTraining, PlainTraining, fit

FEWER = replace(
    MNIST.sizes["small"],
    images=40,
    held_out=8,
    tested=12,
    settings=PlainTraining(2, 16, "adam", 1e-3),
    free_epochs=1,
    replays=2,
    climb=PGD(steps=2),
    judge=PGD(steps=2),
    warmup=1.0,
)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(fast, "BENCHES", (replace(MNIST, sizes={"small": FEWER}),))
    monkeypatch.setattr(fast, "FEW", PGD(steps=2))
    return replace(fast.FAST_TRAINING, rows=tuple(fast.Row(MNIST.row(way)) for way in WAYS), orders=())


def test_every_way_is_trained_counted_attacked_and_kept(few, few_digits, tmp_path):
    result = run_study(few, tmp_path, data=few_digits)
    assert result.missing == 0
    for way in WAYS:
        row = MNIST.row(way)
        for column in ("clean", "robust"):
            assert result.entry(row, column).measured.n == 12
        assert result.entry(row, "last").measured.n == 8
        assert isinstance(result.entry(row, "seconds").measured, Estimate)
        assert result.entry(row, "collapsed").measured in ("no", "1", "2")
    assert result.entry(MNIST.row("clean"), "kept").measured == "2"
    passes = {way: result.entry(MNIST.row(way), "passes").measured for way in WAYS}
    assert passes["clean"] == "2 forward, 2 backward"
    assert passes["free"] == "2 forward, 2 backward"
    assert passes["accumulated"] == "4 forward, 4 backward"
    assert passes["FGSM"].endswith("4 backward")
    assert passes["PGD"].endswith("6 backward")
    assert [type(figure) for figure in result.figures] == [Curves] * len(WAYS)
    assert not list(tmp_path.rglob("*.checkpoint"))
    assert run_study(few, tmp_path, data=few_digits).computed == 0


def test_a_killed_training_goes_on_after_its_last_epoch(few, few_digits, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def stop(line, fraction=None):
        if "epoch 1" in line:
            raise Killed

    bench = fast.BENCHES[0]

    def trained(folder, **told):
        return fast.Trained(bench, "FGSM", Setting(few_digits, None, "small", "cpu", 0, folder, **told))

    with pytest.raises(Killed):
        trained(tmp_path, tell=stop).measure()
    told = []
    later = trained(tmp_path, tell=lambda line, fraction=None: told.append(line)).measure()
    assert [line for line in told if "epoch 1 " in line] == []
    whole = trained(tmp_path / "whole").measure()
    for column in ("clean", "robust", "last", "passes", "epochs", "kept"):
        assert later.values[column] == whole.values[column]


@pytest.mark.parametrize(
    ("training", "passes"),
    [
        (None, Passes(1, 1)),
        (FreeTraining(Lp("inf", 0.1), replays=3, warmup=2.0), Passes(3, 3)),
        (AdversarialTraining(PGD(steps=1), Lp("inf", 0.1), warmup=2.0), Passes(4, 2)),
        (AdversarialTraining(PGD(steps=5), Lp("inf", 0.1)), Passes(8, 6)),
    ],
)
def test_passes_are_counted_on_a_copy(training, passes):
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    before = [weight.detach().clone() for weight in module.parameters()]
    images, labels = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 2
    assert passes_of_an_epoch(module, images, labels, PlainTraining(), training) == passes
    assert all(torch.equal(*pair) for pair in zip(module.parameters(), before, strict=True))
    assert passes * 2 == Passes(2 * passes.forward, 2 * passes.backward)


def test_what_collapsed_is_told(few, few_digits, tmp_path, monkeypatch):
    def collapsing(*given, **options):
        history = fit(*given, **options)
        return replace(history, epochs=(replace(history.epochs[0], collapsed=True), *history.epochs[1:]))

    monkeypatch.setattr(fast, "fit", collapsing)
    found = fast.Trained(fast.BENCHES[0], "FGSM", Setting(few_digits, None, "small", "cpu", 0, tmp_path)).measure()
    assert found.values["collapsed"] == "1"
    assert "Collapsed at epoch 1" in found.remark


def test_published_figures_stand_beside():
    study = fast.FAST_TRAINING
    assert [study.published(CIFAR.row(way), "robust") for way in WAYS] == [0.0, 46.06, 46.33, None, 45.8]
    assert study.published(CIFAR.row("PGD"), "seconds") == "4966 min"
    assert study.published(CIFAR.row("FGSM"), "clean") is None
    assert study.published(MNIST.row("FGSM"), "robust") is None


def test_one_step_reaches_beyond_the_radius_and_free_training_has_as_many_steps():
    fgsm, free = (MNIST.training(way, "small") for way in ("FGSM", "free"))
    assert isinstance(fgsm, AdversarialTraining)
    assert isinstance(free, FreeTraining)
    assert fgsm.attack == PGD(steps=1, step_size=0.375)
    size = MNIST.sizes["small"]
    assert free.replays * size.free_epochs == 2 * size.settings.epochs
    assert free.warmup / size.free_epochs == fgsm.warmup / size.settings.epochs
