"""`audit --task segmentation`: its figures are run_dense's, and a killed one ends as if it had not been."""

import contextlib
import json
import math
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from brittle import Attack, Classifier, InputError, Lp, ModelError, Problem, RunError, UnsupportedThreat, cli, run_dense
from brittle.evaluation.audit import audit
from brittle.evaluation.segmentation import audit_segmentation
from brittle.evaluation.spec import parse_attack
from brittle.listing import listing
from brittle.runs.segmentation import SegmentationFolder
from brittle.runs.segmentation_summary import SegmentationSummary

QUICK = "pixel-descent:steps=12"
PROGRAM = """
import torch


class Centred(torch.nn.Module):
    classes = ("sky", "<b>sea</b>", "sand", "sun")

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.body = torch.nn.Conv2d(3, 4, 3, padding=1, stride=2, bias=False)

    def forward(self, images):
        return self.body(images - 0.5)


def build():
    return Centred()
"""


class Centred(torch.nn.Module):
    """The network of `PROGRAM`, which counts the images that it was asked about."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.weight = torch.nn.Parameter(torch.randn(4, 3, 3, 3, generator=generator))
        self.asked = 0

    def forward(self, images):
        self.asked += len(images)
        return torch.nn.functional.conv2d(images - 0.5, self.weight, padding=1, stride=2)


class Watch:
    """Counts images, and is interrupted after some."""

    def __init__(self, most=1000):
        self.left, self.total, self.done, self.points = most, None, None, 0

    def begin(self, total, done):
        self.total, self.done = total, done

    def advance(self, attack, images):
        self.left -= images
        if self.left <= 0:
            raise KeyboardInterrupt

    def passed(self, points):
        self.points += points

    def note(self, text):
        pass


IMAGES = torch.rand(5, 3, 10, 8, generator=torch.Generator().manual_seed(0))
DATA = (IMAGES, torch.tensor([0, 1, 2, 998, 999]))
"""Labels of images, which are none of pixels and are passed over."""


def rows_of(folder, *, timed=False):
    """All rows of an audit, without the seconds that they took."""
    rows = [image.model_dump() for image in SegmentationFolder.open(folder).images()]
    return [{name: one for name, one in row.items() if timed or name != "seconds"} for row in rows]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_figures_are_those_of_run_dense(norm, tmp_path):
    options, watch = {"attack": QUICK, "norm": norm, "share": 0.9, "seed": 4}, Watch()
    made = audit_segmentation(Centred(), DATA, tmp_path / "run", **options, watch=watch)
    attack = parse_attack(QUICK).attack
    result = run_dense(attack, Classifier(Centred()), IMAGES, threat=Lp(norm), share=0.9, seed=4)
    rows = rows_of(tmp_path / "run", timed=True)
    assert [row["success"] for row in rows] == result.success.tolist()
    assert [row["size"] for row in rows] == result.size.tolist()
    assert [row["sizes"]["l1"] for row in rows] == result.sizes["l1"].tolist()
    assert [row["share"] for row in rows] == result.share.tolist()
    assert [row["margin"] for row in rows] == result.margin.tolist()
    assert [(row["forward"], row["backward"]) for row in rows] == [(15, 12)] * 5
    assert watch.points == 5 * 15, "a bar moves inside an image, too"
    assert all(row["seconds"] > 0 for row in rows)
    for row, before, after in zip(rows, result.clean_map, result.map, strict=True):
        for number, counts in row["pixels"].items():
            mine = before == int(number)
            assert counts["before"] == int(mine.sum())
            assert counts["lost"] == int((mine & (after != int(number))).sum())
            assert counts["after"] == int((after == int(number)).sum())
    summary = made.summary
    assert (summary.broken.value, summary.broken.n) == (1, 5)
    assert summary.median.value == pytest.approx(float(np.median(result.size)))
    assert summary.sizes["l2"].value == pytest.approx(float(np.median(result.sizes["l2"])))
    assert summary.share.value == pytest.approx(float(np.median(result.share)))
    lost = [one.lost for one in summary.classes]
    assert lost == sorted(lost, reverse=True)
    assert sum(lost) == int((result.map != result.clean_map).sum())


@dataclass(frozen=True)
class Drawn(Attack):
    """Adds a random number to every value."""

    dense: ClassVar[bool] = True

    def perturb(self, problem: Problem) -> None:
        problem.probe((problem.images + problem.streams.normal(problem.ids, problem.images.shape[1:])).clamp(0, 1))


@pytest.mark.parametrize("batch", [1, 2])
def test_an_image_draws_by_its_place_in_the_data(batch, tmp_path):
    audit_segmentation(Centred(), DATA, tmp_path, attack=Drawn(), share=0.1, batch=batch, seed=2)
    result = run_dense(Drawn(), Classifier(Centred()), IMAGES, threat=Lp("inf"), share=0.1, seed=2)
    assert [row["sizes"]["l2"] for row in rows_of(tmp_path)] == pytest.approx(result.sizes["l2"].tolist())
    assert len({row["sizes"]["l2"] for row in rows_of(tmp_path)}) == 5


def test_the_attack_of_pixels_is_listed():
    assert "pixel-descent" in [row.name for row in listing("attacks")]


def test_within_a_radius_only_smaller_changes_count(tmp_path):
    whole = audit_segmentation(Centred(), DATA, tmp_path / "whole", attack=QUICK, share=0.9).summary
    radius = whole.median.value * 1.02
    some = audit_segmentation(Centred(), DATA, tmp_path / "some", attack=QUICK, share=0.9, eps=radius).summary
    assert 0 < some.broken.value < 1
    assert some.radius == radius
    found = [row["size"] for row in rows_of(tmp_path / "some")]
    assert None in found
    assert all(size is None or size <= radius + 1e-6 for size in found)


@pytest.mark.parametrize("batch", [1, 2])
def test_goes_on_where_it_was_killed_and_ends_the_same(batch, tmp_path):
    options = {"attack": QUICK, "share": 0.9, "batch": batch}
    audit_segmentation(Centred(), DATA, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        audit_segmentation(Centred(), DATA, tmp_path / "run", **options, watch=Watch(3))
    folder = SegmentationFolder.open(tmp_path / "run")
    assert folder.manifest.status == "running"
    part = SegmentationSummary.of(folder)
    assert (part.images, part.left) == ((3, 2) if batch == 1 else (4, 1))
    watch, network = Watch(), Centred()
    audit_segmentation(network, DATA, tmp_path / "run", **options, watch=watch)
    kept = 3 if batch == 1 else 4
    assert (watch.total, watch.done, watch.left) == (5, kept, 1000 - (5 - kept))
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")
    asked = network.asked
    audit_segmentation(network, DATA, tmp_path / "run", **options)
    assert network.asked - asked < 5  # looked at, and not attacked
    pictures = [sorted((tmp_path / name / "segmented").glob("*.png")) for name in ("run", "whole")]
    assert len(pictures[0]) == 20
    assert [one.read_bytes() for one in pictures[0]] == [one.read_bytes() for one in pictures[1]]


@pytest.mark.parametrize("spoilt", ["", "{}", "foreign"])
def test_a_row_that_is_damaged_or_foreign_is_made_anew(spoilt, tmp_path):
    run = tmp_path / "run"
    audit_segmentation(Centred(), DATA, run, attack=QUICK)
    before = rows_of(run)
    (run / "segmentation.json").unlink()
    path = run / "segmented" / "000002.json"
    foreign = {**json.loads(path.read_text()), "identity": "of another"}
    path.write_text(json.dumps(foreign) if spoilt == "foreign" else spoilt)
    watch = Watch()
    audit_segmentation(Centred(), DATA, run, attack=QUICK, watch=watch)
    assert watch.done == 4
    assert rows_of(run) == before


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"norm": "l2"}, "norm and radius"),
        ({"eps": 0.2}, "norm and radius"),
        ({"share": 0.5}, r"share of the pixels: 0\.9, now 0\.5"),
        ({"attack": "pixel-descent:steps=4"}, "attack: pixel-descent:steps=12, now pixel-descent:steps=4"),
        ({"budget": 9}, "budget"),
        ({"confidence": 0.1}, "confidence"),
        ({"max_images": 2}, "data"),
        ({"seed": 1}, "seed"),
    ],
)
def test_another_question_stays_unless_told(other, message, tmp_path):
    asked = {"attack": QUICK, "share": 0.9}
    audit_segmentation(Centred(), DATA, tmp_path, **asked, max_images=3)
    asked = asked | {"max_images": 3} | other
    with pytest.raises(RunError, match=message):
        audit_segmentation(Centred(), DATA, tmp_path, **asked)
    made = audit_segmentation(Centred(), DATA, tmp_path, **asked, force=True).summary
    assert made.images == asked["max_images"]
    assert len([*(tmp_path / "segmented").glob("*.json")]) == made.images


def test_the_batch_is_no_part_of_the_question(tmp_path):
    audit_segmentation(Centred(), DATA, tmp_path, attack=QUICK)
    assert audit_segmentation(Centred(), DATA, tmp_path, attack=QUICK, batch=3).summary.images == 5


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"attack": "pgd"},
            InputError,
            "pgd goes by one class per image; expected an attack of networks with",
        ),
        ({"attack": "nothing"}, InputError, "there is no attack 'nothing'"),
        ({"norm": "l1"}, UnsupportedThreat, "PixelDescent cannot measure changes by l1; it knows l2, linf"),
        ({"share": 0}, InputError, "share is 0; expected a fraction of the pixels, above 0, at most 1"),
        ({"budget": 2}, InputError, "budget is 2; expected more than 2"),
        ({"eps": 8}, InputError, "radius"),
        ({"channel": "blur"}, InputError, "channel is given, which does nothing here; leave it out"),
    ],
)
def test_says_what_is_wrong_before_anything_is_written(options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        audit_segmentation(Centred(), DATA, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_networks_of_the_other_kind_are_told_where_they_belong(tmp_path):
    with pytest.raises(ModelError, match=r"for one class per image there are brittle\.run and --task classification"):
        audit_segmentation("digits-lenet", "digits", tmp_path / "run", max_images=2)
    with pytest.raises(ModelError, match=r"for a class for every pixel there are brittle\.run_dense and --task seg"):
        audit(Centred(), (IMAGES, torch.zeros(5, dtype=torch.int64)), tmp_path / "run", attacks=["fgsm"], eps=0.1)
    with pytest.raises(InputError, match="is for networks with a class or a depth for every pixel: say --task seg"):
        audit("digits-lenet", "digits", tmp_path / "run", attacks=["pixel-descent"])
    assert not (tmp_path / "run").exists()


def test_an_image_that_cannot_be_read_is_left_out_and_grey_ones_take_colours(tmp_path):
    (tmp_path / "data").mkdir()
    for number, image in enumerate(IMAGES[:3]):
        pixels = (255 * image).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels if number else pixels[..., 0]).save(tmp_path / "data" / f"{number}.png")
    bad, run = tmp_path / "data" / "1.png", tmp_path / "run"
    bad.write_bytes(bad.read_bytes()[:60])
    made = audit_segmentation(Centred(), tmp_path / "data", run, attack=QUICK, skip_bad=True, batch=2)
    assert [row["index"] for row in rows_of(run)] == [0, 2]
    assert (made.summary.images, made.summary.bad) == (2, 1)
    assert any("1 image that could not be read" in line for line in made.said)


def shown(words, monkeypatch, capfd):
    """What a command line prints on both streams."""
    monkeypatch.setattr(sys, "argv", ["brittle", *words])
    with contextlib.suppress(SystemExit):
        cli.main()
    return capfd.readouterr()


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(PROGRAM)
    np.savez(tmp_path / "images.npz", images=IMAGES.permute(0, 2, 3, 1).numpy())
    return ["audit", "net.py:build", "--data", "images.npz", "--attack", QUICK, "--share", "0.9"]


def test_the_command_prints_a_table_and_json(words, monkeypatch, capfd, tmp_path):
    said = shown([*words, "--task", "segmentation", "--out", "run"], monkeypatch, capfd)
    table = " ".join(said.err.split())
    assert said.out == ""
    assert "5 images, linf, 90 % of the pixels" in table
    assert "broken 100.0% (95 % interval 47.8% to 100.0%, n = 5)" in table
    assert "/255" in table
    assert "the network's own clean segmentation; no true masks were read" in table
    assert (tmp_path / "run" / "report.html").is_file()
    plain = json.loads(shown([*words, "--task", "segmentation", "--out", "run", "--json"], monkeypatch, capfd).out)
    made = SegmentationSummary.of(SegmentationFolder.open(tmp_path / "run"))
    assert plain["broken"] == {"value": 1.0, "low": pytest.approx(0.478, abs=1e-3), "high": 1.0, "n": 5}
    assert plain["median"]["value"] == made.median.value
    assert plain["median"]["low"] is None
    assert plain["labels"] == "the network's own clean segmentation"
    assert plain["report"] == "run/report.html"
    assert [one["lost"] for one in plain["classes"]] == [one.lost for one in made.classes]
    assert math.isfinite(plain["forward"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["--task", "segmentation", "--thorough"],
            "thorough is given, which does nothing with --task segmentation; leave it out",
        ),
        (
            ["--task", "segmentation", "--fail-under", "0"],
            "fail_under is given, which does nothing with --task segmentation; leave it out",
        ),
        (["--task", "segmentation", "--ratio", "2"], "ratio is given, which does nothing here; leave it out"),
        (
            ["--task", "segmentation", "--ignore-health"],
            "ignore_health is given, which does nothing with --task seg",
        ),
        (["--task", "segmentation", "--quantization", "256"], "quantization is given, which does nothing here"),
        (["--task", "segmentation", "--attack", "pixel-descent"], "2 attacks are given; expected one"),
        (
            ["--task", "depths"],
            "the task is 'depths' (did you mean 'depth'?); expected classification, segmentation or depth",
        ),
        ([], "share is given, which does nothing without a --task of pixels; leave it out"),
    ],
)
def test_what_means_nothing_is_refused_on_the_command_line(more, message, words, monkeypatch, capfd, tmp_path):
    said = " ".join(shown([*words, *more, "--out", "run"], monkeypatch, capfd).err.split())
    assert message in said
    assert not (tmp_path / "run").exists()
