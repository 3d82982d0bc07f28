import json
import shutil
from pathlib import Path

import pytest

from brittle import RunError
from brittle.evaluation.corrupt import corrupt
from brittle.report import write_report
from brittle.runs.checkpoint import sealed

PICTURE = '<img src="data:image/png;base64,'


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corruptions") / "run"
    corrupt("digits-lenet", "digits", folder, kinds=["fog", "jpeg"], severities=[1, 5], max_images=10)
    return folder


def test_the_page_shows_every_cell_and_every_picture(measured):
    page = write_report(measured).read_text()
    assert page.count(PICTURE) == 5
    assert page.count('style="--share:') == 6
    assert "digits-lenet under common corruptions" in page
    assert "fog, severity 5" in page
    assert "--severity 1 --severity 5" in page


def test_the_same_folder_gives_the_same_page(measured):
    assert write_report(measured).read_bytes() == write_report(measured / "corruptions.json").read_bytes()


def test_a_picture_that_is_gone_costs_no_figure(measured, tmp_path):
    copy = shutil.copytree(measured, tmp_path / "copy")
    (copy / "corrupted" / "fog-1.png").unlink()
    page = write_report(copy).read_text()
    assert page.count(PICTURE) == 4
    assert "gone" in page


def test_no_picture_from_elsewhere_reaches_a_page(measured, tmp_path):
    copy = shutil.copytree(measured, tmp_path / "copy")
    plain = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(sealed({**plain, "kinds": ["../../fog", "jpeg"], "identity": ""})))
    with pytest.raises(RunError, match="manifest"):
        write_report(copy)


@pytest.mark.parametrize("name", ["corruptions.json", "corrupted/fog-1.png"])
def test_what_is_damaged_is_refused_in_one_line(measured, tmp_path, name):
    copy = shutil.copytree(measured, tmp_path / "copy")
    (copy / name).write_bytes(b"nothing of the kind")
    with pytest.raises(RunError) as caught:
        write_report(copy)
    assert "\n" not in str(caught.value)
