"""Options reach what they are meant for: opened networks and images, what is run, and what is written down of it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from brittle import PGD, BrittleError, Flow, InputError, Lp
from brittle.data import open_source
from brittle.evaluation import attack as attacking
from brittle.evaluation import audit as auditing
from brittle.evaluation import corrupt as corrupting
from brittle.evaluation import prepared
from brittle.evaluation import train as training
from brittle.evaluation import universal as making
from brittle.evaluation.plan import plan, threat_for
from brittle.runs.read import read_manifest
from brittle.threats import BUILT_IN, parse_threat
from brittle.training.recipe import RECIPES, PlainTraining

pytestmark = pytest.mark.usefixtures("few_checks")

SHARED = {
    "weights": Path("w.safetensors"),
    "dtype": "float16",
    "binary": True,
    "probabilities": True,
    "labels": 7,
    "output": "scores",
    "mean": "0.5",
    "std": "0.25",
    "defence": "bit-depth:bits=2",
    "defence_data": "digits:train",
    "naive": True,
    "channel": "blur:sigma=2",
    "device": "cpu:0",
    "max_images": 5,
    "size": "24x40",
    "interpolation": "bicubic",
    "resize": 40,
    "crop": 32,
    "skip_bad": True,
    "class_order": "text",
}
PLAIN = dict.fromkeys(SHARED) | {
    "binary": False,
    "probabilities": False,
    "naive": False,
    "skip_bad": False,
    "class_order": "auto",
}


class Opened(BrittleError):
    """Nothing more is to be done."""


@pytest.mark.parametrize(
    ("module", "function", "lacks"),
    [
        (prepared, auditing.audit, ()),
        (attacking, attacking.attack, ()),
        (making, making.universal, ("labels", "class_order", "channel")),
        (corrupting, corrupting.corrupt, ("channel",)),
    ],
)
def test_what_every_command_shares_is_handed_on(module, function, lacks, tmp_path, monkeypatch):
    def opened(*given: object, **options: object):
        raise Opened(given, options)

    monkeypatch.setattr(module, "open_subject", opened)
    for given in (SHARED, {}):
        with pytest.raises(Opened) as caught:
            function(
                "a network",
                "some images",
                tmp_path / "out",
                **{key: one for key, one in given.items() if key not in lacks},
            )
        ((model, data), options) = caught.value.args
        assert (model.spec, data.spec) == ("a network", "some images")
        options = {**vars(model), **vars(data), **options}
        expected = {key: one for key, one in (given or PLAIN).items() if key not in lacks}
        assert {key: options.get(key) for key in expected} == expected


def test_an_audit_writes_down_what_it_was_asked(tmp_path):
    folder = auditing.audit(
        *("digits-lenet", "digits", tmp_path / "run"),
        attacks=["noise:draws=1", "fgsm:loss=margin", "smallest(noise:draws=1):steps=1"],
        norm="l2",
        eps=1.5,
        max_images=3,
        batch=2,
        seed=11,
        quantization=16,
        command=["brittle", "audit", "it"],
    )
    for manifest in (folder.manifest, read_manifest(tmp_path / "run" / "manifest.json")):
        assert (manifest.seed, manifest.batch, manifest.max_images, manifest.quantization) == (11, 2, 3, 16)
        assert (manifest.block, manifest.device, manifest.eot_samples, manifest.budget) == (64, "cpu", 1, None)
        assert manifest.command == ["brittle", "audit", "it"]
        assert (manifest.threat.norm, manifest.threat.radius) == ("l2", 1.5)
        assert [(one.spec, one.kind, one.radius) for one in manifest.attacks] == [
            ("noise:draws=1", "fixed", 1.5),
            ("fgsm:loss=margin", "fixed", 1.5),
            ("smallest(noise:draws=1):steps=1", "minimum", None),
        ]
        assert manifest.attacks[1].settings == {"loss": "margin"}
        assert (manifest.network.spec, manifest.network.bounds, manifest.network.outputs) == (
            "digits-lenet",
            (0, 1),
            "",
        )
        assert manifest.network.input_shape == (1, 28, 28)
        assert manifest.network.parameters > 1000
        assert (manifest.data.spec, manifest.data.images) == (open_source("digits", max_images=3).spec, 3)
        assert list(manifest.data.classes) == [str(number) for number in range(10)]
        assert set(manifest.versions) >= {"brittle", "torch", "numpy", "pyarrow", "pillow", "python"}
        assert "unknown" not in manifest.versions.values()
        assert manifest.finished
        assert manifest.finished >= manifest.created
        assert manifest.code is not None


def test_the_radii_are_those_most_often_reported(tmp_path):
    usual = {name: parse_threat(name).default_radius for name in BUILT_IN}
    assert usual == {
        "linf": 8 / 255,
        "l2": 0.5,
        "l1": 12,
        "l0": 10,
        "pixels": 1,
        "flow": 3,
        "colour": 0.1,
        "patch": 5,
        "frame": 1,
    }
    for norm, radius in usual.items():
        assert plan(["noise"], norm, radius)[0].threat == parse_threat(norm, radius)
    folder = auditing.audit(
        "digits-lenet", "digits", tmp_path / "run", attacks=["noise:draws=1"], norm="l1", max_images=1
    )
    assert folder.manifest.threat.radius == 12
    assert folder.manifest.attacks[0].radius == 12
    assert (parse_threat("pixels").radius, parse_threat("flow"), parse_threat("l2")) == (
        math.inf,
        Flow(math.inf),
        Lp(2),
    )
    assert [threat_for(attack).name for attack in ("pgd", "one-pixel", "stadv")] == ["l2", "pixels", "flow"]


class Dark(torch.nn.Module):
    """Class 0 where the image is dark, class 1 elsewhere; 2 where it is white."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        light = images.flatten(1).mean(1)
        return 20 * torch.stack([0.5 - light, 0 * light, 3 * (light - 0.9)], 1)


@pytest.fixture
def greys(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, level in enumerate((60, 120, 140)):
        Image.fromarray(np.full((4, 4), level, np.uint8)).save(folder / f"{number} grey!.png")
    return str(folder)


def network():
    from brittle.models import Network

    return Network("dark", Dark(), "0" * 64, (1, 4, 4))


def test_what_is_said_of_attacked_files(greys, tmp_path):
    """Two are near the boundary at 127.5, and fall to 8 levels; one stands; nothing is written for what stands."""
    asked = {"attack": "pgd:steps=5,loss=margin", "norm": "linf"}
    saved = attacking.attack(network(), greys, tmp_path / "out", **asked, eps=13 / 255)
    assert [(one.source, one.before, one.after, one.label, one.success) for one in saved] == [
        ("0 grey!.png", 0, 0, 0, False),
        ("1 grey!.png", 0, 1, 0, True),
        ("2 grey!.png", 1, 0, 1, True),
    ]
    assert [one.path is None for one in saved] == [True, False, False]
    assert not any(one.already or one.lost for one in saved)
    stands, falls, _ = saved
    assert (stands.linf, stands.l2, stands.cost, stands.flow) == (0, 0, None, None)
    assert 0.5 < stands.confidence <= 1
    assert 8 / 255 - 1e-6 < falls.linf <= 13 / 255 + 1e-6
    assert falls.l2 == pytest.approx(falls.linf * 4, rel=0.3)
    pixels = np.asarray(Image.open(falls.path), dtype=int)
    assert float(np.abs(pixels - 120).max() / 255) == pytest.approx(falls.linf)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [
        "0001-0-1.png",
        "0001-0.png",
        "0002-1-0.png",
        "0002-1.png",
    ]
    assert all(not one.success for one in attacking.attack(network(), greys, tmp_path / "less", **asked, eps=3 / 255))
    usual = attacking.attack(network(), greys, tmp_path / "usual", **asked)
    assert [one.success for one in usual] == [False, True, False], "8/255 where nothing is said"


def test_a_search_is_held_to_a_radius_only_where_one_is_given(greys, tmp_path):
    asked = {"attack": "deepfool", "norm": "linf"}
    free = attacking.attack(network(), greys, tmp_path / "free", **asked)
    assert all(one.success for one in free)
    assert free[0].linf > 60 / 255
    held = attacking.attack(network(), greys, tmp_path / "held", **asked, eps=20 / 255)
    assert [one.success for one in held] == [False, True, True]


def test_a_target_and_images_that_are_there_already(greys, tmp_path):
    saved = attacking.attack(network(), greys, tmp_path / "out", attack="deepfool", target=0)
    assert [(one.before, one.after, one.already, one.success) for one in saved] == [
        (0, 0, True, False),
        (0, 0, True, False),
        (1, 0, False, True),
    ]
    assert not any(one.lost for one in saved)
    few = attacking.attack(network(), greys, tmp_path / "few", quantization=2, attack="deepfool", norm="linf", eps=0.3)
    assert [one.lost for one in few] == [True, True, True], "black and white alone are too far"
    for quantization in (0, 1, 3, 5, 255, 257):
        with pytest.raises(InputError, match="expected 256, or fewer levels"):
            attacking.attack(network(), greys, tmp_path / "no", quantization=quantization)


def test_a_training_is_the_one_that_was_asked_for(tmp_path, monkeypatch):
    def fitted(*given: object, **options: object):
        raise Opened(given, options)

    monkeypatch.setattr(training, "fit_and_save", fitted)

    def asked(**options: object) -> tuple[tuple, dict]:
        with pytest.raises(Opened) as caught:
            training.train("digits-lenet", "digits:train", tmp_path / "w", **options)
        return caught.value.args

    def progress(_: object) -> None: ...

    def watch(_: float) -> None: ...

    told = {"progress": progress, "watch": watch, "device": "cpu", "test": "digits"}
    about = {"attack": "pgd:steps=3", "norm": "l2", "eps": 0.75, "fraction": 0.5, "warmup": 2.0, "clean_epochs": 1}
    (design, source, path, command), options = asked(
        settings="batch=7", epochs=3, seed=5, max_images=9, **told, **about
    )
    assert (design.name, len(source), path) == ("digits-lenet", 9, tmp_path / "w")
    assert {key: options[key] for key in told} == told
    settings, adversarial = options["settings"], options["adversarial"]
    assert (settings.batch, settings.epochs, settings.seed) == (7, 3, 5)
    assert (adversarial.attack, adversarial.threat) == (PGD(steps=3), Lp("2", 0.75))
    assert (adversarial.fraction, adversarial.warmup, adversarial.clean_epochs) == (0.5, 2.0, 1)
    for word in (
        "digits-lenet",
        "--data digits:train",
        "--set batch=7",
        "--epochs 3",
        "--seed 5",
        "--max-images 9",
        "--eps 0.75",
    ):
        assert word in " ".join(command)
    for word in ("--attack pgd:steps=3", "--norm l2", "--fraction 0.5", "--warmup 2.0", "--clean-epochs 1"):
        assert word in " ".join(command)
    (_, source, _, command), options = asked()
    assert len(source) > 1000
    assert options["adversarial"] is None
    assert options["settings"] == RECIPES.get("digits-lenet", PlainTraining())
    assert [options[key] for key in told] == [None, None, "cpu", None]
    assert not any(word in command for word in ("--norm", "--eps", "--seed", "--device", "--fraction"))
    _, options = asked(attack="pgd:steps=3")
    assert options["adversarial"].threat == Lp("inf", 8 / 255)
    _, options = asked(attack="deepfool", eps=0.25)
    assert options["adversarial"].threat == Lp("inf", 0.25)
    _, options = asked(recipe="madry-mnist", epochs=2)
    assert (options["adversarial"].attack, options["adversarial"].threat) == (
        PGD(steps=40, step_size=0.01),
        Lp("inf", 0.3),
    )
    assert (options["settings"].batch, options["settings"].epochs) == (50, 2)
    for wrong in (
        {"eps": 0.1},
        {"fraction": 0.5},
        {"attack": "pgd", "recipe": "madry-mnist"},
        {"eps": 1.0, "recipe": "madry-mnist"},
    ):
        with pytest.raises(InputError, match=r"leave out|without an attack"):
            training.train("digits-lenet", "digits:train", tmp_path / "w", **wrong)
