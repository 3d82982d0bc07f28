"""The artefact: applied, resampled, saved and read back."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file

from brittle import Bounds, InputError, Lp, RunError
from brittle.universal_attacks.perturbation import Perturbation


def change(p: float | str = "inf", radius: float = 0.1) -> Perturbation:
    values = torch.rand(3, 8, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    values = values if p == "inf" else values / values.norm()
    return Perturbation(values * radius, Lp(p, radius), {"method": "by hand", "passes": [1, 2]})


def test_it_is_added_to_every_image_and_clamped():
    images = torch.rand(4, 3, 8, 6)
    moved = change().apply(images)
    assert torch.equal(moved, (images + change().tensor).clamp(0, 1))
    wide = change().apply(images * 255, Bounds(0, 255))
    assert torch.equal(wide, (images * 255 + change().tensor).clamp(0, 255))


@pytest.mark.parametrize("address", ["s3://bucket/v.safetensors", "file:///tmp/v.safetensors"])
def test_it_is_saved_on_this_machine_alone(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"looks like an address, which would be {address};"):
        change(2).save(address)
    assert not [*tmp_path.iterdir()]


def test_the_file_holds_everything(tmp_path):
    for p in ("inf", 2):
        made = change(p)
        made.save(tmp_path / "v.safetensors")
        read = Perturbation.load(tmp_path / "v.safetensors")
        assert torch.equal(read.tensor, made.tensor)
        assert (read.threat, read.made) == (made.threat, made.made)


def test_another_size_is_resampled_and_said_so():
    constant = Perturbation(torch.full((1, 4, 4), 0.05), Lp("inf", 0.05))
    larger = constant.resampled(9, 7)
    assert larger.tensor.shape == (1, 9, 7)
    assert torch.allclose(larger.tensor, torch.full((1, 9, 7), 0.05))
    assert larger.made["resampled_from"] == [4, 4]
    assert constant.resampled(4, 4) is constant
    for height, width in ((5, 3), (16, 16), (3, 20)):
        assert change().resampled(height, width).size <= change().size + 1e-6
    assert change().apply(torch.zeros(2, 3, 16, 12)).shape == (2, 3, 16, 12)


def test_the_size_is_that_of_the_norm():
    assert change().size == pytest.approx(float(change().tensor.abs().max()))
    assert change(2).size == pytest.approx(float(change(2).tensor.norm()))


def test_what_cannot_be_meant_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"shape \(3, 3\)"):
        Perturbation(torch.zeros(3, 3), Lp(2, 1.0))
    with pytest.raises(InputError, match="NaN"):
        Perturbation(torch.full((1, 2, 2), math.nan), Lp(2, 1.0))
    with pytest.raises(InputError, match="3 channels and the images have 1"):
        change().apply(torch.zeros(2, 1, 8, 6))
    (tmp_path / "no.safetensors").write_bytes(b"something else")
    for name in ("no.safetensors", "missing.safetensors"):
        with pytest.raises(RunError, match="no perturbation of brittle"):
            Perturbation.load(tmp_path / name)


HEADER = {"format": 1, "p": "inf", "radius": 0.1, "made": {}}


@pytest.mark.parametrize(
    ("header", "tensor", "message"),
    [
        (HEADER | {"radius": 0.01}, None, "it has the size 0.1, more than its radius 0.01"),
        (HEADER | {"radius": "0.1"}, None, "the radius is '0.1'; expected a number"),
        (HEADER | {"radius": None}, None, "the radius is None"),
        (HEADER | {"radius": True}, None, "the radius is True"),
        (HEADER | {"radius": -1}, None, "the radius is -1"),
        (HEADER | {"p": [2]}, None, "the norm is a list"),
        (HEADER | {"p": "7"}, None, "the norm is '7'"),
        (HEADER | {"made": "by hand"}, None, "made is 'by hand'"),
        (HEADER | {"made": []}, None, "made is a list"),
        (HEADER | {"format": 7}, None, "of another format than 1"),
        ([1], None, "of another format than 1"),
        (HEADER, torch.zeros(1, 2, 2, dtype=torch.int64), "torch.int64; expected floats"),
        (HEADER, torch.zeros(1, 0, 2), "expected floats"),
        (HEADER, torch.full((1, 2, 2), math.inf), "NaN or infinite"),
        (HEADER | {"id": "0" * 64}, None, "its id is not that of its content"),
    ],
)
def test_a_file_that_does_not_say_the_truth(tmp_path, header, tensor, message):
    values = torch.full((1, 2, 2), 0.1) if tensor is None else tensor
    save_file({"perturbation": values}, tmp_path / "v.safetensors", {"brittle": json.dumps(header)})
    with pytest.raises(RunError, match=rf"no perturbation of brittle \(.*{message}"):
        Perturbation.load(tmp_path / "v.safetensors")


def test_what_was_resampled_may_be_larger_than_its_radius(tmp_path):
    larger = change(2).resampled(16, 12)
    larger.save(tmp_path / "v.safetensors")
    assert Perturbation.load(tmp_path / "v.safetensors").size > larger.threat.radius
