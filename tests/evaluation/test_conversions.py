"""Whatever is done to images on their way to the network is counted before anything is attacked, and said."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from brittle.data import Fit, open_source
from brittle.errors import BoundsError, InputError
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.models import Network
from brittle.report import write_report
from brittle.runs.summary import summarise
from brittle.terminal import console, show_summary

pytestmark = pytest.mark.usefixtures("few_checks")


class Bright(nn.Module):
    """Two classes by brightness; takes so many channels and no others."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, 1, 1)
        self.asked = 0
        with torch.no_grad():
            self.first.weight.fill_(1 / channels)
            self.first.bias.fill_(-0.5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.asked += len(images)
        score = self.first(images).mean((1, 2, 3))
        return torch.stack([-score, score], 1)


def network(channels: int, shape: tuple[int, int, int] | None) -> Network:
    return Network("bright", Bright(channels).eval(), "1" * 64, shape, (), 2)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def rows(path: Path, images: list[Image.Image]) -> str:
    pq.write_table(
        pa.table({"image": [png(one) for one in images], "label": [i % 2 for i in range(len(images))]}), path
    )
    return str(path)


def photographs(count: int, size: tuple[int, int] = (12, 9)) -> list[Image.Image]:
    return [Image.new("RGB", size, (40 + 150 * (i % 2),) * 3) for i in range(count)]


def test_a_grey_network_on_photographs_says_that_they_are_greyed_and_cropped(tmp_path: Path):
    """On 25f28ea: not a word."""
    data = rows(tmp_path / "rows.parquet", photographs(6))
    run = audit(network(1, (1, 4, 4)), data, tmp_path / "run", attacks=["fgsm"], eps=0.01)
    assert run.manifest.data.converted == {"colours made grey": 6, "made smaller": 6, "cropped": 6}
    line = "of 6 images: 6 colours made grey, 6 made smaller, 6 cropped"
    summary = summarise(run)
    assert summary.notes == (line,)
    assert summary.plain()["notes"] == [line]
    with console.capture() as capture:
        show_summary(summary)
    assert line in capture.get()
    assert line[1:] in write_report(run.path).read_text(encoding="utf-8")


def test_images_that_fit_are_left_alone_and_nothing_is_said(tmp_path: Path):
    data = rows(tmp_path / "rows.parquet", photographs(2, (4, 4)))
    run = audit(network(3, (3, 4, 4)), data, tmp_path / "run", attacks=["fgsm"], eps=0.01)
    assert run.manifest.data.said == []
    assert "How the images reached the network" not in write_report(run.path).read_text(encoding="utf-8")


def test_attack_tells_too(tmp_path: Path):
    data, told = rows(tmp_path / "rows.parquet", photographs(2)), []
    attack(network(1, (1, 4, 4)), data, tmp_path / "out", attack="fgsm", norm="linf", eps=0.01, tell=told.append)
    assert told == ["of 2 images: 2 colours made grey, 2 made smaller, 2 cropped"]


@pytest.mark.parametrize(("channels", "said"), [(3, "grey made RGB"), (1, "colours made grey")])
def test_one_grey_image_among_coloured_ones_takes_the_networks_channels(tmp_path: Path, channels: int, said: str):
    """On 25f28ea: an error when the block with the grey image is reached, after all blocks before it."""
    images = photographs(70, (4, 4))
    images[69] = images[69].convert("L")
    run = audit(network(channels, None), rows(tmp_path / "rows.parquet", images), tmp_path / "run", attacks=["fgsm"])
    assert run.manifest.data.converted == {said: 1 if channels == 3 else 69}
    assert summarise(run).clean.value == 1


def test_images_of_other_sizes_are_refused_at_the_start(tmp_path: Path):
    """On 25f28ea: an error when the block of the last image is reached."""
    images = [*photographs(69, (4, 4)), *photographs(1, (5, 4))]
    given = network(3, None)
    data = rows(tmp_path / "rows.parquet", images)
    with pytest.raises(InputError, match=r"image 0 'row 0' is 4 x 4 .* image 69 'row 69' is 4 x 5 .*--size 224"):
        audit(given, data, tmp_path / "run", attacks=["fgsm"])
    assert isinstance(given.module, Bright)
    assert given.module.asked == 0
    assert not (tmp_path / "run").exists()
    audit(given, data, tmp_path / "run", attacks=["fgsm"], crop=4)  # the remedy works


def test_a_source_of_ones_own_with_other_channels_is_refused_with_a_remedy_that_works(tmp_path: Path):
    images = photographs(3, (4, 4))
    images[2] = images[2].convert("L")
    data = rows(tmp_path / "rows.parquet", images)
    with pytest.raises(InputError, match=r"image 2 'row 2' .* 1 channel; give the channels .*Fit\(channels=3\)"):
        audit(network(3, None), open_source(data), tmp_path / "run", attacks=["fgsm"])
    assert open_source(data, fit=Fit(channels=3)).conversions() == {"grey made RGB": 1}


def test_the_conversions_announced_are_those_made():
    """The words and the shape come from the same steps that are applied, for sizes on both sides of every rule."""
    for fit in (Fit(1, 8, 8), Fit(3, 8, 12), Fit(3, 8, 8, crop=6), Fit(3, 8, 8, resize=10), Fit(1, 8, 8, crop="none")):
        for width, height in ((8, 8), (12, 8), (9, 10), (10, 9), (11, 30), (30, 30), (5, 5), (4, 7), (16, 16)):
            image = Image.effect_noise((width, height), 90).convert("RGB")
            names, shape = fit.conversions(3, width, height)
            made = fit.apply(image)
            assert made.shape == shape
            colour = () if fit.channels == 3 else ("colours made grey",)
            untouched = made.shape[1:] == (height, width) and np.array_equal(made, Fit(fit.channels).apply(image))
            assert untouched == (names == colour)


def dark(top: int, **options) -> bytes:
    values = np.linspace(0, top, 16).round().astype(np.uint16).reshape(4, 4)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF", **options)
    return buffer.getvalue()


def test_twelve_bits_in_files_of_sixteen_are_refused_at_the_start_with_a_remedy_that_works(tmp_path: Path):
    """On 25f28ea: 16 times too dark, without a word."""

    def source(*contents: bytes):
        pq.write_table(pa.table({"image": list(contents), "label": [0] * len(contents)}), tmp_path / "deep.parquet")
        return open_source(str(tmp_path / "deep.parquet"))

    with pytest.raises(BoundsError, match=r"not one of 2 grey images of 16 bits .* above 4,095 .* 16 times too dark"):
        source(dark(4095), dark(3000)).conversions()
    told = source(dark(4095, tiffinfo={281: 4095}))
    assert told.conversions() == {"grey divided by 4,095": 1}
    assert next(told.blocks(1)).images.max() == 1
    assert source(dark(3000, tiffinfo={281: 65535})).conversions() == {"grey divided by 65,535": 1}
    assert source(dark(3000), dark(65535)).conversions() == {"grey divided by 65,535": 2}
    with pytest.raises(BoundsError, match="above 2,999"):  # the brightest pixel, as some writers put it
        source(dark(2999, tiffinfo={281: 2999})).conversions()


def test_black_arrays_are_refused(tmp_path: Path):
    """Integers from 0 to 1, and floats that were divided by 255 twice."""
    for images in (np.eye(4, dtype=np.uint8)[None], np.full((1, 4, 4), 1 / 255, np.float32)):
        np.savez(tmp_path / "rows.npz", images=images, labels=[0])
        with pytest.raises(BoundsError, match=r"not one of 1 arrays has a value above 0\.003922 of 1, which is black"):
            open_source(str(tmp_path / "rows.npz")).conversions()
    np.savez(tmp_path / "rows.npz", images=np.zeros((1, 4, 4), np.uint8), labels=[0])
    assert open_source(str(tmp_path / "rows.npz")).conversions() == {}
