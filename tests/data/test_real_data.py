"""The sources against real data and networks; needs BRITTLE_DATA and BRITTLE_MODELS."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from brittle.data import Fit, open_source

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "rows", "shape", "names"),
    [
        ("mnist/test.parquet", 10_000, (1, 28, 28), ("0", "1", "9")),
        ("cifar10/test.parquet", 10_000, (3, 32, 32), ("airplane", "automobile", "truck")),
    ],
)
def test_small_images(real_data: Path, name: str, rows: int, shape: tuple[int, ...], names: tuple[str, ...]):
    source = open_source(str(real_data / name))
    assert len(source) == rows
    assert (*source.classes[:2], source.classes[-1]) == names
    counts, last = torch.zeros(10, dtype=torch.int64), torch.empty(0)
    for block in source.blocks(500):
        assert block.images.shape[1:] == shape
        counts += block.labels.bincount(minlength=10)
        last = block.images[-10:]
    assert counts.sum() == rows
    assert next(source.blocks(100)).labels.bincount().tolist() == [10] * 10
    later = next(source.blocks(10, rows - 10))
    assert torch.equal(later.images, last)
    assert source.digest() == hashlib.sha256((real_data / name).read_bytes()).hexdigest()


GROWTH = """
import resource, sys
from brittle.data import Fit, open_source

stream = open_source(sys.argv[1], fit=Fit(3, 224, 224)).blocks(20)
for _ in range(5):
    next(stream)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(len(block) for block in stream)
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
"""Streams the photographs in a process of its own, since the peak of a process never falls."""


def test_memory_stays_flat_over_photographs(real_data: Path):
    photographs = str(real_data / "imagenet-sample" / "val.parquet")
    ran = subprocess.run([sys.executable, "-c", GROWTH, photographs], capture_output=True, text=True, check=True)
    count, grown = map(int, ran.stdout.split())
    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    assert count == 900  # 542 MB of pixels
    assert grown * unit < 60e6


@pytest.mark.parametrize(
    ("name", "side", "crop", "published"),
    [("mobilenet_v1_0.25_128", 128, "center", 44.2), ("mobilenet_v1_0.25_128", 128, 224, 44.2)],
)
def test_top_1_of_a_network_on_photographs(
    real_data: Path, real_models: Path, name: str, side: int, crop: int | str, published: float
):
    network = torch.export.load(real_models / f"{name}.pt2").module()
    source = open_source(str(real_data / "imagenet-sample" / "val.parquet"), fit=Fit(3, side, side, crop=crop))
    with torch.no_grad():
        right = sum(int((network(b.images).argmax(1) == b.labels).sum()) for b in source.blocks(50))
    assert abs(right / 10 - published) < (1 if crop == "center" else 0.25)
