"""What a dense result is in the hand: a few lines, a file, and a view with its segmentations."""

import pytest

from brittle import DenseResult, Lp, PixelDescent, run_dense
from brittle.metrics import proportion, quantile
from dense.pointwise import middle, pointwise


@pytest.fixture(scope="module")
def result() -> DenseResult:
    return run_dense(PixelDescent(steps=20), pointwise(channels=3), middle(channels=3), threat=Lp("inf"), batch=3)


def test_it_is_printed_in_a_few_lines(result):
    assert bool(result.success.all())
    head, rate, share, median = str(result).splitlines()
    assert head == "PixelDescent(steps=20), linf of any size, 4 images"
    assert rate.startswith("success rate     100.0%")
    assert share.endswith("mean over the images")
    assert "/255" in median
    assert result.success_rate == proportion(4, 4)
    assert result.summary()["median_size"] == quantile(result.size.numpy(), 0.5)


def test_a_notebook_sees_images_and_segmentations(result):
    html = result._repr_html_()
    assert html.count("<img") == 5 * 4
    assert html.count(">segmentation<") == html.count(">after<") == 4


def test_rows_are_written_as_csv(result, tmp_path):
    lines = result.to_csv(tmp_path / "rows.csv").read_text().splitlines()
    assert len(lines) == 1 + 4
    assert '"success"' in lines[0]
    assert "terms" not in lines[0]
