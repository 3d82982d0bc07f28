"""`photograph`: adversarial images of earlier runs through channels and over paper, and what is told of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from brittle.cli.app import app
from brittle.data import open_source
from brittle.defences.bit_depth import BitDepth
from brittle.errors import InputError, RunError
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.photograph import photograph
from brittle.evaluation.subject import open_subject
from brittle.models import open_network
from brittle.models.architectures import ARCHITECTURES
from brittle.physical.blur import Blur
from brittle.physical.layout import Layout
from brittle.report import write_report
from brittle.runs.photographs import Photographed
from brittle.specs import DataSpec, ModelSpec

LAYOUT = Layout(dpi=60, size=20)
OPTIONS = {"attack": "pgd:steps=10", "norm": "linf", "eps": 0.15, "max_images": 20}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of `attack` with twenty images, all broken."""
    folder = tmp_path_factory.mktemp("attacked") / "adversarial"
    saved = attack("digits-lenet", "digits", folder, **OPTIONS)
    assert sum(one.success for one in saved) >= 19
    return folder


def test_every_image_is_asked_through_the_channel(attacked: Path, tmp_path: Path):
    made = photograph(attacked, tmp_path / "out", channel="blur:sigma=1")
    network = open_network("digits-lenet").module
    block = next(iter(open_source("digits", max_images=20).blocks(20)))
    with torch.no_grad():
        clean = network(Blur(sigma=1.0)(block.images)).argmax(1)
    assert [row.clean_channel_prediction for row in made.rows] == clean.tolist()
    assert [row.label for row in made.rows] == block.labels.tolist()
    assert [(row.rank == 0, row.clean_rank == 0) for row in made.rows][:3] == [(False, True)] * 3


def test_the_rates_are_those_of_the_rows(attacked: Path, tmp_path: Path):
    made = photograph(attacked, tmp_path / "out", channel="blur:sigma=1")
    (figures,) = made.figures().attacks.values()
    rate = figures.destruction["average", 1]
    counted = [row for row in made.rows if row.clean_rank == 0 and row.rank]
    again = [row for row in counted if row.channel_rank == 0]
    assert rate is not None
    assert (rate.value, rate.n) == (len(again) / len(counted), len(counted))
    assert 0 < rate.value < 1
    assert len(made.survivors(made.attacks[0])) == len(counted) - len(again)


def test_what_is_written_is_read_back_and_gives_a_page(attacked: Path, tmp_path: Path):
    made = photograph(attacked, tmp_path / "out", channel="noise:sigma=0.3")
    again = Photographed.open(tmp_path / "out")
    assert (again.rows, again.about, again.classes) == (made.rows, made.about, made.classes)
    content = json.loads((tmp_path / "out" / "photograph.json").read_text())
    assert content["figures"]["clean_photographed"]["top1"]["n"] == 20
    page = write_report(tmp_path / "out").read_text()
    assert "noise:sigma=0.3" in page
    assert page.count("<figure>") == 24
    assert "through noise:sigma=0.3, simulated</title>" in page
    assert "Simulated: nothing was printed and no camera was used." in page
    assert " for a destruction rate: its interval is wide." in page
    assert str(tmp_path) not in page
    assert str(attacked.parent) not in page


def test_without_a_channel_nothing_is_destroyed(attacked: Path, tmp_path: Path):
    made = photograph(attacked, tmp_path / "out", channel="brightness:amount=0")
    (figures,) = made.figures().attacks.values()
    rate = figures.destruction["average", 1]
    assert rate is not None
    assert rate.value == 0


def test_the_same_seed_photographs_the_same(attacked: Path, tmp_path: Path):
    one, same, other = (
        photograph(attacked, tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert one.rows == same.rows
    assert one.rows != other.rows


def test_the_pictures_of_an_audit_can_be_photographed_and_are_said_to_be_few(tmp_path: Path):
    run = audit("digits-lenet", "digits", tmp_path / "run", attacks=["fgsm", "pgd:steps=5"], eps=0.2, max_images=30)
    made = photograph(run.path, tmp_path / "out", channel="blur:sigma=1")
    assert made.attacks == ["fgsm", "pgd_steps=5"]
    assert len(made.clean) <= 16
    assert "an audit keeps the hardest and the easiest images" in made.said[0]


def test_a_printed_sheet_is_read_in_place_of_a_channel(attacked: Path, tmp_path: Path):
    sheet = tmp_path / "sheet.png"
    photograph(attacked, tmp_path / "simulated", sheet=sheet, layout=LAYOUT)
    pages = sorted(tmp_path.glob("sheet*.png"))
    made = photograph(attacked, tmp_path / "paper", sheet=sheet, photos=pages)
    assert made.missing == []
    assert made.about["channel"] == "photographs of a printed sheet"
    same = [row.clean_prediction == row.clean_channel_prediction for row in made.rows]
    assert all(same)
    assert sum(row.prediction == row.channel_prediction for row in made.rows if row.rank) >= 15


def test_images_that_no_photograph_shows_are_named_and_do_not_count(attacked: Path, tmp_path: Path):
    sheet = tmp_path / "sheet.png"
    photograph(attacked, tmp_path / "simulated", sheet=sheet, layout=LAYOUT)
    page = np.asarray(Image.open(sheet).convert("RGB"))
    Image.fromarray(page[: len(page) // 2]).save(tmp_path / "half.png")
    made = photograph(attacked, tmp_path / "paper", sheet=sheet, photos=[tmp_path / "half.png"])
    assert 0 < len(made.missing) < 40
    rate = next(iter(made.figures().attacks.values())).destruction["average", 1]
    assert rate is not None
    assert rate.n < 19


def test_images_that_the_sheet_does_not_have_are_left_out_and_counted(attacked: Path, tmp_path: Path):
    sheet = tmp_path / "sheet.png"
    photograph(attacked, tmp_path / "simulated", sheet=sheet, layout=LAYOUT, max_images=7)
    made = photograph(attacked, tmp_path / "paper", sheet=sheet, photos=sorted(tmp_path.glob("sheet*.png")))
    assert {row.index for row in made.rows} <= set(range(7))
    assert made.figures().clean[1].n == len(made.rows)
    assert f"{20 - len(made.rows)} images of the run left out, which the sheet does not have" in made.said


def test_a_photograph_that_is_none_is_named_with_what_can_be_done(attacked: Path, tmp_path: Path):
    sheet, bad = tmp_path / "sheet.png", tmp_path / "bad.jpg"
    photograph(attacked, tmp_path / "simulated", sheet=sheet, layout=LAYOUT)
    bad.write_bytes(b"no picture")
    with pytest.raises(RunError, match=r"bad\.jpg.* cannot be read: .*; leave it out"):
        photograph(attacked, tmp_path / "paper", sheet=sheet, photos=[bad])


def test_the_channel_of_a_run_is_told(tmp_path: Path):
    attack("digits-lenet", "digits", tmp_path / "a", **{**OPTIONS, "max_images": 3}, channel="brightness:amount=0.1")
    made = photograph(tmp_path / "a", tmp_path / "out", channel="blur")
    assert any(line.startswith("the attack went through brightness") for line in made.said)


def test_photographs_of_another_sheet_are_refused(attacked: Path, tmp_path: Path):
    attack("digits-lenet", "digits", tmp_path / "other", **{**OPTIONS, "max_images": 3})
    sheet = tmp_path / "sheet.png"
    photograph(tmp_path / "other", tmp_path / "one", sheet=sheet, layout=LAYOUT)
    with pytest.raises(RunError, match="is not the sheet of"):
        photograph(attacked, tmp_path / "two", sheet=sheet, photos=[sheet])


def test_photographs_stay_unless_force_is_given(attacked: Path, tmp_path: Path):
    photograph(attacked, tmp_path / "out", channel="blur")
    with pytest.raises(RunError, match="holds other photographs, which stay as they are"):
        photograph(attacked, tmp_path / "out", channel="noise")
    assert photograph(attacked, tmp_path / "out", channel="noise", force=True).about["channel"] == "noise"


def test_the_same_words_read_what_they_made(attacked: Path, tmp_path: Path):
    words = {"channel": "noise", "sheet": tmp_path / "sheet.png", "layout": LAYOUT}
    first = photograph(attacked, tmp_path / "out", **words)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    again = photograph(attacked, tmp_path / "out", **words)
    assert (again.rows, again.about) == (first.rows, first.about)
    assert before == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(RunError, match="holds other photographs"):
        photograph(attacked, tmp_path / "out", channel="noise", max_images=3)


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    with pytest.raises(RunError, match="expected the folder of `brittle attack`"):
        photograph(tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"photos": ["a.jpg"]}, "photographs are given and no sheet"),
        ({"photos": ["a.jpg"], "sheet": "s.pdf", "channel": "blur"}, "photographs and a channel are given"),
        ({"channel": "blurr"}, "there is no channel"),
        ({"channel": ""}, "there is no channel"),
        ({"even_light": True}, "even_light takes the light out of photographs, and none are given"),
        ({"eps": 0.1}, "does nothing here"),
    ],
)
def test_what_cannot_be_meant_is_refused(attacked: Path, tmp_path: Path, options: dict[str, object], said: str):
    with pytest.raises(InputError, match=said):
        photograph(attacked, tmp_path / "out", **options)  # pyright: ignore[reportArgumentType]


def test_another_network_is_refused(attacked: Path, tmp_path: Path):
    with pytest.raises(RunError, match="is not that of"):
        photograph(attacked, tmp_path / "out", model=torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)))


def test_a_network_that_was_a_value_must_be_given_again(tmp_path: Path):
    network = open_network("digits-lenet").module
    attack(network, "digits", tmp_path / "a", **{**OPTIONS, "max_images": 2})
    with pytest.raises(InputError, match="does not say by which words its network opened"):
        photograph(tmp_path / "a", tmp_path / "out")
    assert len(photograph(tmp_path / "a", tmp_path / "out", model=network).rows) == 2


def test_the_defence_of_a_run_stands_around_its_network(tmp_path: Path):
    options = {**OPTIONS, "max_images": 6}
    attack("digits-lenet", "digits", tmp_path / "a", defence=BitDepth(bits=1), **options)
    made = photograph(tmp_path / "a", tmp_path / "out", channel="brightness:amount=0")
    block = next(iter(open_source("digits", max_images=6).blocks(6)))
    subject = open_subject(ModelSpec("digits-lenet", defence="bit-depth:bits=1"), DataSpec("digits"))
    with torch.no_grad():
        logits = subject.classifier.logits(block.images)
    assert [row.clean_confidence for row in made.rows] == pytest.approx(logits.softmax(1).amax(1).tolist(), abs=1e-4)


def test_a_network_with_weights_opens_again_with_them(tmp_path: Path):
    weights = tmp_path / "w.safetensors"
    torch.manual_seed(0)
    save_file(ARCHITECTURES["lenet-mnist"].build().state_dict(), weights)
    attack("lenet-mnist", "digits", tmp_path / "a", weights=weights, **{**OPTIONS, "max_images": 4})
    assert len(photograph(tmp_path / "a", tmp_path / "out").rows) == 4
    weights.rename(tmp_path / "moved.safetensors")
    again = photograph(tmp_path / "a", tmp_path / "two", weights=tmp_path / "moved.safetensors")
    assert len(again.rows) == 4


def test_a_damaged_file_of_photographs_is_refused(attacked: Path, tmp_path: Path):
    made = photograph(attacked, tmp_path / "out", channel="blur")
    file = made.path / "photograph.json"
    file.write_text(file.read_text().replace('"seed": "0"', '"seed": "1"'))
    with pytest.raises(RunError, match="its checksum is not that of its content"):
        Photographed.open(made.path)


def test_the_command_prints_figures_and_says_where_the_page_lies(attacked: Path, tmp_path: Path):
    words = ["photograph", str(attacked), "--channel", "blur:sigma=1", "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["attacks"]["PGD"]["destruction_rate"]["average"]["top1"]["n"] >= 19
    assert Path(printed["report"]).is_file()
