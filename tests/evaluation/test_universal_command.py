"""The command's function: files, figures, refusals."""

import json
import math
import shlex
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from typer.testing import CliRunner

import brittle
from brittle import DataError, InputError, UnsupportedThreat
from brittle.cli import app
from brittle.data import open_source
from brittle.evaluation.spec import parse_universal
from brittle.evaluation.universal import universal, usual_radius
from brittle.models import open_network
from brittle.report.universal_page import write_universal
from brittle.runs.results import UniversalFolder
from brittle.universal_attacks.perturbation import Perturbation

LOOKED: list[float] = []
"""Fractions that the last look has told."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("universal") / "v"
    spec = {"attack": "ascent:passes=3", "eps": 0.3, "max_images": 120, "held_out": 40, "batch": 50}
    return universal("digits-lenet", "digits", out, **spec, looking=LOOKED.append)


def test_the_last_look_tells_how_far_it_is(made):
    assert pytest.approx([50 / 120, 80 / 120, 1.0]) == LOOKED


def test_both_figures_are_those_of_a_fresh_look(made):
    module = open_network("digits-lenet").module
    change = Perturbation.load(made.path)
    rows = pq.read_table(made.rows).to_pylist()
    images = torch.cat([block.images for block in open_source("digits", max_images=120).blocks(50)])
    with torch.no_grad():
        clean = module(images).argmax(1)
        moved = module((images + change.tensor).clamp(0, 1)).argmax(1)
    assert change.size <= 0.3 + 1e-6
    for kind, estimate, count in (("seen", made.training, 80), ("unseen", made.held_out, 40)):
        places = torch.tensor([row["index"] for row in rows if row["kind"] == kind])
        assert estimate.n == count == len(places)
        assert estimate.value == pytest.approx(float((clean[places] != moved[places]).double().mean()))
        assert [row["class_perturbed"] for row in rows if row["kind"] == kind] == moved[places].tolist()
    assert sorted(row["index"] for row in rows) == list(range(120))
    assert made.held_out.value > 0.5 > made.noise.value
    assert change.made["fooling"]["unseen"]["value"] == made.held_out.value


def test_the_file_says_how_it_was_made(made):
    told = made.perturbation.made
    assert told["attack"] == "ascent:passes=3"
    assert told["images"] == 80
    assert told["network_digest"] == open_network("digits-lenet").digest
    json.dumps(made.plain(), allow_nan=False)


def test_the_page_shows_it(made, tmp_path):
    page = write_universal(made.path, tmp_path / "page.html").read_text()
    assert "held-out images get another class" in page
    assert "data:image/png" in page
    assert f"n = {made.held_out.n}" in page
    assert page.count("95 % interval</th>") == 2, "noise has its own"


def test_names_of_files_and_classes_cannot_become_html(made, tmp_path):
    path = Path(shutil.copytree(made.folder, tmp_path / "v"))
    table = pq.read_table(path / made.rows.name)
    evil = "<script>alert(1)</script>"
    place = table.schema.get_field_index("name")
    table = table.set_column(place, "name", [[evil] * len(table)])
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"classes": json.dumps([evil] * 10)})
    pq.write_table(table, path / made.rows.name)
    folder = UniversalFolder.open(path)
    folder.replace_manifest(**folder.check_whole())
    assert "<script>alert" not in write_universal(path).read_text()


def test_all_images_can_be_used(tmp_path):
    every = universal("digits-lenet", "digits", tmp_path / "v", attack="ascent:passes=1", max_images=30, held_out=0)
    assert (every.held_out, every.training.n, every.noise.n) == (None, 30, 30)
    write_universal(every.path)


def test_a_target_is_told_of_everywhere(tmp_path):
    runner = CliRunner()
    words = ["universal", "digits-lenet", "--data", "digits", "--max-images", "120", "--held-out", "60", "--eps", "0.4"]
    words += ["--attack", "ascent:passes=3,target=1", "--out", str(tmp_path / "v")]
    said = runner.invoke(app, words)
    assert said.exit_code == 0
    told = json.loads(runner.invoke(app, [*words, "--json"]).stdout)
    rows = [row for row in pq.read_table(tmp_path / "v" / "rows.parquet").to_pylist() if row["kind"] == "unseen"]
    others = [row for row in rows if row["class_clean"] != 1]
    reached = [row for row in others if row["class_perturbed"] == 1]
    assert told["target"] == 1
    assert told["reached"]["n"] == len(others) < len(rows)
    assert told["reached"]["value"] == len(reached) / len(others) > 0.5
    assert "taken for 1" in said.stderr
    assert f"taken for 1      {len(reached) / len(others):.1%}" in said.stderr
    page = (tmp_path / "v" / "report.html").read_text()
    assert "of held-out images of other classes are taken for" in page
    assert "after each pass" in page


def test_without_a_target_none_is_told_of(made):
    assert made.plain()["target"] is None
    assert made.plain()["reached"] is None


def test_specs_are_read():
    assert parse_universal("ascent: passes=5, loss=margin").passes == 5
    assert parse_universal("uap").attack.steps == 10
    assert parse_universal("uap(deepfool:steps=7):rate=0.9").attack.steps == 7
    for text, match in (
        ("acsent", "did you mean 'ascent'"),
        ("ascent(pgd)", "takes no attack"),
        ("uap(pgd;pgd)", "takes one attack"),
        ("ascent:loss=hinge", "loss=hinge"),
        ("ascent:speed=3", "no field 'speed'"),
    ):
        with pytest.raises(InputError, match=match):
            parse_universal(text)


def test_what_cannot_be_meant_is_refused(tmp_path):
    with pytest.raises(InputError, match="linf, l2, l1"):
        universal("digits-lenet", "digits", tmp_path / "v", norm="l0")
    with pytest.raises(InputError, match="at least one must be left"):
        universal("digits-lenet", "digits", tmp_path / "v", max_images=10, held_out=10)
    with pytest.raises((InputError, UnsupportedThreat), match="one radius"):
        universal("digits-lenet", "digits", tmp_path / "v", max_images=10, eps=math.inf)


def test_the_usual_radii_are_the_papers():
    assert usual_radius("l2", (3, 224, 224)) == pytest.approx(2000 / 255)
    assert usual_radius("l2", (3, 112, 112)) == pytest.approx(1000 / 255)
    assert usual_radius("linf", (1, 8, 8)) == pytest.approx(10 / 255)
    with pytest.raises(InputError, match="no usual radius in l1"):
        usual_radius("l1", (3, 224, 224))


@pytest.mark.parametrize("form", ["tensor", "set", "loader"])
def test_images_without_labels_will_do(form, tmp_path):
    images = torch.rand(20, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    grey = nn.Sequential(nn.Flatten(), nn.Linear(81, 3))
    alone = TensorDataset(images)
    given = {"tensor": images, "set": alone, "loader": DataLoader(alone, batch_size=6)}[form]
    made = universal(grey, given, tmp_path / form, attack="ascent:passes=1", eps=0.3)
    assert (made.training.n, made.held_out.n) == (10, 10)
    with pytest.raises(DataError, match="labels"):
        brittle.audit(grey, given, tmp_path / "audit", attacks="fgsm", eps=0.1)


def test_noise_has_the_channels_that_a_network_takes(tmp_path):
    grey = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    made = universal(grey, None, tmp_path / "v", attack="gd-uap:iterations=3", eps=0.3, max_images=20, size="9x9")
    assert made.perturbation.tensor.shape == (1, 9, 9)
    assert made.said == []


def test_methods_without_data_are_tried_on_noise(tmp_path):
    made = universal("digits-lenet", None, tmp_path / "v", attack="gd-uap:iterations=30", eps=0.3, max_images=60)
    assert made.held_out is not None
    assert (made.training.n, made.held_out.n) == (30, 30)
    assert made.perturbation.made["data"] == "noise"
    assert pq.read_table(made.rows)["name"].to_pylist()[0].startswith("noise/")
    assert "the rates are of images of noise" in str(made)
    page = write_universal(made.path).read_text()
    assert "images of noise" in page
    assert "the images that told how far it was" in page
    assert "it was made from" not in page


@pytest.mark.parametrize("attack", ["ascent", "gd-uap:prior=data"])
def test_methods_from_images_are_refused_without_any(tmp_path, attack):
    with pytest.raises(InputError, match="none are given"):
        universal("digits-lenet", None, tmp_path / "v", attack=attack)


@pytest.mark.parametrize(
    ("norm", "said"),
    [("linf", "take a method without: .*gd-uap"), ("patch", "say --data: no method without images knows patch")],
)
def test_only_methods_that_know_the_norm_are_named(tmp_path, norm, said):
    with pytest.raises(InputError, match=said):
        universal("digits-lenet", None, tmp_path / "v", attack="ascent", norm=norm)


def test_the_recorded_command_gives_the_same_perturbation_again(made, tmp_path):
    words = shlex.split(Perturbation.load(made.path).made["command"])
    assert words[:2] == ["brittle", "universal"]
    words[words.index("--out") + 1] = str(tmp_path / "again")
    typed = CliRunner().invoke(app, [*words[1:], "--quiet"], catch_exceptions=False)
    assert typed.exit_code == 0
    again = Perturbation.load(tmp_path / "again")
    assert torch.equal(again.tensor, made.perturbation.tensor)
    assert again.made["fooling"] == Perturbation.load(made.path).made["fooling"]
