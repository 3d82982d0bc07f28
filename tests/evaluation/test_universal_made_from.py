"""Images X from elsewhere: a folder of a few, or another data set; the images given then only judge."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from brittle import InputError, RunError
from brittle.cli import app
from brittle.data import open_source
from brittle.evaluation.universal import universal


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A folder of five digits that are not among those that judge."""
    folder = tmp_path_factory.mktemp("few")
    block = next(open_source("digits").blocks(5, start=400))
    for place, image in enumerate(block.images):
        Image.fromarray((image[0].numpy() * 255).round().astype(np.uint8)).save(folder / f"{place}.png")
    return folder


ASKED = {"attack": "ascent:passes=20", "eps": 0.3, "max_images": 100}


def test_a_few_images_of_a_folder_fool_others(few, tmp_path):
    made = universal("digits-lenet", "digits", tmp_path / "v", made_from=str(few), **ASKED)
    assert (made.training.n, made.held_out.n) == (5, 100)
    rows = pq.read_table(made.rows).to_pylist()
    assert [row["name"] for row in rows if row["kind"] == "seen"] == [f"{place}.png" for place in range(5)]
    assert sorted(row["index"] for row in rows if row["kind"] == "unseen") == list(range(100))
    assert made.held_out.value > made.noise.value + 0.3
    assert made.perturbation.made["made_from"] == str(few)
    manifest = json.loads((made.folder / "manifest.json").read_text())
    assert (manifest["made_from"]["images"], manifest["data"]["images"]) == (5, 100)
    assert "--made-from" in manifest["command"]


def test_other_images_are_another_search(few, tmp_path):
    universal("digits-lenet", "digits", tmp_path / "v", made_from=str(few), **ASKED)
    with pytest.raises(RunError, match="images X"):
        universal("digits-lenet", "digits", tmp_path / "v", **ASKED, held_out=95)


def test_the_command_takes_them(few, tmp_path):
    words = ["universal", "digits-lenet", "--data", "digits", "--max-images", "50", "--made-from", str(few)]
    words += ["--attack", "ascent:passes=2", "--eps", "0.3", "--out", str(tmp_path / "v")]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    assert "n = 5)" in ran.output
    assert "n = 50)" in ran.output
    ran = CliRunner().invoke(app, [*words[:-1], str(few)])
    assert ran.exit_code != 0


def test_what_cannot_be_meant_is_refused(few, tmp_path):
    with pytest.raises(InputError, match="leave one out"):
        universal("digits-lenet", "digits", tmp_path / "v", made_from=str(few), held_out=3, **ASKED)
    with pytest.raises(InputError, match="say --data"):
        universal("digits-lenet", None, tmp_path / "v", made_from=str(few), attack="gd-uap", eps=0.3)
    assert not (tmp_path / "v").exists()


def test_images_that_judge_it_are_refused_as_x(tmp_path):
    with pytest.raises(InputError, match=r"60 of the images of digits, .* are among those of digits that judge it"):
        universal("digits-lenet", "digits", tmp_path / "v", made_from="digits", attack="ascent", eps=0.3, max_images=60)
    assert not (tmp_path / "v").exists()


def test_what_is_done_to_x_is_told(few, tmp_path):
    (few / "broken.png").write_bytes(b"no picture")
    try:
        made = universal(
            "digits-lenet", "digits", tmp_path / "v", made_from=str(few), skip_bad=True,
            attack="ascent:passes=2", eps=0.3, max_images=20,
        )  # fmt: skip
    finally:
        (few / "broken.png").unlink()
    told = [line for line in made.said if line.startswith(f"made from {few}: ")]
    assert any("left out: 1 image that could not be read: broken.png" in line for line in told)
