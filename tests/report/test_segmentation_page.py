"""The page of an audit of a segmentation."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from brittle import RunError
from brittle.evaluation.segmentation import audit_segmentation
from brittle.metrics.formats import Units, percent
from brittle.report import write_report
from brittle.runs.checkpoint import sealed
from brittle.runs.segmentation import SegmentationFolder
from brittle.runs.segmentation_summary import SegmentationSummary

PICTURE = '<img src="data:image/png;base64,'
IMAGES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
DATA = (IMAGES, torch.zeros(3, dtype=torch.int64))


def network() -> torch.nn.Module:
    """One with four classes, of which none fills an image."""
    body = torch.nn.Conv2d(3, 4, 1)
    with torch.no_grad():
        body.weight.copy_(torch.randn(body.weight.shape, generator=torch.Generator().manual_seed(5)))
        body.bias.copy_(-0.5 * body.weight.sum((1, 2, 3)))
    return body


def attacked(folder: Path, **options: object) -> Path:
    audit_segmentation(network(), DATA, folder, attack="pixel-descent:steps=25", share=0.9, **options)
    return folder


@pytest.fixture(scope="module")
def audited(tmp_path_factory) -> Path:
    return attacked(tmp_path_factory.mktemp("segmentation") / "run")


@pytest.fixture
def copy(audited, tmp_path) -> Path:
    return Path(shutil.copytree(audited, tmp_path / "copy"))


def changed(copy: Path, **fields: object) -> None:
    """Change the manifest of a folder as somebody would who knows its format."""
    plain = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(sealed({**plain, **fields, "identity": ""})))


def test_the_page_says_what_the_figures_are(audited):
    page, summary = write_report(audited).read_text(), SegmentationSummary.of(SegmentationFolder.open(audited))
    size = Units(1.0).size(summary.median.value, "linf")
    assert f"Half of the images are broken by a change of {size} (L∞)." in page
    assert percent(summary.broken.value) in page
    assert "the network's own segmentation of the clean image: no true masks were read" in page
    assert page.count(PICTURE) == 12
    for one in summary.classes:
        assert f'<th scope="row">{one.name}</th><td class="number">{one.pixels:,}</td>' in page
    assert "--task segmentation" in page
    assert "pixel-descent, steps 25" in page


def test_the_curve_steps_up_at_each_size(audited):
    page = write_report(audited).read_text()
    told = re.findall(r"<title>([\d.e-]+)\n[^:<]*: ([\d.]+)</title>", page)
    sizes = sorted(255 * image.size for image in SegmentationFolder.open(audited).images())
    assert [x for x, _ in told] == [f"{size:.3g}" for size in (0, *sizes)][: len(told)]
    assert [float(y) for _, y in told] == pytest.approx([0, 100 / 3, 200 / 3, 100][: len(told)], abs=0.01)
    assert len(told) >= len(sizes)
    assert re.search(r'class="line"[^>]* d="M[\d. ]+(H[\d.]+V[\d.]+){3}"|d="M[\d. ]+(H[\d.]+V[\d.]+){3}"', page)


def test_the_page_has_no_outside_resources_and_names_all_pictures(audited):
    page = re.sub(r"<script.*?</script>", "", write_report(audited).read_text(), flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert len(re.findall(r'<img [^>]*alt="[^"]+"', page)) == page.count("<img ")


def test_the_same_folder_gives_the_same_page(audited):
    assert write_report(audited).read_bytes() == write_report(audited / "segmentation.json").read_bytes()


def test_what_nothing_breaks_is_said(tmp_path):
    page = write_report(attacked(tmp_path / "run", eps=1e-4, max_images=2)).read_text()
    assert "No image was broken within 0.0255/255." in page
    assert len(page) < 1_000_000, "there is no curve to draw"
    assert page.count("not broken") >= 2


def test_pictures_that_are_gone_cost_no_figure(copy):
    (copy / "segmented" / "000001-after.png").unlink()
    assert write_report(copy).read_text().count(PICTURE) == 8


def test_names_of_classes_are_shown_as_text(copy):
    changed(copy, classes=["<b>sky</b>", "sea"])
    page = write_report(copy).read_text()
    assert "&lt;b&gt;sky&lt;/b&gt;" in page
    assert "<b>sky</b>" not in page
    assert '<th scope="row">sea</th>' in page
    assert '<th scope="row">class 2</th>' in page


@pytest.mark.parametrize("name", ["segmentation.json", "segmented/000001-image.png"])
def test_what_is_damaged_is_refused_in_one_line(copy, name):
    (copy / name).write_bytes(b"nothing of the kind")
    with pytest.raises(RunError) as caught:
        write_report(copy)
    assert "\n" not in str(caught.value)


def test_of_an_audit_that_is_not_finished_what_is_there_is_shown(copy):
    changed(copy, status="running")
    (copy / "segmented" / "000001.json").unlink()
    (copy / "segmentation.json").unlink()
    page = write_report(copy).read_text()
    assert "This audit is not finished: 2 of 3 images have been attacked." in page
    assert page.count(PICTURE) == 8
    for row in (copy / "segmented").glob("*.json"):
        row.unlink()
    with pytest.raises(RunError, match="an audit of a segmentation that is not finished, and not one image is done"):
        write_report(copy)


def test_a_finished_audit_says_nothing_of_that(audited):
    assert "not finished" not in write_report(audited).read_text()
