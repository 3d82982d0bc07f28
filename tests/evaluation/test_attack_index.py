"""What `attack` leaves behind: images beside originals, a list, a table and a page, and nothing overwritten."""

import csv
import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from brittle import InputError, RunError, write_report
from brittle.cli import app
from brittle.data import open_source
from brittle.evaluation.attack import attack
from brittle.evaluation.attack_index import SavedAttacks
from brittle.evaluation.saved_pictures import read_picture

LIMIT = {"max_images": 3}


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> SavedAttacks:
    out = tmp_path_factory.mktemp("attacked") / "out"
    return attack(
        "digits-lenet", "digits", out, attack=["deepfool", "fgsm"], norm="linf", eps=0.1, max_images=5, batch=2
    )


def test_every_file_is_called_by_number_and_classes_beside_its_original(both):
    block = next(open_source("digits").blocks(5))
    found = [one for one in both if one.path is not None]
    assert found
    for one in found:
        place = int(one.path.name[:4])
        assert one.original.name == f"{place:04d}-{one.label}.png"
        assert one.path.name == f"{place:04d}-{one.label}-{one.after}.png"
        torch.testing.assert_close(
            read_picture(one.original, block.images[place]), (block.images[place] * 255).round() / 255
        )
        with Image.open(one.path) as picture:
            assert picture.size == (28, 28)


def test_several_attacks_have_a_folder_each_and_one_list(both):
    assert {one.path.parent.name for one in both if one.path} == {"deepfool", "fgsm"}
    told = json.loads((both.path / "index.json").read_text())
    assert [(one["attack"], one["norm"]) for one in told["attacks"]] == [("deepfool", "linf"), ("fgsm", "linf")]
    assert {one["question"] for one in told["attacks"]} == {"linf up to 25.5/255"}
    with (both.path / "index.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert len(rows) == len(both) == 10
    assert [row["attack"] for row in rows] == ["deepfool"] * 5 + ["fgsm"] * 5
    for row in rows:
        assert (row["success"] == "true") == bool(row["file"])
        assert not row["file"] or (both.path / row["file"]).is_file()
    assert both.to_arrow().num_rows == 10


def test_the_batch_changes_nothing(both, tmp_path):
    alone = attack("digits-lenet", "digits", tmp_path, attack="fgsm", norm="linf", eps=0.1, max_images=5, batch=40)
    second = both.attacks[1].images
    assert [(one.after, one.linf) for one in alone] == [(one.after, one.linf) for one in second]


def test_attacks_alike_get_folders_of_their_own(tmp_path):
    attacks = [f"pgd:steps={'0' * 100}{steps}" for steps in (1, 2)]
    made = attack("digits-lenet", "digits", tmp_path, attack=attacks, norm="linf", eps=0.1, max_images=1)
    assert len(made) == 2
    key = "pgd_steps=" + "0" * 90
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {key, f"{key}-2"}


def test_a_result_says_what_was_done_and_shows_it(both):
    head, *rates, folder = str(both).splitlines()
    assert head.startswith("deepfool, linf up to 25.5/255, digits-lenet on digits; fgsm, ")
    assert len(rates) == 2
    assert folder.endswith("10 images")
    assert both._repr_html_().count("<img") == 3 * 4


def test_the_page_shows_images_and_names_all(both):
    page = write_report(both.path).read_text()
    assert page.count('src="data:image/png;base64,') == 3 * sum(one.path is not None for one in both)
    assert all(one.source in page for one in both)


def test_a_list_that_leads_elsewhere_makes_no_page(both, tmp_path):
    told = json.loads((both.path / "index.json").read_text())
    told["attacks"][0]["images"][0] |= {"file": "../../secret.png", "original": "../../secret.png"}
    (tmp_path / "index.json").write_text(json.dumps(told))
    with pytest.raises(RunError, match="not in the folder"):
        write_report(tmp_path)


def test_what_is_there_stays(tmp_path):
    attack("digits-lenet", "digits", tmp_path / "out", **LIMIT)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for other in ("fgsm", ["fgsm", "deepfool"]):
        with pytest.raises(RunError):
            attack("digits-lenet", "digits", tmp_path / "out", attack=other, norm="linf", **LIMIT)
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    attack("digits-lenet", "digits", tmp_path / "out", **LIMIT)
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_a_table_of_somebody_else_stays(tmp_path):
    attack("digits-lenet", "digits", tmp_path, **LIMIT)
    (tmp_path / "index.json").unlink()
    (tmp_path / "index.csv").write_text("mine")
    with pytest.raises(RunError, match="is not brittle's"):
        attack("digits-lenet", "digits", tmp_path, **LIMIT)
    assert (tmp_path / "index.csv").read_text() == "mine"


def test_no_attack_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no attack"):
        attack("digits-lenet", "digits", tmp_path, attack=[])


def test_the_command_says_what_it_did_or_nothing(tmp_path: Path):
    words = ["attack", "digits-lenet", "digits", "--max-images", "2", "--out", str(tmp_path / "out")]
    said = CliRunner().invoke(app, [*words, "--attack", "fgsm", "--norm", "linf", "--batch", "1"])
    assert "fgsm, linf up to 8/255, digits-lenet on digits" in said.output
    assert re.search(r"^report +\S*report.html$", said.output, re.MULTILINE)
    quiet = CliRunner().invoke(app, [*words[:-1], str(tmp_path / "quiet"), "--quiet"])
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert (tmp_path / "quiet" / "report.html").is_file()
