"""How an audit's attacks ask the network while they search: kept, told, and part of what a run is."""

import json
from dataclasses import fields

import pytest
import torch
from crew_work import rows

from brittle import DeepFool, InputError, RunError, write_report
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.compare import compare
from brittle.evaluation.merge import _asked_again
from brittle.runs.manifest import Manifest
from brittle.specs import Effort

ASKED = {"attacks": ["noise:draws=2", "fgsm"], "eps": 0.1, "max_images": 20}
pytestmark = pytest.mark.usefixtures("few_checks")


@pytest.fixture(scope="module")
def hurried(tmp_path_factory):
    return audit("digits-lenet", "digits", tmp_path_factory.mktemp("hurried"), precision="bf16", **ASKED)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return audit("digits-lenet", "digits", tmp_path_factory.mktemp("usual"), **ASKED)


def test_attacks_with_gradients_alone_search_so(hurried, usual):
    mine, theirs = rows(hurried), rows(usual)
    assert mine["noise_draws=2"] == theirs["noise_draws=2"]
    forward = [[row["forward"] for row in found["fgsm"]] for found in (mine, theirs)]
    assert all(first >= second for first, second in zip(*forward, strict=True))
    assert sum(forward[0]) > sum(forward[1]), "what fell was verified"


def test_it_is_kept_and_part_of_what_the_run_is(hurried, usual):
    assert hurried.manifest.precision == "bf16"
    assert hurried.manifest.identity != usual.manifest.identity
    kept = json.loads((hurried.path / "manifest.json").read_text())
    assert kept["precision"] == "bf16"
    assert not {"compile", "channels_last"} & {*kept}
    assert "precision" not in json.loads((usual.path / "manifest.json").read_text())
    with pytest.raises(RunError, match="search: in bf16, now as the network is"):
        audit("digits-lenet", "digits", hurried.path, **ASKED)


def test_a_comparison_and_the_page_say_it(hurried, usual):
    assert "search: as the network is, now in bf16" in compare(usual.path, hurried.path).model_dump_json()
    said = "in bf16; every change is verified by the network as it is"
    assert said in write_report(hurried.path).read_text()
    assert said not in write_report(usual.path).read_text()


GIVEN = {
    "budget": 50,
    "eot_samples": 2,
    "batch": 3,
    "seed": 7,
    "device": "cpu",
    "precision": "bf16",
    "compile": True,
    "channels_last": True,
}


def test_every_field_of_the_effort_is_asked_again(usual):
    assert {*GIVEN} == {one.name for one in fields(Effort)}
    plain = {name: one for name, one in usual.manifest.model_dump().items() if name != "identity"}
    kept = Manifest(**(plain | GIVEN))
    assert _asked_again(Manifest.model_validate_json(kept.model_dump_json()))["effort"] == Effort(**GIVEN)


def test_files_of_images_say_it(tmp_path):
    made = attack("digits-lenet", "digits", tmp_path, attack=DeepFool(), max_images=3, precision="bf16")
    assert all(one.success for one in made.attacks[0].images)
    assert '"in bf16"' in (tmp_path / "attack.json").read_text()
    with pytest.raises(RunError, match="search"):
        attack("digits-lenet", "digits", tmp_path, attack=DeepFool(), max_images=3)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"attacks": ["noise", "square:queries=5"]},
            "^precision is given, and none of the attacks differentiates",
        ),
        ({"dtype": "float64"}, "calculates in float64"),
    ],
)
def test_what_cannot_hurry_is_refused_before_anything_is_done(tmp_path, asked, said):
    with pytest.raises(InputError, match=said):
        audit("digits-lenet", "digits", tmp_path / "run", precision="bf16", **(ASKED | asked))
    assert not (tmp_path / "run").exists()


def test_a_processor_without_bfloat16_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    made = audit("digits-lenet", "digits", tmp_path, precision="bf16", attacks=["fgsm"], eps=0.1, max_images=4)
    said = "this processor does not compute in bfloat16 itself; a search in bf16 is slower here than without"
    assert said in made.manifest.data.said
