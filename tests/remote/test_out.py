"""What universal, attack and train make at an address: put file by file, gone on with, read again, and reported."""

import json

import fsspec
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import brittle
from brittle.cli import app
from brittle.data import Digits
from brittle.errors import RunError
from brittle.evaluation.universal import universal
from brittle.remote import at

NETWORK = "digits-lenet"


def names(folder):
    return {one.removeprefix(f"{folder}/") for one in fsspec.filesystem("memory").find(folder)}


def killed(*_):
    raise KeyboardInterrupt


def test_a_universal_perturbation_goes_on_from_the_pass_that_lies_there(memory):
    asked = {"attack": "ascent:passes=2", "eps": 0.1, "max_images": 32, "held_out": 16}
    with pytest.raises(KeyboardInterrupt):
        universal(NETWORK, "digits", "memory://bucket/v", watch=killed, **asked)
    assert names("/bucket/v") == {"manifest.json", "checkpoint"}
    passes = []
    made = universal(NETWORK, "digits", "memory://bucket/v", watch=passes.append, **asked)
    assert [one.number for one in passes] == [2]
    assert names("/bucket/v") == {"manifest.json", "perturbation.safetensors", "rows.parquet"}
    assert made.plain()["perturbation"] == "memory://bucket/v/perturbation.safetensors"
    assert made.path.read_bytes() == memory.cat("/bucket/v/perturbation.safetensors")
    again = universal(NETWORK, "digits", "memory://bucket/v", watch=killed, **asked)
    assert again.held_out == made.held_out
    assert "--out memory://bucket/v " in made.perturbation.made["command"], "it is made again in the same place"
    assert brittle.write_report("memory://bucket/v") == "memory://bucket/v/report.html"


def test_a_perturbation_is_read_from_where_it_lies(memory, tmp_path):
    universal(NETWORK, "digits", tmp_path / "v", attack="ascent:passes=1", eps=0.2, max_images=16)
    for name in ("manifest.json", "perturbation.safetensors", "rows.parquet"):
        memory.pipe(f"/bucket/v/{name}", (tmp_path / "v" / name).read_bytes())
    kept, folder, file = tmp_path / "v", "memory://bucket/v", "memory://bucket/v/perturbation.safetensors"
    here = brittle.Perturbation.load(kept)
    for there in (folder, file):
        assert brittle.Perturbation.load(there).id == here.id
    cells = brittle.apply([str(kept), folder, file], [NETWORK], "digits", max_images=16).cells
    assert [one.perturbation for one in cells] == [str(kept), folder, file], "two have the same last name"
    assert len({one.fooled for one in cells}) == 1
    assert brittle.apply([folder], [NETWORK], "digits", max_images=16).cells[0].perturbation == "v"
    network, data = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), (torch.rand(8, 1, 28, 28), torch.arange(8))
    one, other = (brittle.train(network, data, tmp_path / name, pool=[place], epochs=1).path.read_bytes()
                  for name, place in (("a", str(kept)), ("b", folder)))  # fmt: skip
    assert one[-100:] == other[-100:], "the same weights at the end of the file"
    memory.pipe("/bucket/v/perturbation.safetensors", b"nothing")
    with pytest.raises(RunError, match=r"^'?memory://bucket/v/perturbation.safetensors'? is no perturbation"):
        brittle.Perturbation.load(file)
    with pytest.raises(RunError, match=r"^memory://bucket/none does not exist; expected a folder that brittle made"):
        brittle.apply(["memory://bucket/none"], [NETWORK], "digits")


def test_adversarial_images_are_put_with_their_list_and_gone_on_with(memory):
    asked = {"attack": "fgsm", "norm": "linf", "eps": 0.1, "max_images": 20}
    made = brittle.attack(NETWORK, "digits", "memory://bucket/images", **asked)
    there = names("/bucket/images")
    assert there == {one.path.name for one in made if one.path} | {one.original.name for one in made if one.path} | {
        "attack.json",
        "index.json",
        "index.csv",
    }
    stamps = {name: memory.info(f"/bucket/images/{name}")["created"] for name in there if name.endswith(".png")}
    again = brittle.attack(NETWORK, "digits", "memory://bucket/images", **asked)
    assert [one.success for one in again] == [one.success for one in made]
    assert {name: memory.info(f"/bucket/images/{name}")["created"] for name in stamps} == stamps
    brittle.attack(NETWORK, "digits", "memory://bucket/images", force=True, **{**asked, "max_images": 2})
    assert len({name for name in names("/bucket/images") if name.endswith(".png")}) <= 4, "those of before are gone"


def test_several_attacks_have_a_list_at_the_address(memory):
    asked = {"attack": ["fgsm", "noise"], "norm": "linf", "eps": 0.1, "max_images": 2}
    brittle.attack(NETWORK, "digits", "memory://bucket/images", **asked)
    brittle.attack(NETWORK, "digits", "memory://bucket/images", **asked)
    assert {"index.json", "fgsm/attack.json", "noise/attack.json"} <= names("/bucket/images")
    assert brittle.write_report("memory://bucket/images") == "memory://bucket/images/report.html"


def test_a_list_among_files_of_somebody_elses_makes_no_folder_of_ours(memory):
    memory.pipe({"/bucket/site/index.json": b"{}", "/bucket/site/large.tar": b"x"})
    with pytest.raises(RunError, match="holds other files"), at("memory://bucket/site"):
        pass


def test_a_training_goes_on_from_the_epoch_that_lies_there(memory):
    images = next(Digits("train", max_images=32).blocks(32))
    data = (images.images, images.labels)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    with pytest.raises(KeyboardInterrupt):
        brittle.train(network, data, "memory://bucket/t", epochs=2, progress=killed)
    assert names("/bucket/t") == {"manifest.json", "checkpoint"}
    epochs = []
    made = brittle.train(network, data, "memory://bucket/t", epochs=2, progress=epochs.append)
    assert [one.number for one in epochs] == [2]
    assert names("/bucket/t") == {"manifest.json", "weights.safetensors", "training.json"}
    assert made.path.read_bytes() == memory.cat("/bucket/t/weights.safetensors")


@pytest.mark.parametrize(
    "words",
    [
        ["universal", NETWORK, "--data", "digits", "--attack", "ascent:passes=1", "--eps", "0.1", "--max-images", "8"],
        ["attack", NETWORK, "digits", "--attack", "fgsm", "--norm", "linf", "--eps", "0.1", "--max-images", "2"],
    ],
    ids=["universal", "attack"],
)
def test_the_commands_print_addresses_alone(words):
    from frail import Frail

    said = CliRunner().invoke(app, [*words, "--out", "frail://bucket/made", "--json"])
    assert (said.exit_code, said.exception) == (0, None)
    assert json.loads(said.stdout)["report"] == "frail://bucket/made/report.html"
    said = CliRunner().invoke(app, [*words, "--out", "frail://bucket/made"])
    assert "frail://bucket/made/report.html" in said.output.replace("\n", "")
    assert "brittle-remote" not in said.output
    assert Frail().exists("/bucket/made/report.html")
