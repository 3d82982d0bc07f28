"""Passes and times are one thing in terminal, report and JSON: means over the images right before."""

import re

import numpy as np
import pytest
import torch

from brittle import terminal
from brittle.evaluation.audit import audit
from brittle.metrics.rows import flags, floats
from brittle.models import Network
from brittle.report import write_report
from brittle.runs.summary import summarise


def audited(tmp_path, labels):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 4, 4), np.uint8)
    predicted = module(torch.from_numpy(images).float() / 255).argmax(1).numpy()
    np.savez(tmp_path / "data.npz", images=images, labels=labels(predicted))
    network = Network("test", module, "0" * 64, (1, 4, 4), ("a", "b"))
    return audit(network, str(tmp_path / "data.npz"), tmp_path / "run", attacks=["pgd:steps=9,loss=margin"], eps=0.05)


def half_wrong(predicted):
    return np.where(np.arange(len(predicted)) % 2, predicted, 1 - predicted)


def test_passes_are_over_the_images_right_before_everywhere(tmp_path, capsys):
    folder = audited(tmp_path, half_wrong)
    table = next(iter(folder.tables().values()))
    right, forward = flags(table, "correct"), floats(table, "forward")
    expected = float(forward[right].mean())
    assert expected > float(forward.mean()) + 0.5, "a mean over all images is another number"
    summary = summarise(folder)
    assert summary.attacks[0].forward == pytest.approx(expected)
    assert summary.plain()["attacks"][0]["forward"] == pytest.approx(expected)
    assert summary.attacks[0].seconds == pytest.approx(float(floats(table, "seconds")[right].mean()))
    terminal.show_summary(summary)
    told = capsys.readouterr().err
    assert f"{expected:,.1f}" in told
    assert "means over the images that are right before" in " ".join(told.split())
    backward = float(floats(table, "backward")[right].mean())
    page = re.sub(r"\s+", " ", write_report(folder.path).read_text())
    assert re.search(rf"{expected:.4g}\d* \+ {backward:.4g}", page), "the report's cell"


def test_without_an_image_that_is_right_there_is_no_mean(tmp_path, capsys):
    summary = summarise(audited(tmp_path, lambda predicted: 1 - predicted))
    assert summary.plain()["attacks"][0]["forward"] is None
    terminal.show_summary(summary)
    assert "nan" not in capsys.readouterr().err
