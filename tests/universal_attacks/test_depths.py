"""One perturbation for all images of a network with a depth for every pixel, beside closed forms; search to page."""

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from brittle import (
    GDUAP,
    Classifier,
    ImageSet,
    InputError,
    JointAscent,
    Lp,
    ModelError,
    UniversalAscent,
    UniversalProblem,
    find_universal,
)
from brittle.cli import app
from brittle.data import open_source
from brittle.dense.rows import DepthRows
from brittle.evaluation.universal import universal
from brittle.metrics import mean
from brittle.universal_attacks.answers import DepthOfPixels

FACTORY = """
import torch


class Depths(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 1, 3, padding=1)
        )
        with torch.no_grad():
            for weights in self.layers.parameters():
                weights.copy_(torch.randn(weights.shape, generator=generator) * 0.4)

    def forward(self, images):
        return torch.exp(self.layers(images))[:, 0]


def depths():
    return Depths().eval()
"""
WEIGHTS = (0.5, -1.0, 0.25)


class Exponential(nn.Module):
    """The depth exp(w x) of every pixel alone: v moves the logarithms of all images alike, by w v."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        weights = torch.tensor(WEIGHTS, device=images.device, dtype=images.dtype)
        return torch.exp((images * weights[:, None, None]).sum(1, keepdim=True))


def depths() -> nn.Module:
    names: dict = {}
    exec(FACTORY, names)
    return names["depths"]()


def given(network: nn.Module, images: torch.Tensor, ratio: float = 1.25) -> ImageSet:
    return ImageSet(DepthRows.of(Classifier(network)), images, 4, answers=DepthOfPixels(ratio))


def inner(count: int = 6) -> torch.Tensor:
    """Images that no change of 0.2 brings to the bounds."""
    return 0.4 + 0.2 * torch.rand(count, 3, 5, 7, generator=torch.Generator().manual_seed(0))


def searched(some: ImageSet, radius: float, **settings) -> torch.Tensor:
    problem = UniversalProblem(some.classifier, some.shape, Lp("inf", radius), some)
    return find_universal(UniversalAscent(passes=8, batch=2, **settings), problem).tensor


@pytest.mark.parametrize("loss", ["cosine", "margin", "cross_entropy"])
def test_all_depths_change_from_the_radius_on_at_which_they_can(loss):
    some, least = given(Exponential(), inner()), math.log(1.25) / sum(map(abs, WEIGHTS))
    below, above = (searched(some, factor * least, loss=loss, crops=False) for factor in (0.99, 1.02))
    assert some.fooling_rate(below) == 0
    assert some.fooling_rate(above) == 1


def test_the_threshold_is_that_of_the_larger_ratio_either_way():
    ratios, some = DepthOfPixels(1.25), torch.tensor([[4.0, 4.0, 4.0, 4.0, 0.0]])
    moved = torch.tensor([[5.0, 4.99, 3.19, 3.21, 9.0]])
    assert ratios.changed(moved, some).tolist() == [[True, False, True, False, False]]
    assert ratios.shares(moved, some).tolist() == [0.5], "a pixel without a depth does not count"
    assert ratios.shares(moved, torch.zeros(1, 5)).tolist() == [0.0]
    assert DepthOfPixels(1.2).changed(moved, some).tolist() == [[True, True, True, True, False]]


@pytest.mark.parametrize("ratio", [0.5, 1.0, math.inf, math.nan])
def test_a_ratio_that_is_none_is_refused(ratio):
    with pytest.raises(InputError, match=r"ratio is .*; expected a"):
        DepthOfPixels(ratio)


@pytest.mark.parametrize("loss", ["cosine", "margin", "cross_entropy"])
def test_the_slope_of_the_objective_is_that_of_differences(loss):
    clean = torch.tensor([[2.0], [2.0], [2.0], [0.0]], dtype=torch.float64)
    moved = torch.tensor([[2.2], [1.5], [1e-4], [1.0]], dtype=torch.float64, requires_grad=True)
    aim = DepthOfPixels(1.25).away(loss, 1e6)
    assert torch.autograd.gradcheck(lambda depths: aim(depths, clean), moved, eps=1e-9, atol=1e-3)
    (slope,) = torch.autograd.grad(aim(moved, clean).sum(), moved)
    assert slope.sign().flatten().tolist() == [1, -1, -1, 0], "on the way on, and none without a depth"


def test_beyond_the_clip_nothing_pulls():
    moved = torch.tensor([[2 * 1.25**3], [2 * 1.25**2.5]], requires_grad=True)
    (slope,) = torch.autograd.grad(DepthOfPixels().away("margin", 1.8)(moved, torch.full((2, 1), 2.0)).sum(), moved)
    assert slope[0] == 0
    assert slope[1] > 0


def test_depths_that_a_change_takes_below_zero_count_as_changed():
    class Linear(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(1) - 0.35

    some = given(Linear(), inner())
    v = searched(some, 0.2, crops=False)
    assert some.fooling_rate(v) == 1
    assert bool((some.predictions(-v.abs()) < 0).any())


def test_a_method_without_images_and_the_judge_of_the_search():
    some = given(depths(), torch.rand(4, 1, 12, 12, generator=torch.Generator().manual_seed(1)))
    problem = UniversalProblem(some.classifier, some.shape, Lp("inf", 0.1), some)
    found = find_universal(GDUAP(iterations=250), problem)
    assert found.made["passes"][-1]["leading"] is None
    assert found.made["passes"][-1]["score"] == pytest.approx(some.fooling_rate(found.tensor))


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (JointAscent(count=2), "goes by one class per image"),
        (UniversalAscent(classes=(1,)), "goes by one class per image"),
        (UniversalAscent(target=1), "the target is class 1, and the network has depths; leave it out"),
    ],
)
def test_what_goes_by_classes_is_refused(method, words):
    some = given(Exponential(), inner())
    with pytest.raises(InputError, match=words):
        find_universal(method, UniversalProblem(some.classifier, some.shape, Lp("inf", 0.1), some))


def test_a_network_without_any_depth_is_told_of(tmp_path):
    (tmp_path / "net.py").write_text(FACTORY + "\n\ndef flat():\n    return torch.nn.Sequential(depths(), Nought())\n")
    with (tmp_path / "net.py").open("a") as file:
        file.write("\n\nclass Nought(torch.nn.Module):\n    def forward(self, depths):\n        return depths * 0\n")
    words = ["universal", f"{tmp_path}/net.py:flat", "--data", "digits", "--task", "depth", "--eps", "0.1", "--quiet"]
    words += ["--attack", "ascent:passes=1", "--max-images", "4", "--out", str(tmp_path / "v")]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert "not known, as no pixel has a depth" in (tmp_path / "v" / "report.html").read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("depths")
    (folder / "net.py").write_text(FACTORY)
    asked = {"task": "depth", "ratio": 1.5, "attack": "ascent:passes=3", "eps": 0.1, "max_images": 24}
    return universal(f"{folder}/net.py:depths", "digits", folder / "v", **asked)


def test_rows_and_rates_are_those_of_a_fresh_look(made):
    rows = pq.read_table(made.rows).to_pylist()
    assert [row["kind"] for row in rows] == ["seen"] * 12 + ["unseen"] * 12
    images = torch.cat([block.images for block in open_source("digits", max_images=24).blocks(24)])
    images = images[[row["index"] for row in rows]]
    with torch.no_grad():
        clean, moved = (depths()(one).double() for one in (images, (images + made.perturbation.tensor).clamp(0, 1)))
    wrong = torch.maximum(clean / moved, moved / clean) >= 1.5
    np.testing.assert_allclose([row["share_perturbed"] for row in rows], wrong.double().mean((1, 2)))
    farther = (wrong & (moved > clean)).double().mean((1, 2))
    np.testing.assert_allclose([row["share_farther"] for row in rows], farther, rtol=1e-12)
    errors = ((moved - clean).abs() / clean).mean((1, 2)).numpy()
    np.testing.assert_allclose([row["absolute_perturbed"] for row in rows], errors, rtol=1e-5)
    assert made.held_out == mean(wrong.double().mean((1, 2)).numpy()[12:], bounds=(0, 1))
    assert made.perturbation.made["absolute"]["perturbed"]["value"] == pytest.approx(errors[12:].mean())
    assert made.noise.value < made.held_out.value / 2
    assert made.reached is None


def test_the_page_speaks_of_depths(made):
    from brittle.report.universal_page import write_universal

    page = write_universal(made.folder).read_text()
    assert "to a depth that is too far or too near by a factor of 1.5 at least" in page
    assert "The mean error |d - d*| / d* beside depths without it is" in page
    assert page.count('<span class="name">depths</span>') == 4
    assert "What changed pixels are taken for" not in page
    assert "of the pixels of held-out images get another depth" in page
    assert "values at the radius, %" in page
    assert "another class" not in page
    assert "taken for one class" not in page


def test_the_command_says_it_and_goes_on_with_the_same_words(tmp_path):
    (tmp_path / "net.py").write_text(FACTORY)
    words = ["universal", f"{tmp_path}/net.py:depths", "--data", "digits", "--task", "depth", "--eps", "0.1"]
    words += ["--attack", "ascent:passes=1", "--max-images", "6", "--ratio", "7/5", "--out", str(tmp_path / "v")]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    assert "pixels, held-out" in ran.output
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)
    assert told["made"]["absolute"]["perturbed"]["high"] is None
    assert "too few images for an interval" in (tmp_path / "v" / "report.html").read_text()
    assert (told["made"]["task"], told["made"]["ratio"]) == ("depth", 1.4)
    assert "--task depth --ratio 1.4" in told["made"]["command"]
    words[words.index("7/5")] = "1.3"
    assert "ratio of depths: 1.4, now 1.3" in str(CliRunner().invoke(app, words).exception)


def test_odd_words_are_refused_before_anything_is_written(tmp_path):
    asked = {"eps": 0.1, "max_images": 6}
    with pytest.raises(ModelError, match=r"for one class per image there are brittle\.run and --task classification"):
        universal("digits-lenet", "digits", tmp_path / "v", task="depth", **asked)
    with pytest.raises(InputError, match="by which depths are compared, and the task is classification"):
        universal("digits-lenet", "digits", tmp_path / "v", ratio=1.25, **asked)
    with pytest.raises(InputError, match=r"ratio is 0\.8; expected a finite number above 1"):
        universal("digits-lenet", "digits", tmp_path / "v", task="depth", ratio=0.8, **asked)
    assert not (tmp_path / "v").exists()
