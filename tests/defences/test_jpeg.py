"""JPEG compression is what Pillow writes and reads, whatever the number of channels and the sizes."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from brittle.defences.jpeg import JPEG
from brittle.errors import InputError


def by_pillow(levels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, format="JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("quality", [1, 30, 75, 100])
@pytest.mark.parametrize("size", [(8, 8), (1, 1), (17, 33), (32, 9)])
def test_colour_is_what_pillow_reads(quality: int, size: tuple[int, int]):
    levels = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    images = torch.from_numpy(levels).permute(0, 3, 1, 2).float() / 255
    found = (JPEG(quality).transform(images) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    assert np.array_equal(found, np.stack([by_pillow(one, quality) for one in levels]))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_channels_are_grey_pictures(channels: int):
    levels = np.random.default_rng(1).integers(0, 256, (channels, 11, 14), dtype=np.uint8)
    found = JPEG().transform(torch.from_numpy(levels)[None].float() / 255)
    expected = np.stack([by_pillow(one, 75) for one in levels])
    assert np.array_equal((found[0] * 255).round().byte().numpy(), expected)


def test_values_between_levels_are_rounded():
    level = torch.full((1, 1, 8, 8), 100.0)
    assert torch.equal(JPEG(100).transform((level + 0.4) / 255), JPEG(100).transform(level / 255))
    assert torch.equal(JPEG(100).transform((level - 0.4) / 255), JPEG(100).transform(level / 255))


def test_lower_quality_loses_more():
    images = torch.rand((4, 1, 24, 24), generator=torch.Generator().manual_seed(0))  # chroma loses at any quality
    lost = [float((JPEG(quality).transform(images) - images).square().mean()) for quality in (100, 75, 20)]
    assert lost == sorted(lost)
    assert lost[0] < 0.1 * lost[2]


@pytest.mark.parametrize("quality", [0, 101, 7.5, "high"])
def test_another_quality_is_refused(quality: object):
    with pytest.raises(InputError, match="quality is"):
        JPEG(quality)  # pyright: ignore[reportArgumentType]
