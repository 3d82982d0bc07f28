"""One patch, or one frame, for all images: what a search makes, how it is kept, and what it does to other networks."""

import json

import pytest
import torch
from affine import convolutional
from torch import nn
from typer.testing import CliRunner

from brittle import (
    SGA,
    Classifier,
    Frame,
    ImageSet,
    InputError,
    JointAscent,
    Lp,
    Patch,
    Perturbation,
    UniversalAscent,
    UniversalProblem,
    UnsupportedThreat,
    find_universal,
)
from brittle.cli import app
from brittle.data import open_source
from brittle.evaluation.apply import apply
from brittle.evaluation.universal import universal
from brittle.models import open_network
from brittle.universal_attacks.gd_uap import GDUAP


class Brightness(nn.Module):
    """Class 1 where an image's mean is above a level."""

    def __init__(self, level: float):
        super().__init__()
        self.level = level

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.flatten(1).mean(1)
        return torch.stack([self.level - mean, mean - self.level], 1) * 20


def dark(count: int = 12, side: int = 8) -> torch.Tensor:
    return 0.2 * torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(count))


METHODS = [
    UniversalAscent(passes=12, batch=4),
    UniversalAscent(passes=12, batch=4, large=8),
    SGA(passes=6, batch=8, small=4),
    JointAscent(count=2, passes=10, batch=4),
]


@pytest.mark.parametrize("threat", [Patch(5), Frame(2)])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_the_brightest_content_is_found_where_brightness_decides(threat, method):
    some = ImageSet(Classifier(Brightness(0.4)), dark())
    found = find_universal(method, UniversalProblem(some.classifier, some.shape, threat, some))
    worn = some.under(threat)
    assert worn.fooling_rate(found.tensor) == 1
    assert worn.fooling_rate(torch.full_like(found.tensor, 0.3)) == 0
    assert found.tensor.shape == ((1, 5, 5) if isinstance(threat, Patch) else (1, 8, 8))
    covered = found.tensor if isinstance(threat, Patch) else found.tensor[:, :2]
    assert covered.mean() > 0.8
    assert 0 <= float(found.tensor.min()) <= float(found.tensor.max()) <= 1
    assert found.size == threat.radius


def test_each_gradient_is_of_new_places_and_the_judge_looks_at_the_same():
    some = ImageSet(convolutional(), dark(20), threat=Patch(3))
    seen: list[bytes] = []
    handle = some.classifier.module.register_forward_pre_hook(
        lambda _, given: seen.append((given[0][0] > 0.3).numpy().tobytes())
    )
    method = UniversalAscent(passes=3, batch=20)
    find_universal(method, UniversalProblem(some.classifier, some.shape, Patch(3), some), lambda _: 0.0)
    handle.remove()
    assert len({*seen}) >= 3
    patch = torch.ones(1, 3, 3)
    assert torch.equal(some.predictions(patch), some.predictions(patch))
    rows = torch.arange(20)
    by_fives = ImageSet(some.classifier, dark(20), batch=5, threat=Patch(3))
    assert torch.equal(
        some.worn(some.at(rows), patch, rows)[5:10], by_fives.worn(some.at(rows[5:10]), patch, rows[5:10])
    )


def test_it_is_kept_with_its_threat_and_refused_where_it_is_larger(tmp_path):
    made = Perturbation(
        torch.rand(3, 4, 4), Patch(4), {"image": [20, 16], "bounds": [0.0, 1.0]}, torch.rand(1, 3, 4, 4)
    )
    made.save(tmp_path / "p.safetensors")
    again = Perturbation.load(tmp_path / "p.safetensors")
    assert again.threat == Patch(4)
    assert torch.equal(again.tensor, made.tensor)
    assert again.id == made.id
    assert made.id != Perturbation(made.tensor, Frame(4), more=made.more).id
    with pytest.raises(InputError, match="the patch is 5 pixels large, more than its radius 4"):
        Perturbation(torch.rand(3, 5, 5), Patch(4))


def test_for_images_of_another_size_it_covers_the_same_fraction():
    made = Perturbation(torch.rand(3, 4, 4), Patch(4), {"image": [20, 16]})
    larger = made.resampled(40, 32)
    assert (larger.tensor.shape, larger.threat, larger.made["resampled_from"]) == ((3, 8, 8), Patch(8), [20, 16])
    assert made.resampled(20, 16) is made
    frame = Perturbation(torch.rand(1, 16, 16), Frame(2), {"image": [16, 16]}).resampled(32, 32)
    assert (frame.tensor.shape, frame.threat) == ((1, 32, 32), Frame(4))


def test_apply_puts_it_at_another_place_of_each_image():
    patch = Perturbation(torch.ones(1, 2, 2), Patch(2), {"image": [8, 8]})
    moved = patch.apply(torch.zeros(50, 1, 8, 8))
    assert (moved.flatten(1).sum(1) == 4).all()
    assert len(moved.unique(dim=0)) > 25
    assert torch.equal(moved, patch.apply(torch.zeros(50, 1, 8, 8)))
    assert not torch.equal(moved, patch.apply(torch.zeros(50, 1, 8, 8), seed=1))


def test_one_that_nobody_made_for_an_image_keeps_its_side():
    moved = Perturbation(torch.ones(1, 5, 5), Patch(5)).apply(torch.zeros(3, 1, 28, 28))
    assert (moved.flatten(1).sum(1) == 25).all()


def test_a_set_that_is_not_for_patches_says_so():
    some = ImageSet(convolutional(), dark())
    with pytest.raises(InputError, match=r"under\(Patch\(side\)\)"):
        some.fooling_rate(torch.ones(1, 3, 3))


def test_universal_apply_and_python_put_it_at_the_same_places(tmp_path):
    asked = {"norm": "patch", "eps": 12, "max_images": 60, "seed": 3, "attack": "ascent:passes=2"}
    made = universal("digits-lenet", "digits", tmp_path / "v", made_from="digits:train", **asked)
    (cell,) = apply([tmp_path / "v"], ["digits-lenet"], "digits", max_images=60).cells
    assert made.held_out == cell.fooled
    module = open_network("digits-lenet").module
    images = torch.cat([block.images for block in open_source("digits", max_images=60).blocks(60)])
    with torch.no_grad():
        fooled = module(made.perturbation.apply(images)).argmax(1) != module(images).argmax(1)
    assert cell.fooled.value == pytest.approx(float(fooled.double().mean()))


def test_methods_without_mathematics_for_patches_say_so():
    some = ImageSet(convolutional(), dark())
    with pytest.raises(UnsupportedThreat, match="linf, not with patch"):
        find_universal(GDUAP(), UniversalProblem(some.classifier, some.shape, Patch(3), some))


def test_the_command_makes_a_patch_and_apply_shows_it(tmp_path):
    words = ["universal", "digits-lenet", "--data", "digits", "--norm", "patch", "--eps", "12", "--max-images", "80"]
    words += ["--attack", "ascent:passes=4", "--out", str(tmp_path / "v"), "--json"]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.output)
    assert told["size"] == 12
    assert told["fooling"]["held_out"]["value"] > told["fooling"]["noise"]["value"]
    page = (tmp_path / "v" / "report.html").read_text()
    assert "a patch of 12 pixels" in page
    assert "One and the same patch, at a random place of every image" in page
    again = CliRunner().invoke(app, words)
    assert json.loads(again.output) == told
    (cell,) = apply([tmp_path / "v"], ["digits-lenet"], "digits", max_images=80).cells
    assert not cell.resampled
    assert cell.fooled.value > cell.noise.value


@pytest.mark.parametrize("norm", ["patch", "frame"])
@pytest.mark.parametrize("eps", [0.5, 2.5])
def test_sides_are_whole_pixels(norm, eps, tmp_path):
    with pytest.raises(InputError, match=f"the radius is {eps}, and a {norm} is measured in whole pixels"):
        universal("digits-lenet", "digits", tmp_path / "v", norm=norm, eps=eps, max_images=10)


def test_the_usual_side_is_taken_where_none_is_said(tmp_path):
    made = universal("digits-lenet", "digits", tmp_path / "v", norm="frame", attack="ascent:passes=1", max_images=10)
    assert made.perturbation.threat == Frame(1)


def test_norms_keep_their_set_of_images():
    some = ImageSet(convolutional(), dark())
    assert UniversalProblem(some.classifier, some.shape, Lp(2, 1.0), some).images is some
    clean = some.clean
    assert some.under(Patch(2)).clean is clean
