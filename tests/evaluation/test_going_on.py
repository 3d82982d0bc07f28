"""What going on with a run looks at: a few stored answers, the parts' stamps, and what a watch is told."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from brittle import Classifier, RunError
from brittle.data import open_source
from brittle.evaluation.audit import audit
from brittle.evaluation.recheck import ask_again
from brittle.models import Network
from brittle.runs.store import RunFolder

pytestmark = pytest.mark.usefixtures("few_checks")

COUNT = 66
"""Images of two parts."""
KEY = "noise_draws=1"


class Light(torch.nn.Module):
    """Class 1 where an image is light; the other class where its first pixel is `lies`."""

    def __init__(self, lies: float = 9.0):
        super().__init__()
        self.lies, self.asked = lies, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.asked += len(images)
        light = images.flatten(1)[:, 1:].mean(1)
        lied = (images[:, 0, 0, 0] - self.lies).abs() < 1e-3
        margin = torch.where(lied, -1.0, 1.0) * 40 * (light - 0.5)
        return torch.stack([-margin, margin], 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An audit whose images know their number: it is the level of their first pixel."""
    folder = tmp_path_factory.mktemp("going-on")
    images = np.full((COUNT, 1, 2, 2), 40, np.uint8)
    images[1::2] = 210
    images[:, 0, 0, 0] = np.arange(COUNT)
    np.savez(folder / "data.npz", images=images, labels=np.arange(COUNT) % 2)
    network = Network("light", Light(), "0" * 64, (1, 2, 2), ("dark", "light"))
    made = audit(network, str(folder / "data.npz"), folder / "run", attacks=["noise:draws=1"], eps=0.05, batch=2)
    return made, open_source(str(folder / "data.npz"))


@pytest.mark.parametrize(("blocks", "asked"), [((0,), [0, 1, 2]), ((1,), [64, 65]), ((0, 1), [0, 1, 64])])
def test_three_images_of_the_first_and_the_last_part_are_asked_anew(run, blocks, asked):
    folder, source = run
    parts = {(block, KEY) for block in blocks}
    module = Light()
    said = ask_again(folder, parts, Classifier(module), source)
    plural = "s" if len(parts) > 1 else ""
    count = len(asked)
    assert said == (
        f"Went on with {len(parts)} finished part{plural} of an earlier call; {count} of their images were asked anew "
        "and answered as stored."
    )
    assert module.asked == count
    for number in range(COUNT):
        if number in asked:
            with pytest.raises(
                RunError, match=rf"of {count} stored answers that were asked anew 1 differ(.|\n)*image {number} "
            ):
                ask_again(folder, parts, Classifier(Light(number / 255)), source)
        elif number < 5 or number > 60:
            ask_again(folder, parts, Classifier(Light(number / 255)), source)


def test_parts_are_stamped_with_run_attack_and_block(run):
    folder, _ = run
    for block in (0, 1):
        stamp = pq.read_schema(folder.part_path(KEY, block)).metadata
        assert stamp[b"brittle.identity"].decode() == folder.manifest.identity
        assert stamp[b"brittle.attack"].decode() == KEY
        assert stamp[b"brittle.block"] == str(block).encode()


def test_a_folder_that_is_only_read_is_closed_without_harm(run):
    folder, _ = run
    with RunFolder.open(folder.path) as opened:
        assert opened.manifest.identity == folder.manifest.identity
    opened.close()
    assert json.loads((folder.path / "manifest.json").read_text())["status"] == "finished"


class Told:
    """A watch that remembers."""

    def __init__(self):
        self.begun: list[tuple[int, int]] = []
        self.advanced: list[tuple[str, int]] = []
        self.notes: list[str] = []

    def begin(self, total: int, done: int) -> None:
        self.begun.append((total, done))

    def advance(self, attack: str, images: int) -> None:
        self.advanced.append((attack, images))

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_watch_is_told_of_every_image_and_of_those_that_cannot_be_read(tmp_path: Path):
    path = tmp_path / "images" / "light" / "4.png"
    path.parent.mkdir(parents=True)
    for number in range(5):
        Image.fromarray(np.full((2, 2), 200 + number, np.uint8)).save(path.with_name(f"{number}.png"))
    cut = path.read_bytes()
    path.write_bytes(cut[: len(cut) // 2])
    Image.fromarray(np.full((2, 2), 30, np.uint8)).save(path.parent.parent / "dark.png")
    (path.parent.parent / "dark").mkdir()
    (path.parent.parent / "dark.png").rename(path.parent.parent / "dark" / "0.png")
    told = Told()
    asked = {"attacks": ["noise:draws=1", "noise:draws=2"], "eps": 0.05, "batch": 2, "skip_bad": True}
    network = Network("light", Light(), "0" * 64, (1, 2, 2), ("dark", "light"))
    folder = audit(network, str(tmp_path / "images"), tmp_path / "run", **asked, watch=told)
    assert told.begun == [(12, 0)]
    for spec in asked["attacks"]:
        assert sum(images for attack, images in told.advanced if attack == spec) == 6
    assert len(folder.manifest.data.bad) == 1
    assert told.notes == []
    folder.part_path("noise_draws=2", 0).unlink()
    again = Told()
    audit(network, str(tmp_path / "images"), tmp_path / "run", **asked, watch=again)
    assert again.begun == [(12, 6)]
    assert {attack for attack, _ in again.advanced} == {"noise:draws=2"}
    assert sum(images for _, images in again.advanced) == 6
    (note,) = again.notes
    assert note.startswith("Went on with 1 finished part of an earlier call")
