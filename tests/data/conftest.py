"""Small sources on disk, and the real data where the environment names it."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def grey(level: int, width: int = 6, height: int = 5) -> Image.Image:
    return Image.new("L", (width, height), level)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A folder of 3 cats and 2 dogs, RGB, 6 wide and 5 high; the level tells them apart."""
    root = tmp_path / "pets"
    for folder, levels in (("cat", (10, 20, 30)), ("dog", (110, 120))):
        (root / folder).mkdir(parents=True)
        for level in levels:
            Image.new("RGB", (6, 5), (level, 0, 0)).save(root / folder / f"{level}.png")
    return root


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., Path]:
    def write(
        name: str = "rows.parquet",
        levels: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6),
        classes: list[str] | None = None,
        image: str = "image",
        label: str | None = "label",
        group: int = 3,
        cells: list[dict | None] | None = None,
        labels: list[int | None] | None = None,
        kind: pa.DataType | None = None,
    ) -> Path:
        cells = cells or [{"bytes": encoded(grey(level)), "path": f"{level}.png"} for level in levels]
        columns = {image: pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))}
        if label:
            columns[label] = pa.array(labels or [i % 2 for i in range(len(cells))], kind or pa.int64())
        table = pa.table(columns)
        if classes is not None:
            features = {image: {"_type": "Image"}, label: {"_type": "ClassLabel", "names": classes}}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, row_group_size=group)
        return path

    return write


@pytest.fixture
def write_npz(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "rows.npz", compressed: bool = False, **arrays: np.ndarray) -> Path:
        (np.savez_compressed if compressed else np.savez)(tmp_path / name, **arrays)
        return tmp_path / name

    return write


@pytest.fixture
def real_data() -> Path:
    folder = os.environ.get("BRITTLE_DATA")
    if not folder:
        pytest.skip("BRITTLE_DATA is not set: no real images to read")
    return Path(folder)


@pytest.fixture
def real_models() -> Path:
    folder = os.environ.get("BRITTLE_MODELS")
    if not folder:
        pytest.skip("BRITTLE_MODELS is not set: no real networks to run")
    return Path(folder)
