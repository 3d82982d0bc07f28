"""`train` as the papers fine-tune: on images attacked once, and on a pool of universal perturbations."""

import json
from dataclasses import replace
from html import unescape

import pytest
import torch

import brittle
from brittle import DeepFool, Lp
from brittle.data import open_source
from brittle.errors import InputError
from brittle.evaluation.train import train
from brittle.evaluation.training_run import in_memory
from brittle.models import ARCHITECTURES, open_network
from brittle.report.training_page import write_training
from brittle.training import RECIPES, UniversalPool, fit, perturbed_once
from brittle.training.named import seeded
from brittle.universal_attacks.perturbation import Perturbation

TUNED = {"max_images": 40, "epochs": 1, "settings": "rate=1e-3,batch=20"}
SETTINGS = replace(RECIPES["digits-lenet"], epochs=1, batch=20, rate=1e-3)


@pytest.fixture
def start(tmp_path):
    """The weights that come with the package, in a file of their own."""
    from safetensors.torch import save_file

    save_file(open_network("digits-lenet").module.state_dict(), tmp_path / "start.safetensors")
    return tmp_path / "start.safetensors"


def by_hand(images=None, **options):
    module = seeded(ARCHITECTURES["digits-lenet"].build, 0)
    module.load_state_dict(open_network("digits-lenet").module.state_dict())
    given, labels = in_memory(open_source("digits:train", max_images=40))
    images = given if images is None else images(module, given, labels)
    fit(module, images, labels, settings=SETTINGS, **options)
    return module.state_dict()


def alike(made, expected):
    module = open_network("digits-lenet", weights=made.folder).module
    return all(torch.equal(tensor, expected[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_images_are_attacked_once_for_the_network_as_it_was(start, tmp_path, alpha):
    made = train(
        "digits-lenet",
        "digits:train",
        tmp_path / "out",
        start=start,
        attack="deepfool",
        norm="l2",
        once=True,
        alpha=alpha,
        **TUNED,
    )
    expected = by_hand(
        lambda module, images, labels: perturbed_once(module, images, labels, DeepFool(), Lp(2), alpha=alpha)
    )
    assert alike(made, expected)
    assert made.history.adversarial is None
    told = json.loads((tmp_path / "out" / "training.json").read_text())
    assert told["once"]["alpha"] == alpha
    assert f"attacked once by DeepFool({str(DeepFool())[9:]} within" in unescape(
        write_training(made.folder).read_text()
    )
    assert "--once" in told["command"]
    assert f"--from {start}" in told["command"]
    with pytest.raises(brittle.errors.RunError, match="settings"):
        train("digits-lenet", "digits:train", tmp_path / "out", start=start, **TUNED)


def test_a_pool_of_universal_perturbations_is_added(start, tmp_path):
    torch.manual_seed(0)
    changes = [0.1 * torch.randn(1, 28, 28).sign() for _ in range(3)]
    paths = []
    for number, change in enumerate(changes):
        paths.append(str(tmp_path / f"{number}.safetensors"))
        Perturbation(change, Lp("inf", 0.1)).save(paths[-1])
    made = train(
        "digits-lenet", "digits:train", tmp_path / "out", start=start, pool=paths, probability=0.7, alpha=2.0, **TUNED
    )
    assert alike(made, by_hand(adversarial=UniversalPool(torch.stack(changes), 0.7, 2.0)))
    told = json.loads((tmp_path / "out" / "training.json").read_text())
    assert told["command"].count("--pool") == 3
    assert (
        "with one of 3 universal perturbations added (probability 0.7, times 2)"
        in write_training(made.folder).read_text()
    )


def test_what_goes_with_neither_is_refused(start, tmp_path):
    small = str(tmp_path / "small.safetensors")
    Perturbation(torch.zeros(1, 4, 4), Lp("inf", 0.1)).save(small)
    large = str(tmp_path / "large.safetensors")
    Perturbation(torch.zeros(1, 28, 28), Lp("inf", 0.1)).save(large)
    for options, said in (
        ({"once": True}, "once is given without an attack"),
        ({"once": True, "attack": "pgd", "warmup": 1.0}, "warmup is given beside once"),
        ({"alpha": 2.0}, "neither once nor a pool"),
        ({"alpha": 2.0, "attack": "pgd"}, "neither once nor a pool"),
        ({"pool": [large], "attack": "pgd"}, "a pool is given beside an attack"),
        ({"pool": [small, large]}, "perturbations of 1x28x28 and of 1x4x4"),
        ({"pool": [small]}, "the pool is for images of 1x4x4"),
        ({"pool": [large], "probability": 1.5}, "probability is 1.5"),
    ):
        with pytest.raises(InputError, match=said):
            train("digits-lenet", "digits:train", tmp_path / "out", start=start, **TUNED, **options)
