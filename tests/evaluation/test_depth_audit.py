"""`audit --task depth`: its figures are run_dense's, and a killed one ends as if it had not been."""

import contextlib
import json
import re
import sys

import numpy as np
import pytest
import torch

from brittle import Classifier, InputError, Lp, ModelError, RunError, cli, run_dense
from brittle.evaluation.depth import audit_depth
from brittle.evaluation.segmentation import audit_segmentation
from brittle.evaluation.spec import parse_attack
from brittle.report import write_report
from brittle.runs.depth import DepthFolder
from brittle.runs.depth_summary import DepthSummary

QUICK = "pixel-descent:steps=12"
PROGRAM = """
import torch


class Depths(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.body = torch.nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, images):
        return self.body(images)[:, 0].exp()


def build():
    return Depths()
"""
IMAGES = torch.rand(4, 3, 10, 8, generator=torch.Generator().manual_seed(0))
DATA = (IMAGES, torch.zeros(4, dtype=torch.int64))


class Depths(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(1, 3, 3, 3, generator=torch.Generator().manual_seed(3)))

    def forward(self, images):
        return torch.nn.functional.conv2d(images - 0.5, self.weight, padding=1, stride=2).exp()


class Watch:
    """Is interrupted after some images."""

    def __init__(self, most):
        self.left = most

    def begin(self, total, done):
        pass

    def advance(self, attack, images):
        self.left -= images
        if self.left <= 0:
            raise KeyboardInterrupt

    def note(self, text):
        pass


def rows_of(folder):
    return [image.model_dump(exclude={"seconds"}) for image in DepthFolder.open(folder).images()]


@pytest.mark.parametrize("ratio", [1.25, 1.5])
def test_the_figures_are_those_of_run_dense(ratio, tmp_path):
    asked = {"share": 0.9, "seed": 4, "ratio": ratio}
    made = audit_depth(Depths(), DATA, tmp_path / "run", attack=QUICK, norm="l2", **asked)
    attack = parse_attack(QUICK).attack
    result = run_dense(attack, Classifier(Depths()), IMAGES, threat=Lp(2), task="depth", **asked)
    rows = rows_of(tmp_path / "run")
    assert [row["success"] for row in rows] == result.success.tolist()
    assert [row["size"] for row in rows] == result.size.tolist()
    for name in ("absolute", "within", "clean_absolute", "clean_within"):
        assert [row[name] for row in rows] == result.errors[name].tolist()
    summary = made.summary
    assert (summary.ratio, summary.images, summary.left) == (ratio, 4, 0)
    assert summary.absolute.value == pytest.approx(float(np.median(result.errors["absolute"])))
    assert summary.within.value == pytest.approx(float(np.median(result.errors["within"])))
    assert (summary.clean_absolute.value, summary.clean_within.value) == (0, 1)


def test_goes_on_where_it_was_killed_shows_what_is_there_and_ends_the_same(tmp_path):
    options = {"attack": QUICK, "share": 0.9}
    audit_depth(Depths(), DATA, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        audit_depth(Depths(), DATA, tmp_path / "run", **options, watch=Watch(2))
    page = write_report(tmp_path / "run").read_text()
    assert "This audit is not finished: 2 of 4 images have been attacked." in page
    audit_depth(Depths(), DATA, tmp_path / "run", **options)
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")
    with pytest.raises(RunError, match=r"ratio of depths: 1\.25, now 1\.5"):
        audit_depth(Depths(), DATA, tmp_path / "run", **options, ratio=1.5)


def test_the_page_says_what_the_figures_are(tmp_path):
    made = audit_depth(Depths(), DATA, tmp_path, attack=QUICK, share=0.9)
    page = write_report(tmp_path).read_text()
    text = " ".join(re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())
    assert "90 % of its pixels are too far or too near by a factor of 1.25" in text
    assert "the network's own depth of the clean image: no true depths were read" in text
    assert f"{100 * made.summary.absolute.value:.1f}" in text
    assert page.count('<img src="data:image/png;base64,') == 16
    assert write_report(tmp_path / "depth.json").read_bytes() == page.encode()


def test_networks_of_another_kind_and_options_that_mean_nothing_are_refused(tmp_path):
    with pytest.raises(ModelError, match="--task segmentation"):
        audit_depth(torch.nn.Conv2d(3, 4, 1), DATA, tmp_path / "run")
    with pytest.raises(ModelError, match="--task depth"):
        audit_segmentation(Depths(), DATA, tmp_path / "run")
    with pytest.raises(ModelError, match="images below 0"):
        audit_depth(torch.nn.Conv2d(3, 1, 1), DATA, tmp_path / "run")
    with pytest.raises(InputError, match=r"ratio is 0\.8"):
        audit_depth(Depths(), DATA, tmp_path / "run", ratio=0.8)
    assert not (tmp_path / "run").exists()


def test_the_command_prints_a_table_and_json(monkeypatch, capfd, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(PROGRAM)
    np.savez(tmp_path / "images.npz", images=IMAGES.permute(0, 2, 3, 1).numpy())
    words = ["audit", "net.py:build", "--data", "images.npz", "--attack", QUICK, "--share", "0.9", "--ratio", "1.2"]

    def shown(*more):
        monkeypatch.setattr(sys, "argv", ["brittle", *words, "--task", "depth", "--out", "run", *more])
        with contextlib.suppress(SystemExit):
            cli.main()
        return capfd.readouterr()

    said = " ".join(shown().err.split())
    made = DepthSummary.of(DepthFolder.open(tmp_path / "run"))
    assert "4 images, linf, 90 % of the pixels" in said
    assert "too far or too near by a factor of 1.2 at least" in said
    assert f"relative error {made.absolute.value:.3g}, before 0 " in said
    assert "the network's own depths of the clean image; no true depths were read" in said
    plain = json.loads(shown("--json").out)
    assert plain["within"]["value"] == made.within.value
    assert plain["labels"] == "the network's own depths of the clean image"
    assert "--ratio 1.2" in " ".join(DepthFolder.open(tmp_path / "run").manifest.command)
