"""What one step of an evaluation hands to the next: a spy stands before each, and lets everything through."""

import inspect
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from brittle import PGD, BrittleError, Classifier, Flow, InputError, Lp, RandomNoise
from brittle.base.bounds import Bounds
from brittle.core.goal import Targeted
from brittle.evaluation import attack as attacking
from brittle.evaluation import attack_job, part, prepared, recheck, subject, work
from brittle.evaluation import audit as auditing
from brittle.models import Network
from brittle.specs import DataSpec, ModelSpec

Calls = list[dict[str, object]]


class Dark(nn.Module):
    """Class 0 where an image is dark, 1 where it is light; it remembers the random state of every pass."""

    def __init__(self):
        super().__init__()
        self.seeds: list[int] = []
        self.types: set[torch.dtype] = set()
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seeds.append(torch.initial_seed())
        self.sizes.append(len(images))
        self.types.add(images.dtype)
        light = images.flatten(1).mean(1)
        return 20 * torch.stack([0.5 - light, light - 0.5], 1)


NAMES = ["dark/1.png", "light/3.png", "dark/0.png", "light/4.png", "dark/2.png"]
LABELS = [0, 1, 0, 1, 0]
"""Classes take turns."""


@pytest.fixture
def network() -> Network:
    return Network("dark", Dark(), "0" * 64, (1, 4, 4), ("dark", "light"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five images of two classes, near the boundary; the first is called by the wrong name."""
    folder = tmp_path_factory.mktemp("images")
    for number, level in enumerate((135, 120, 125, 130, 140)):
        path = folder / ("light" if level > 127 and number else "dark") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 4), level, np.uint8)).save(path)
    return str(folder)


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> Callable[[object, str], Calls]:
    """Return what notes every call of a module's function, with its defaults."""

    def spy(module: object, name: str) -> Calls:
        calls: Calls = []
        whole = getattr(module, name)
        bind = inspect.signature(inspect.unwrap(whole)).bind

        def noted(*given: object, **options: object) -> object:
            bound = bind(*given, **options)
            bound.apply_defaults()
            calls.append(dict(bound.arguments))
            return whole(*given, **options)

        monkeypatch.setattr(module, name, noted)
        return calls

    return spy


def some(call: dict[str, object], **expected: object) -> bool:
    """Whether a call had these among its arguments."""
    return {name: call[name] for name in expected} == expected


ASKED = {"norm": "linf", "eps": 0.1, "seed": 7, "batch": 3, "quantization": 16, "eot_samples": 2, "budget": 40}


def test_an_audit_runs_and_judges_as_it_was_asked(network, images, tmp_path, spied):
    runs, rounded = spied(part, "run"), spied(work, "survives_rounding")
    means, rows = spied(part, "mean_logits"), spied(work, "rows_of")
    auditing.audit(network, images, tmp_path / "run", attacks=["noise:draws=2", "random-direction"], **ASKED)
    assert [call["attack"] for call in runs][:1] == [RandomNoise(draws=2)]
    noise, _ = runs
    assert some(noise, threat=Lp("inf", 0.1), seed=7, batch=3, quantization=16, budget=38, eot_samples=2, goal=None)
    assert noise["ids"].tolist() == [0, 1, 2, 3, 4]
    assert noise["labels"].tolist() == LABELS
    assert runs[1]["threat"] == Lp("inf")
    for call in rounded:
        assert some(call, batch=3, eot_samples=2, seed=7)
        assert call["labels"].tolist() == LABELS
    assert means
    assert all(some(call, eot_samples=2, seed=7, batch=3) for call in means)
    assert rows[0]["about"] == {"index": [0, 1, 2, 3, 4], "name": NAMES}
    assert rows[0]["kept"].tolist() == rows[0]["survives"].nonzero()[:, 0].tolist()


@pytest.mark.parametrize(("given", "eot_samples", "batch", "budget"), [({}, 1, 256, None), ({"budget": 9}, 1, 256, 8)])
def test_an_audit_that_was_asked_nothing_finds_its_own_draws_and_batch(
    given, eot_samples, batch, budget, network, images, tmp_path, spied
):
    looked, runs = spied(prepared, "eot_samples_for"), spied(part, "run")
    sizes = spied(prepared, "batch_of")
    auditing.audit(network, images, tmp_path / "run", attacks=["noise:draws=2"], **given)
    assert some(looked[0], budget=given.get("budget"))
    assert sizes == [{"shape": (1, 4, 4)}]
    assert some(
        runs[0],
        eot_samples=eot_samples,
        batch=batch,
        budget=budget,
        seed=0,
        quantization=None,
        threat=Lp("inf", 8 / 255),
    )


@pytest.mark.parametrize("budget", [None, 9])
def test_the_first_looks_are_blank_where_every_query_counts(budget, network, images, tmp_path, spied):
    looks, origins = spied(prepared, "check_model_on_data"), spied(prepared, "provenance")
    reach, radius = spied(prepared, "check_reach"), spied(prepared, "unusual_radius")
    names, digests = spied(prepared, "match_classes"), spied(prepared, "digest_of")
    asked = {"attacks": [PGD(steps=1)], "norm": "l2", "eps": 0.5, "class_order": "numeric", "budget": budget}
    auditing.audit(network, images, tmp_path / "run", **asked)
    assert [call["blank"] for call in looks] == ([True] if budget else [False, True])
    (origin,) = origins
    assert (origin["ask"] is None) == (budget is not None)
    assert origin["chosen"] == [PGD(steps=1), Lp(2, 0.5)]
    assert origin["known"] is digests[0]["known"] is not None
    assert (reach[0]["threat"], reach[0]["shape"], reach[0]["bounds"]) == (Lp(2, 0.5), (1, 4, 4), Bounds())
    assert some(radius[0], radius=0.5, shape=(1, 4, 4), asked=True)
    assert some(names[0], theirs=("dark", "light"), order="numeric")
    auditing.audit(network, images, tmp_path / "usual", attacks=["fgsm"], norm="l2", budget=budget)
    assert some(radius[1], radius=0.5, asked=False)
    assert len(reach) == 1


def test_every_pass_of_an_audit_draws_from_its_seed(network, images, tmp_path, monkeypatch):
    """The first looks, which belong to no seed, draw from 0; all from the first attack on from that of the audit."""
    begun: list[int] = []
    whole = part.run
    monkeypatch.setattr(part, "run", lambda *a, **k: (begun.append(len(network.module.seeds)), whole(*a, **k))[1])
    auditing.audit(network, images, tmp_path / "run", attacks=["noise:draws=2"], eps=0.1, seed=77, eot_samples=1)
    seeds = network.module.seeds
    assert {*seeds[: begun[0]]} == {0}
    assert {*seeds[begun[0] :]} == {77}


def test_every_pass_is_in_the_networks_own_type(network, images, tmp_path):
    network.module.register_parameter("weight", nn.Parameter(torch.zeros(1, dtype=torch.float64)))
    asked = {"attacks": ["fgsm"], "eps": 0.1}
    auditing.audit(network, images, tmp_path / "run", **asked)
    auditing.audit(network, images, tmp_path / "run", **asked)
    attacking.attack(network, images, tmp_path / "out")
    assert network.module.types == {torch.float64}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {
                "attack": "pgd:steps=2",
                "norm": "linf",
                "eps": 0.1,
                "seed": 7,
                "eot_samples": 2,
                "budget": 40,
                "quantization": 52,
            },
            {
                "attack": PGD(steps=2),
                "threat": Lp("inf", 0.1),
                "seed": 7,
                "eot_samples": 2,
                "budget": 38,
                "quantization": 52,
            },
        ),
        (
            {"attack": "deepfool", "eps": 0.5},
            {"threat": Lp(2, 0.5), "seed": 0, "eot_samples": 1, "budget": None, "quantization": 256, "goal": None},
        ),
        ({"attack": "pgd:steps=1"}, {"threat": Lp(2, 0.5), "budget": None}),
        ({"attack": "deepfool", "budget": 9}, {"threat": Lp(2), "eot_samples": 1, "budget": 8}),
        ({"attack": "adef"}, {"threat": Flow(math.inf)}),
    ],
)
def test_an_attack_on_files_runs_as_it_was_asked(options, expected, network, images, tmp_path, spied):
    runs, means = spied(attack_job, "run"), spied(attack_job, "mean_logits")
    saved = attacking.attack(network, images, tmp_path / "out", **options)
    (call,) = runs
    assert some(call, batch=16, **expected)
    assert call["ids"].tolist() == [0, 1, 2, 3, 4]
    assert call["labels"].tolist() == LABELS
    eot_samples, seed = expected.get("eot_samples", 1), options.get("seed", 0)
    assert len(means) == sum(one.path is not None for one in saved)
    assert all(some(look, eot_samples=eot_samples, seed=seed, batch=eot_samples) for look in means)


def test_a_target_takes_the_place_of_the_labels(network, images, tmp_path, spied):
    runs = spied(attack_job, "run")
    attacking.attack(network, images, tmp_path / "out", target=1)
    assert runs[0]["labels"] is None
    assert isinstance(runs[0]["goal"], Targeted)
    assert runs[0]["goal"].labels.tolist() == [1] * 5


def test_the_saved_files_are_judged_with_the_numbers_of_the_seed(network, images, tmp_path, spied):
    means = spied(attack_job, "mean_logits")
    attacking.attack(network, images, tmp_path / "out", seed=77, eot_samples=1)
    judged = len(means)
    assert judged > 0
    assert {*network.module.seeds[-judged:]} == {77}
    assert network.module.sizes[-judged:] == [1] * judged


def test_images_without_labels_are_attacked_by_what_the_network_says(network, images, tmp_path, spied):
    runs = spied(attack_job, "run")
    (saved,) = attacking.attack(network, str(Path(images) / "dark" / "0.png"), tmp_path / "out")
    assert runs[0]["labels"] is None
    assert (saved.label, saved.before, saved.after) == (1, 1, 0)


def test_an_attack_on_files_is_told_how_classes_were_matched(network, images, tmp_path, spied):
    names, origins, draws = (
        spied(attacking, "match_classes"),
        spied(attacking, "provenance"),
        spied(attacking, "eot_samples_for"),
    )
    told: list[str] = []
    options = {"class_order": "numeric", "attack": PGD(steps=1), "norm": "linf", "eps": 0.1}
    attacking.attack(network, images, tmp_path / "out", tell=told.append, **options)
    assert some(names[0], theirs=("dark", "light"), order="numeric")
    assert some(draws[0], budget=None)
    assert origins[0]["chosen"] == [PGD(steps=1), Lp("inf", 0.1)]
    assert origins[0]["ask"] is not None
    attacking.attack(network, images, tmp_path / "few", budget=9)
    assert origins[1]["ask"] is None
    assert some(draws[1], budget=9)


class Opened(BrittleError):
    """Nothing more is to be done."""


@pytest.mark.parametrize(("module", "function"), [(prepared, auditing.audit), (attacking, attacking.attack)])
def test_what_is_read_is_named_before_anything_is_written(module, function, tmp_path, monkeypatch):
    """Model, data and weights: none of them may lie where the result goes."""

    def named(*given: object) -> None:
        raise Opened(*given)

    monkeypatch.setattr(module, "files_named", named)
    with pytest.raises(Opened) as caught:
        function("digits-lenet", "digits", tmp_path / "out", weights=Path("w.safetensors"))
    assert caught.value.args == ("digits-lenet", "digits", Path("w.safetensors"))


def test_a_network_is_opened_as_it_was_asked(monkeypatch):
    given: Calls = []

    def opened(spec: str, **options: object) -> Network:
        given.append({"spec": spec, **options})
        return Network("dark", Dark(), "0" * 64, (1, 4, 4))

    monkeypatch.setattr(subject, "open_network", opened)
    weights = Path("w.safetensors")
    _, plain = subject.opened(ModelSpec("name"))
    _, soft = subject.opened(ModelSpec("name", weights, "float16", probabilities=True), "cpu:0")
    assert given == [
        {"spec": "name", "weights": None, "device": "cpu", "dtype": None},
        {"spec": "name", "weights": weights, "device": "cpu:0", "dtype": "float16"},
    ]
    assert (plain.binary, plain.probabilities, plain.labels) == (False, False, None)
    assert (soft.binary, soft.probabilities, soft.labels) == (False, True, None)
    for spec in ("name", Dark(), Network("dark", Dark(), "0" * 64, (1, 4, 4))):
        assert subject.opened(ModelSpec(spec, binary=True))[1].binary
        assert subject.opened(ModelSpec(spec, labels=2))[1].labels == 2


def test_images_are_opened_as_they_were_asked(monkeypatch, network):
    given: Calls = []

    def opened(spec: str, **options: object) -> None:
        given.append({"spec": spec, **options})
        raise Opened

    monkeypatch.setattr(subject, "open_source", opened)
    monkeypatch.setattr(subject, "from_memory", opened)
    asked = {"max_images": 5, "resize": 40, "crop": 32, "skip_bad": True}
    for spec in ("digits", (1, 2)):
        for options in (asked, {}):
            with pytest.raises(Opened):
                subject.open_subject(ModelSpec(network), DataSpec(spec, **options, class_order="text"))
    named, named_plain, memory, _ = given
    assert (named["class_order"], "class_order" in memory) == ("text", False)
    for one in (named, memory):
        assert (one["max_images"], one["skip_bad"], one["fit"].resize) == (5, True, 40)
        assert one["fit"].crop == 32
    assert (named_plain["max_images"], named_plain["skip_bad"], named_plain["fit"].resize) == (None, False, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"binary": True}, "binary is given beside a classifier"),
        ({"probabilities": True}, "probabilities is given beside a classifier"),
        ({"labels": 3}, "labels is given beside a classifier"),
        ({"dtype": "float64"}, "open already"),
        ({"weights": Path("w")}, "open already"),
    ],
)
def test_what_is_open_already_says_itself_how_it_is_read(options, message):
    with pytest.raises(InputError, match=message):
        subject.opened(ModelSpec(Classifier(Dark()), **options))


def test_a_module_is_called_as_its_class_or_function_is():
    def service(images: Tensor) -> Tensor:
        return images.flatten(1)[:, :2]

    linear = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    named = {what: subject.opened(ModelSpec(what))[0] for what in (Dark(), linear, service)}
    assert [one.spec for one in named.values()] == ["Dark", "Sequential", "service"]
    assert [one.parameters for one in named.values()] == [0, 34, 0]


def test_stored_answers_are_asked_anew_with_the_seed_and_the_draws_of_the_run(network, images, tmp_path, spied):
    means = spied(recheck, "mean_logits")
    asked = {"attacks": ["noise:draws=2", "fgsm"], "eps": 0.1, "seed": 77, "eot_samples": 2, "batch": 2}
    folder = auditing.audit(network, images, tmp_path / "run", **asked)
    folder.part_path("fgsm", 0).unlink()
    auditing.audit(network, images, tmp_path / "run", **asked)
    assert means
    assert all(some(call, eot_samples=2, seed=77, batch=2 * len(call["images"])) for call in means)
    assert max(len(call["images"]) for call in means) == 2
