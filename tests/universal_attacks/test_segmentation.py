"""One perturbation for all images of a network with a class for every pixel: shares of pixels from search to page."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from brittle import (
    SGA,
    Classifier,
    ImageSet,
    InputError,
    JointAscent,
    Lp,
    ModelError,
    Patch,
    UniversalAscent,
    UniversalProblem,
    find_universal,
)
from brittle.cli import app
from brittle.data import open_source
from brittle.dense.rows import PixelRows
from brittle.evaluation.universal import universal
from brittle.metrics import mean
from brittle.universal_attacks.answers import ClassOfPixels
from brittle.universal_attacks.loud import Loud

FACTORY = """
import torch


def tiny():
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3, padding=1)
    )
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator) * 0.5)
        network[2].bias -= network(torch.rand(20, 1, 28, 28, generator=generator)).mean((0, 2, 3))
    return network.eval()
"""


def tiny() -> nn.Sequential:
    names: dict = {}
    exec(FACTORY, names)
    return names["tiny"]()


def digits(count: int = 12) -> torch.Tensor:
    return next(open_source("digits").blocks(count)).images


def pixels_of(images: torch.Tensor, batch: int = 5) -> ImageSet:
    return ImageSet(PixelRows.of(Classifier(tiny())), images, batch, answers=ClassOfPixels())


def test_a_row_for_each_pixel_in_the_order_of_the_image():
    images = digits(3)
    rows = PixelRows.of(Classifier(tiny())).logits(images)
    maps = tiny()(images)
    assert rows.shape == (3 * 28 * 28, 4)
    torch.testing.assert_close(rows[28 * 28 + 28 * 5 + 7], maps[1, :, 5, 7])


def test_classes_and_rates_are_of_pixels():
    some, v = pixels_of(digits()), 0.1 * torch.randn(1, 28, 28, generator=torch.Generator().manual_seed(1))
    clean, moved = (tiny()(images).argmax(1).flatten(1) for images in (digits(), (digits() + v).clamp(0, 1)))
    assert torch.equal(some.clean.long(), clean)
    assert torch.equal(some.fooled(v), moved != clean)
    assert some.fooling_rate(v) == pytest.approx(float((moved != clean).double().mean()))
    shares = [(after[before != 2] == 2).double().mean() for before, after in zip(clean, moved, strict=True)]
    assert some.reaching_rate(v, 2) == pytest.approx(float(torch.stack(shares).mean())), "of each image, as all rates"
    assert some.classes == 4


@pytest.mark.parametrize("loss", ["cosine", "cross_entropy", "margin"])
@pytest.mark.parametrize("crops", [False, True])
def test_a_search_changes_more_pixels_than_noise(loss, crops):
    some = pixels_of(digits(20))
    problem = UniversalProblem(some.classifier, some.shape, Lp("inf", 0.1), some)
    found = find_universal(UniversalAscent(passes=3, loss=loss, crops=crops, batch=4), problem)
    noise = (torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1).sign() * 0.1
    assert some.fooling_rate(found.tensor) > 1.2 * some.fooling_rate(noise)
    last = found.made["passes"][-1]
    assert last["forward"] == 3 * 20 * 2, "what is said of clean pixels is asked anew"
    assert 0 < last["leading"] <= 1


def test_pixels_are_led_to_one_class():
    some = pixels_of(digits(20))
    problem = UniversalProblem(some.classifier, some.shape, Lp("inf", 0.3), some)
    found = find_universal(UniversalAscent(passes=6, target=3, batch=4), problem)
    assert some.reaching_rate(found.tensor, 3) > some.reaching_rate(torch.zeros(1, 28, 28), 3) + 0.1


def test_loud_layers_go_with_pixels():
    some = pixels_of(digits(4))
    problem = UniversalProblem(some.classifier, some.shape, Lp("inf", 0.1), some)
    loud = Loud.of(problem, 1.0, usual=False)
    rows, worth = loud.beside(some.classifier, digits(4))
    assert (rows.shape, worth.shape) == ((4 * 28 * 28, 4), (4,))
    first = tiny()[0](digits(4))
    torch.testing.assert_close(worth, first.flatten(1).square().sum(1).log())
    find_universal(UniversalAscent(passes=1, loud=1.0, batch=2), problem)


@pytest.mark.parametrize("method", [SGA(), JointAscent(count=2), UniversalAscent(classes=(1,))])
def test_methods_that_go_by_one_class_per_image_say_so(method):
    some = pixels_of(digits(4))
    with pytest.raises(InputError, match="one class per image"):
        find_universal(method, UniversalProblem(some.classifier, some.shape, Lp("inf", 0.1), some))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("segmentation")
    (folder / "net.py").write_text(FACTORY)
    asked = {"task": "segmentation", "attack": "ascent:passes=3,target=3", "eps": 0.2, "max_images": 24}
    return universal(f"{folder}/net.py:tiny", "digits", folder / "v", **asked)


def test_rows_and_rates_are_those_of_a_fresh_look(made):
    rows = pq.read_table(made.rows).to_pylist()
    assert [row["kind"] for row in rows] == ["seen"] * 12 + ["unseen"] * 12
    images = torch.cat([block.images for block in open_source("digits", max_images=24).blocks(24)])
    index = [row["index"] for row in rows]
    with torch.no_grad():
        clean = tiny()(images[index]).argmax(1)
        moved = tiny()((images[index] + made.perturbation.tensor).clamp(0, 1)).argmax(1)
    shares = (clean != moved).flatten(1).double().mean(1).numpy()
    np.testing.assert_allclose([row["share_perturbed"] for row in rows], shares)
    assert made.held_out == mean(shares[12:], bounds=(0, 1))
    to_3 = [float((after[before != 3] == 3).double().mean()) for before, after in zip(clean, moved, strict=True)]
    np.testing.assert_allclose([row["share_reached"] for row in rows], to_3)
    assert made.reached == mean(np.array(to_3[12:]), bounds=(0, 1))
    assert made.noise.value < made.held_out.value


def test_the_page_speaks_of_pixels(made, tmp_path):
    from brittle.report.universal_page import write_universal

    page = write_universal(made.folder).read_text()
    assert "of the pixels of held-out images of other classes are taken for 3" in page
    assert "What changed pixels are taken for" in page
    assert page.count("segmentations</span>") == 4
    assert "pixels taken for one class" in page


def test_the_command_says_pixels_and_goes_on_with_the_same_words(tmp_path):
    (tmp_path / "net.py").write_text(FACTORY)
    words = ["universal", f"{tmp_path}/net.py:tiny", "--data", "digits", "--task", "segmentation", "--eps", "0.2"]
    words += ["--attack", "ascent:passes=1", "--max-images", "6", "--out", str(tmp_path / "v")]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    assert "pixels, held-out" in ran.output
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)
    assert told["made"]["task"] == "segmentation"
    assert "--task segmentation" in told["made"]["command"]


def test_seeds_and_patches_go_with_it(tmp_path):
    (tmp_path / "net.py").write_text(FACTORY)
    asked = {"task": "segmentation", "attack": "ascent:passes=1", "norm": "patch", "eps": 8, "max_images": 8}
    made = universal(f"{tmp_path}/net.py:tiny", "digits", tmp_path / "v", seeds=2, **asked)
    assert made.perturbation.threat == Patch(8)
    assert len(made.seeds) == 2


def test_nan_of_clean_images_is_said_of_these():
    class Broken(nn.Module):
        def forward(self, images):
            return images.repeat(1, 3, 1, 1) * torch.nan

    some = ImageSet(PixelRows.of(Classifier(Broken())), digits(4), answers=ClassOfPixels())
    with pytest.raises(ModelError, match="output is NaN or infinite for 1 of 1 images"):
        find_universal(UniversalAscent(passes=1), UniversalProblem(some.classifier, some.shape, Lp("inf", 0.1), some))


def test_a_network_of_the_other_task_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"for one class per image there are brittle\.run and --task classification"):
        universal("digits-lenet", "digits", tmp_path / "v", task="segmentation", eps=0.1, max_images=6)
    with pytest.raises(InputError, match="task is 'depths'; expected 'classification' or 'segmentation' or 'depth'"):
        universal("digits-lenet", "digits", tmp_path / "v", task="depths", eps=0.1, max_images=6)
