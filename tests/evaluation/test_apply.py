"""Stored perturbations of any origin, on any networks: how they are read, and that rates are those of a fresh look."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from brittle import (
    ActivationAscent,
    Classifier,
    InputError,
    Lp,
    Perturbation,
    RunError,
    UniversalProblem,
    find_universal,
)
from brittle.cli import app
from brittle.cli.apply import _names
from brittle.data import open_source
from brittle.evaluation.apply import apply
from brittle.evaluation.foreign import read_perturbation
from brittle.evaluation.gate import ExitCode
from brittle.evaluation.subject import open_subject
from brittle.evaluation.universal import universal
from brittle.models import open_network
from brittle.specs import DataSpec, ModelSpec

CHANGE = 0.3 * torch.randn(1, 28, 28, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
COLOURED = 0.1 * torch.randn(3, 6, 5, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)


@pytest.fixture
def stored(tmp_path):
    place = tmp_path / "v.safetensors"
    Perturbation(CHANGE, Lp("inf", 0.3)).save(place)
    return place


def test_rates_are_those_of_a_fresh_look(stored):
    made = apply([stored], ["digits-lenet"], "digits", max_images=100)
    module = open_network("digits-lenet").module
    images = torch.cat([block.images for block in open_source("digits", max_images=100).blocks(50)])
    with torch.no_grad():
        moved = module((images + CHANGE).clamp(0, 1)).argmax(1) != module(images).argmax(1)
    (cell,) = made.cells
    assert cell.fooled.value == pytest.approx(float(moved.double().mean()))
    assert (cell.fooled.n, cell.noise.n, cell.resampled) == (100, 100, False)
    assert (cell.perturbation, cell.network) == ("v.safetensors", "digits-lenet")
    json.dumps(made.plain(), allow_nan=False)


def test_every_perturbation_of_a_file_is_shown(tmp_path):
    large = 3 * CHANGE
    more = torch.stack([-large, large.flip(2)])
    for made, names in (
        ({}, ["v", "v (2)", "v (3)"]),
        ({"seeds": [{"seed": 4, "rate": 0.5}, {"seed": 3, "rate": 0.4}, {"seed": 9, "rate": 0.6}]},
         ["v", "v (seed 3)", "v (seed 9)"]),
    ):  # fmt: skip
        Perturbation(large * 255, Lp("inf", 255 * 0.9), {**made, "bounds": [0.0, 255.0]}, more * 255).save(
            tmp_path / "v.safetensors"
        )
        Perturbation(more[0], Lp("inf", 0.9)).save(tmp_path / "w.safetensors")
        shown = apply([tmp_path / f"{name}.safetensors" for name in "vw"], ["digits-lenet"], "digits", max_images=60)
        called = [cell.perturbation.replace(".safetensors", "") for cell in shown.cells]
        assert called == [*names, "v (any of 3)", "w"]
        assert shown.cells[1].fooled == shown.cells[4].fooled
        assert shown.cells[0].fooled != shown.cells[1].fooled


def test_any_of_several_fools_whom_one_of_them_fools(tmp_path):
    changes = torch.stack([CHANGE, -CHANGE, CHANGE.flip(2)]) * 3
    Perturbation(changes[0], Lp("inf", 0.9), {}, changes[1:]).save(tmp_path / "v.safetensors")
    cells = apply([tmp_path / "v.safetensors"], ["digits-lenet"], "digits", max_images=80).cells
    module = open_network("digits-lenet").module
    images = torch.cat([block.images for block in open_source("digits", max_images=80).blocks(80)])
    with torch.no_grad():
        clean = module(images).argmax(1)
        fooled = torch.stack([module((images + one).clamp(0, 1)).argmax(1) != clean for one in changes])
    assert [cell.fooled.value for cell in cells] == [
        *fooled.double().mean(1).tolist(),
        float(fooled.any(0).double().mean()),
    ]
    assert cells[3].fooled.value > max(cell.fooled.value for cell in cells[:3])
    assert cells[3].noise.value > max(cell.noise.value for cell in cells[:3]), "other noise is drawn for each"


def test_every_perturbation_meets_every_network(stored, tmp_path):
    np.save(tmp_path / "large.npy", np.ones((16, 16), np.float32) * 0.5)
    made = apply([tmp_path / "large.npy", stored], ["digits-lenet", "digits-lenet"], "digits", max_images=10)
    read = [(cell.perturbation, cell.resampled) for cell in made.cells]
    assert read == [*2 * [("large.npy", True)], *2 * [("v.safetensors", False)]]
    assert made.said[0] == "large.npy: numbers up to 0.5, read as those of images from 0 to 1"


def test_noise_has_the_size_of_the_perturbation(tmp_path):
    tiny = tmp_path / "v.safetensors"
    Perturbation(torch.full((1, 28, 28), 1e-6), Lp("inf", 0.5)).save(tiny)
    (cell,) = apply([tiny], ["digits-lenet"], "digits", max_images=50).cells
    assert cell.noise.value == cell.fooled.value == 0


def test_several_of_one_name_are_told_by_their_paths(stored, tmp_path):
    other = tmp_path / "b" / "v.safetensors"
    other.parent.mkdir()
    Perturbation(-CHANGE, Lp("inf", 0.3)).save(other)
    cells = apply([stored, other], ["digits-lenet"], "digits", max_images=5).cells
    assert [cell.perturbation for cell in cells] == [str(stored), str(other)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("shape", ["chw", "nchw", "hwc", "nhwc"])
def test_arrays_of_any_layout_are_read(dtype, shape, tmp_path):
    values = COLOURED.numpy().astype(dtype)
    laid = values.transpose(1, 2, 0) if "hwc" in shape else values
    np.save(tmp_path / "v.npy", np.ascontiguousarray(laid[None] if shape[0] == "n" else laid))
    found, said = read_perturbation(tmp_path / "v.npy")
    torch.testing.assert_close(found.tensor, torch.from_numpy(values).float())
    assert said.endswith("read as those of images from 0 to 1")


def test_numbers_above_1_are_levels_of_255_and_the_user_may_say_so(tmp_path):
    np.save(tmp_path / "v.npy", (COLOURED * 255).round().numpy().astype(np.int16))
    found, said = read_perturbation(tmp_path / "v.npy")
    torch.testing.assert_close(found.tensor, (COLOURED * 255).round() / 255)
    assert "from 0 to 255" in said
    np.save(tmp_path / "faint.npy", COLOURED.numpy())
    faint, said = read_perturbation(tmp_path / "faint.npy", "255")
    torch.testing.assert_close(faint.tensor, COLOURED / 255)
    assert "from 0 to 255" in said


def test_tensors_and_pictures_are_read(tmp_path):
    save_file({"anything": COLOURED[None].contiguous()}, tmp_path / "v.safetensors")
    torch.testing.assert_close(read_perturbation(tmp_path / "v.safetensors")[0].tensor, COLOURED)
    levels = (128 + COLOURED * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(np.ascontiguousarray(levels)).save(tmp_path / "v.png")
    found, said = read_perturbation(tmp_path / "v.png")
    torch.testing.assert_close(found.tensor, (COLOURED * 255).round() / 255)
    assert said == "a picture, whose level 128 is no change"


def test_what_brittle_made_for_255_levels_is_brought_to_1(tmp_path):
    place = tmp_path / "v.safetensors"
    Perturbation(CHANGE * 255, Lp("inf", 255 * 0.3), {"bounds": [0.0, 255.0]}).save(place)
    found, said = read_perturbation(place)
    torch.testing.assert_close(found.tensor, CHANGE)
    assert found.threat.radius == pytest.approx(0.3)
    assert said == "made by brittle for images from 0 to 255"
    faint = Perturbation(CHANGE / 2, Lp("inf", 0.15), {"bounds": [-1.0, 1.0]})
    faint.save(place)
    torch.testing.assert_close(read_perturbation(place)[0].tensor, CHANGE / 4)
    torch.testing.assert_close(read_perturbation(place, "255")[0].tensor, CHANGE / 4)


def test_one_with_large_values_is_what_it_was_made_as(tmp_path):
    """In l2 single values may be larger than 1; they are no levels of 255 for that."""
    large = torch.zeros(1, 28, 28)
    large[0, 10:18, 12] = 1.5
    Perturbation(large, Lp(2, 20.0)).save(tmp_path / "perturbation.safetensors")
    found, said = read_perturbation(tmp_path / "perturbation.safetensors")
    assert torch.equal(found.tensor, large)
    assert said == "made by brittle"
    made = universal(
        "digits-lenet", "digits", tmp_path / "v", attack="ascent:passes=3", norm="l2", eps=20, max_images=60, held_out=0
    )
    assert made.perturbation.tensor.abs().max() == 1.0
    (cell,) = apply([tmp_path / "v"], ["digits-lenet"], "digits", max_images=60).cells
    assert cell.fooled == made.training
    assert cell.fooled.value > 0.5


def test_a_search_says_the_bounds_that_it_was_for():
    problem = UniversalProblem(Classifier(open_network("digits-lenet").module), (1, 28, 28), Lp("inf", 0.1))
    found = find_universal(ActivationAscent(passes=1, steps=1), problem, lambda _: 0.0)
    assert found.made["bounds"] == [0.0, 1.0]


def cut(path, end, more=b""):
    np.save(path, np.zeros((1, 4, 6)))
    path.write_bytes(path.read_bytes()[:end] + more)


@pytest.mark.parametrize(
    ("name", "write", "error", "message"),
    [
        ("v.txt", lambda path: path.write_text("1"), InputError, "ends with '.txt'; expected a folder of"),
        ("v.npy", lambda path: path.write_bytes(b"nothing"), RunError, "is no perturbation that can be read"),
        ("v.npy", lambda path: np.save(path, np.zeros((2, 2, 2, 2))), RunError, r"its shape is \(2, 2, 2, 2\)"),
        ("v.npy", lambda path: np.save(path, np.array(["a"])), RunError, "expected numbers"),
        ("v.npy", lambda path: np.save(path, np.full((1, 2, 2), np.nan)), RunError, "holds NaN or infinite values"),
        ("v.safetensors", lambda path: save_file({"a": CHANGE, "b": CHANGE + 1}, path), RunError, "holds 2 tensors"),
        ("v.png", lambda path: path.write_bytes(b""), RunError, "is no perturbation that can be read"),
        ("v.npy", lambda path: None, RunError, "does not exist; expected a folder of `brittle universal`, or a file"),
        ("v", lambda path: None, RunError, "does not exist; expected a folder"),
        ("v.npy", lambda path: cut(path, -40), RunError, r"declares 192 bytes \(shape \(1, 4, 6\)\) and holds 152"),
        ("v.npy", lambda path: cut(path, None, b"xy"), RunError, r"declares 192 bytes .* and holds 194"),
        ("v.safetensors", lambda path: save_file({"a": CHANGE.bool()}, path), RunError, "holds torch.bool"),
        ("v.safetensors", lambda path: save_file({"a": CHANGE.cfloat()}, path), RunError, "holds torch.complex64"),
    ],
)
def test_what_is_no_perturbation_is_refused(name, write, error, message, tmp_path):
    write(tmp_path / name)
    with pytest.raises(error, match=message):
        read_perturbation(tmp_path / name)


def test_another_number_of_channels_and_nothing_are_refused(tmp_path):
    np.save(tmp_path / "v.npy", COLOURED.numpy())
    with pytest.raises(InputError, match="has 3 channels and the images of digits-lenet have 1"):
        apply([tmp_path / "v.npy"], ["digits-lenet"], "digits", max_images=5)
    with pytest.raises(InputError, match="give at least one perturbation and one network"):
        apply([], ["digits-lenet"], "digits")
    with pytest.raises(InputError, match="labels is given, which does nothing here"):
        apply([tmp_path / "v.npy"], ["digits-lenet"], "digits", labels=10)


def test_behind_a_channel_both_classes_are_of_what_came_through(stored):
    plain, behind = apply([stored], ["digits-lenet"], "digits", channels=["blur:sigma=2"], max_images=60).cells
    assert (plain.channel, behind.channel) == ("", "blur:sigma=2")
    assert behind.fooled.n == plain.fooled.n == 60
    audited = open_subject(ModelSpec("digits-lenet", channel="blur:sigma=2"), DataSpec("digits", max_images=60))
    images = torch.cat([block.images for block in audited.source.blocks(60)])
    with torch.no_grad():
        clean, moved = (audited.classifier.logits(one).argmax(1) for one in (images, (images + CHANGE).clamp(0, 1)))
    assert behind.fooled.value == pytest.approx(float((clean != moved).double().mean()))


def test_behind_a_defence_its_own_cost_is_told(stored):
    asked = {"defences": ["subspace:count=60", "bit-depth:bits=1"], "defence_data": "digits:train", "max_images": 60}
    plain, subspace, levels = apply([stored], ["digits-lenet"], "digits", **asked).cells
    assert (plain.cost, subspace.channel, levels.channel) == (None, "subspace:count=60", "bit-depth:bits=1")
    defended = open_subject(
        ModelSpec("digits-lenet", defence="subspace:count=60", defence_data="digits:train"),
        DataSpec("digits", max_images=60),
    )
    images = torch.cat([block.images for block in defended.source.blocks(60)])
    inner = defended.defended.inner
    with torch.no_grad():
        clean, moved = (defended.classifier.logits(one).argmax(1) for one in (images, (images + CHANGE).clamp(0, 1)))
        without = inner.logits(images).argmax(1)
    assert subspace.fooled.value == pytest.approx(float((clean != moved).double().mean()))
    assert subspace.cost.value == pytest.approx(float((clean != without).double().mean()))
    assert subspace.cost.value > 0


def test_a_defence_that_refuses_images_or_lacks_some_is_refused(stored):
    with pytest.raises(InputError, match="perturbations are not judged by refusals"):
        apply([stored], ["digits-lenet"], "digits", defences=["lid"], defence_data="digits:train", max_images=4)
    with pytest.raises(InputError, match="needs 200 clean training images, and none were given"):
        apply([stored], ["digits-lenet"], "digits", defences=["subspace"], max_images=4)


def test_networks_of_one_name_are_told_apart(stored, tmp_path):
    modules = [open_network("digits-lenet").module, torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))]
    wrapped = [torch.nn.Sequential(one) for one in modules]
    made = apply([stored], [Classifier(one) for one in wrapped], "digits", max_images=10)
    assert [cell.network for cell in made.cells] == ["Sequential", "Sequential (2)"]
    cells = [replace(made.cells[0], network=f"{folder}/net.pt2") for folder in "ab"]
    assert _names(replace(made, cells=tuple(cells))) == {"a/net.pt2": "a/net.pt2", "b/net.pt2": "b/net.pt2"}


@pytest.mark.parametrize("name", ["m.jpg", "v.safetensors", "other.png"])
def test_a_picture_replaces_nothing_but_a_picture(name, stored, tmp_path):
    (tmp_path / "other.png").write_text("notes")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    line = ["apply", str(stored), "--model", "digits-lenet", "--data", "digits", "--max-images", "4"]
    said = CliRunner().invoke(app, [*line, "--picture", str(tmp_path / name)])
    assert isinstance(said.exception, InputError) or said.exit_code == ExitCode.REFUSED
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_picture_does_not_replace_the_perturbation_that_it_shows(tmp_path):
    place = tmp_path / "v.png"
    Image.fromarray(np.full((28, 28), 140, np.uint8)).save(place)
    before = place.read_bytes()
    line = ["apply", str(place), "--model", "digits-lenet", "--data", "digits", "--max-images", "4"]
    said = CliRunner().invoke(app, [*line, "--picture", str(tmp_path / "." / "v.png")])
    assert isinstance(said.exception, InputError) or said.exit_code == ExitCode.REFUSED
    assert place.read_bytes() == before


def test_images_that_cannot_be_read_are_told_of(stored, tmp_path):
    folder = tmp_path / "images" / "0"
    folder.mkdir(parents=True)
    for name in "ab":
        Image.new("L", (28, 28)).save(folder / f"{name}.png")
    (folder / "torn.png").write_bytes((folder / "a.png").read_bytes()[:30])
    made = apply([stored], ["digits-lenet"], tmp_path / "images", skip_bad=True)
    assert made.cells[0].fooled.n == 2
    told = [line for line in made.said if "could not be read" in line]
    assert len(told) == 1
    assert "left out: 1 image that could not be read: " in told[0]
    assert "torn.png" in told[0]
    found = universal(
        "digits-lenet", tmp_path / "images", tmp_path / "v", attack="ascent:passes=1", skip_bad=True, held_out=0
    )
    assert told[0] in found.said


def test_binary_networks_are_taken(stored, tmp_path):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 1))
    with torch.no_grad():
        module[1].weight.mul_(100)
    (cell,) = apply([stored], [module], "digits", binary=True, max_images=10).cells
    assert cell.fooled.n == 10
    said = CliRunner().invoke(app, ["apply", "--help"])
    assert "--binary" in said.stdout
    assert "--probabilities" in said.stdout


def test_the_command_prints_a_line_for_each_pair_and_draws_them(stored, tmp_path):
    line = ["apply", str(stored), "--model", "digits-lenet", "--data", "digits", "--max-images", "40"]
    line += ["--picture", str(tmp_path / "m.png")]
    said = CliRunner().invoke(app, line)
    assert said.exit_code == 0
    told = json.loads(CliRunner().invoke(app, [*line, "--json"]).stdout)
    (cell,) = told["cells"]
    assert f"{cell['fooled']['value']:.1%}" in said.stderr
    assert "by noise" in said.stderr
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.size[0] > 96


def test_one_perturbation_and_one_network_need_no_list(stored):
    given = (stored, str(stored), Perturbation.load(stored), [Perturbation.load(stored)])
    cells = [apply(one, "digits-lenet", "digits", max_images=40).cells[0] for one in given]
    assert len({cell.fooled for cell in cells}) == 1
    assert [cell.perturbation for cell in cells] == ["v.safetensors"] * 2 + ["perturbation 1"] * 2
