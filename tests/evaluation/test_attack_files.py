from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from brittle import LabelError, RunError
from brittle.data import open_source
from brittle.evaluation.attack import attack
from brittle.models import open_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    block = next(open_source("digits").blocks(6))
    for number, image in enumerate(block.images):
        path = tmp_path / "images" / str(int(block.labels[number])) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image[0] * 255).round().to(torch.uint8).numpy()).save(path)
    return tmp_path / "images"


def read(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(path)).copy())[None, None].float() / 255


def test_saved_images_are_adversarial_when_read_back(folder: Path, tmp_path: Path):
    saved = attack("digits-lenet", str(next(folder.glob("*/0.png"))), tmp_path / "out")
    module = open_network("digits-lenet").module
    assert len(saved) == 1
    assert saved[0].success
    assert int(module(read(saved[0].path)).argmax()) == saved[0].after != saved[0].label
    assert saved[0].lengthened >= 1


def test_a_radius_is_kept_in_the_file(folder: Path, tmp_path: Path):
    eps = 51 / 255
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in folder.glob("*/*.png"):
        path.rename(flat / path.name)
    saved = attack("digits-lenet", str(flat), tmp_path / "out", attack="pgd:steps=10", norm="linf", eps=eps)
    assert len(saved) == 6
    assert any(one.success for one in saved)
    assert all(one.linf <= eps + 1e-6 for one in saved)


def test_a_target_is_reached(folder: Path, tmp_path: Path):
    image = next(folder.glob("*/1.png"))
    target = (int(image.parent.name) + 1) % 10
    saved = attack("digits-lenet", str(image), tmp_path / "out", target=target)
    assert saved[0].after == target
    with pytest.raises(LabelError, match="10 outputs"):
        attack("digits-lenet", str(image), tmp_path / "out", target=10)


def test_an_unwritable_folder_is_refused(folder: Path, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot be made"):
        attack("digits-lenet", str(folder), tmp_path / "file" / "out")
