from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from brittle import Frame, InputError, LabelError, ModelError, Patch, RunError
from brittle.data import open_source
from brittle.evaluation.attack import attack
from brittle.evaluation.plan import attack_for
from brittle.maths.geometry import warp
from brittle.models import Network, open_network
from brittle.threats import parse_threat


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
    assert -0.5 < saved[0].cost < 0.5


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
        attack("digits-lenet", str(image), tmp_path / "other", target=10)


def test_a_deformation_is_saved_with_its_field_its_pictures_and_an_animation(folder: Path, tmp_path: Path):
    image = next(folder.glob("*/0.png"))
    (saved,) = attack("digits-lenet", str(image), tmp_path / "out", attack="adef", eps=2.5)
    module = open_network("digits-lenet").module
    assert saved.success
    assert int(module(read(saved.path)).argmax()) == saved.after != saved.label
    assert saved.cost is None
    field = load_file(saved.path.with_suffix(".safetensors"))["field"]
    assert saved.flow == pytest.approx(float(field.norm(dim=0).max()))
    assert saved.flow <= 2.5 + 1e-5
    bent = (warp(read(image), field[None]) * 255).round() / 255
    torch.testing.assert_close(bent, read(saved.path))
    with Image.open(saved.path.with_suffix(".moving.png")) as moving:
        assert moving.n_frames > 10
    with Image.open(saved.path.with_suffix(".vectors.png")) as sheet:
        assert sheet.width > 3.5 * sheet.height


def test_an_unwritable_folder_is_refused(folder: Path, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="give another folder"):
        attack("digits-lenet", str(folder), tmp_path / "file" / "out")


def test_a_network_of_probabilities_is_attacked_when_it_is_said(folder: Path, tmp_path: Path):
    soft = torch.nn.Sequential(open_network("digits-lenet").module, torch.nn.Softmax(1))
    network = Network("soft", soft, "0" * 64, (1, 28, 28))
    image = str(next(folder.glob("*/0.png")))
    with pytest.raises(ModelError, match=r"they look like probabilities.* or --probabilities"):
        attack(network, image, tmp_path / "out")
    saved = attack(network, image, tmp_path / "out", probabilities=True)
    assert saved[0].success
    assert int(soft(read(saved[0].path)).argmax()) == saved[0].after != saved[0].label


def test_files_are_on_the_levels_asked_for_and_others_are_refused(folder: Path, tmp_path: Path):
    image = str(next(folder.glob("*/0.png")))
    saved = attack("digits-lenet", image, tmp_path / "out", quantization=16)[0]
    assert saved.success
    assert set((read(saved.path) * 255).round().flatten().tolist()) <= set(range(0, 256, 17))
    with pytest.raises(InputError, match="quantization is 100; expected 256, or fewer"):
        attack("digits-lenet", image, tmp_path / "out", quantization=100)


def test_what_no_file_can_hold_is_said(folder: Path, tmp_path: Path):
    """Within less than half a level there is a change, but no other 8-bit image."""
    steep = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 2))
    with torch.no_grad():
        steep[1].weight.copy_(torch.stack([torch.zeros(784), torch.ones(784)]))
        block = next(open_source(str(next(folder.glob("*/0.png")))).blocks(1))
        steep[1].bias.copy_(torch.tensor([float(block.images.sum()) + 0.5, 0.0]))
    network = Network("steep", steep, "0" * 64, (1, 28, 28))
    image = str(next(folder.glob("*/0.png")))
    saved = attack(network, image, tmp_path / "out", attack="pgd:steps=5", norm="linf", eps=0.003)[0]
    assert (saved.path, saved.cost, saved.success, saved.lost) == (None, None, False, True)


@pytest.mark.parametrize(("norm", "radius"), [("patch", 12), ("frame", 4)])
def test_patches_and_frames_need_no_attack_named_and_say_how_large_they_are(
    norm: str, radius: int, folder: Path, tmp_path: Path
):
    saved = attack("digits-lenet", str(next(folder.glob("*/0.png"))), tmp_path / "out", norm=norm, eps=radius)
    assert saved[0].success
    clean, changed = (read(path) for path in (next(folder.glob("*/0.png")), saved[0].path))
    threat = {"patch": Patch(radius), "frame": Frame(radius)}[norm]
    assert (saved[0].norm, saved[0].size) == (norm, float(threat.size(clean, changed)))
    assert 1 <= saved[0].size <= radius
    assert saved.table()["size"].to_pylist() == [saved[0].size]


def test_the_attack_by_default_goes_with_the_norm():
    assert [attack_for(parse_threat(name)) for name in ("linf", "l0", "patch", "frame", "flow")] == [
        *("deepfool", "support-descent", "patch-ascent", "patch-ascent", "adef"),
    ]
    assert attack_for(parse_threat("colour")) == "deepfool", "which says that it does not know it"


def test_a_radius_far_from_the_usual_one_is_told_of(tmp_path):
    asked = {"attack": "pgd:steps=2", "norm": "linf", "max_images": 2}
    lines: list[str] = []
    attack("digits-lenet", "digits", tmp_path / "little", eps=2 / 255, tell=lines.append, **asked)
    assert any(line.startswith("the linf radius 2/255 is 38 times smaller than 0.3") for line in lines)
    lines.clear()
    attack("digits-lenet", "digits", tmp_path / "usual", eps=0.3, tell=lines.append, **asked)
    assert not any("radius" in line for line in lines)
