"""The folder of an audit in the hand: a few lines, and a view of the images that it has kept."""

import pytest

import brittle
from brittle.runs.store import RunFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> RunFolder:
    out = tmp_path_factory.mktemp("audited") / "run"
    return brittle.audit("digits-lenet", "digits", out, attacks=["fgsm", "deepfool"], eps=0.1, max_images=12)


def test_a_folder_is_printed_in_five_lines(folder):
    head, clean, robust, median, place = str(folder).splitlines()
    assert head == "digits-lenet on digits, linf up to 25.5/255, fgsm, deepfool"
    summary = folder.summary()
    assert clean.startswith(f"clean accuracy   {summary.clean.value:.1%}  (95 % interval ")
    assert robust.startswith(f"robust accuracy  {summary.robust.value:.1%}  (95 % interval ")
    assert median.startswith("median change    ")
    assert "/255" in median
    assert place == f"folder           {folder.path}"


def test_a_notebook_sees_a_few_images_that_were_kept(folder):
    html = folder._repr_html_()
    assert html.count("<img") == 3 * 4
    assert "fgsm, digits/" in html


def test_an_evaluation_that_failed_says_so_first(folder, monkeypatch):
    health = folder.health()
    (first, *rest) = health.findings
    failed = health.model_copy(update={"findings": [first.model_copy(update={"status": "fail"}), *rest]})
    monkeypatch.setattr(RunFolder, "health", lambda self: failed)
    assert str(folder).startswith("The evaluation cannot be relied on: ")


def test_a_run_without_rows_says_that_there_is_nothing_yet(folder, monkeypatch):
    monkeypatch.setattr(RunFolder, "blocks", lambda self, key: [])
    assert "nothing yet" in str(folder)
    assert "<img" not in folder._repr_html_()
