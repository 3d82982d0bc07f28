import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from brittle.data import Parquet, Source, open_source
from brittle.errors import BadImage, DataError, LabelError

from .conftest import encoded, grey

Write = Callable[..., Path]


def levels(source: Source, start: int = 0) -> list[int]:
    return [round(x * 255) for block in source.blocks(2, start) for x in block.images[:, 0, 0, 0].tolist()]


def test_rows_classes_and_names(write_parquet: Write):
    source = open_source(str(write_parquet(classes=["even", "odd"])))
    assert len(source) == 7
    assert source.classes == ("even", "odd")
    block = next(source.blocks(3))
    assert block.names == ("0.png", "1.png", "2.png")
    assert block.labels.tolist() == [0, 1, 0]
    assert levels(source) == [0, 1, 2, 3, 4, 5, 6]


def test_any_start_in_any_shard_and_row_group(write_parquet: Write):
    paths = [write_parquet(f"s/test-{i}.parquet", tuple(range(5 * i, 5 * i + 5)), group=2) for i in range(3)]
    source = open_source(str(paths[0].parent))
    assert len(source) == 15
    for start in range(16):
        assert levels(source, start) == list(range(start, 15))
        if start:
            limited = Parquet(paths, max_images=start)
            assert levels(limited) == list(range(start))
            assert levels(limited, start - 1) == [start - 1]


def test_a_later_start_does_not_read_the_row_groups_before(write_parquet: Write):
    path = write_parquet(levels=tuple(range(9)), group=3)
    content = bytearray(path.read_bytes())
    begin = pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
    content[begin : begin + 40] = bytes(40)
    path.write_bytes(content)
    assert levels(open_source(str(path)), 3) == list(range(3, 9))
    with pytest.raises(DataError, match="is damaged near row 0"):
        levels(open_source(str(path)))


def test_classes_json_beside_the_file(write_parquet: Write):
    path = write_parquet()
    assert open_source(str(path)).classes == ()
    (path.parent / "classes.json").write_text(json.dumps([{"label": 0, "name": "a"}, {"label": 1, "name": "b"}]))
    assert open_source(str(path)).classes == ("a", "b")


def test_columns_of_other_names(write_parquet: Write):
    source = open_source(str(write_parquet(image="img", label="fine_label", classes=["a", "b"])))
    assert (source.labelled, source.classes) == (True, ("a", "b"))
    source = open_source(str(write_parquet(image="photo", label="animal", classes=["a", "b"])))
    assert next(source.blocks(2)).labels.tolist() == [0, 1]
    assert source.classes == ("a", "b")


def test_no_labels(write_parquet: Write):
    source = open_source(str(write_parquet(label=None)))
    assert not source.labelled
    assert next(source.blocks(2)).labels.tolist() == [-1, -1]


def test_plain_bytes_are_images_too(tmp_path: Path):
    pq.write_table(pa.table({"image": [encoded(grey(7))], "label": [0]}), tmp_path / "a.parquet")
    block = next(open_source(str(tmp_path / "a.parquet")).blocks(1))
    assert block.names == ("row 0",)
    assert round(block.images.max().item() * 255) == 7


def test_unclear_columns_are_listed(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"], "label": [0]}), path)
    with pytest.raises(DataError, match=r"no columns of images; columns are text \(string\), label \(int64\)"):
        open_source(str(path))
    cell = pa.array([{"bytes": b""}], pa.struct([("bytes", pa.binary())]))
    pq.write_table(pa.table({"before": cell, "after": cell}), path)
    with pytest.raises(DataError, match="2 columns of images"):
        open_source(str(path))
    pq.write_table(pa.table({"image": [1.5]}), path)
    with pytest.raises(DataError, match="'image' holds no encoded images"):
        open_source(str(path))
    pq.write_table(pa.table({"image": cell, "label": [0.5]}), path)
    with pytest.raises(LabelError, match="are double; expected integers from 0, or names"):
        open_source(str(path))


def test_labels_missing_or_out_of_range(write_parquet: Write):
    with pytest.raises(LabelError, match=r"row 1 of .* \(1\.png\) has no label"):
        list(open_source(str(write_parquet(labels=[0, None, 1, 0, 1, 0, 1]))).blocks(4))
    with pytest.raises(LabelError, match=r"label 5; expected 0\.\.1"):
        list(open_source(str(write_parquet(classes=["a", "b"], labels=[0, 5, 1, 0, 1, 0, 1]))).blocks(4))


def test_bad_cells(write_parquet: Write):
    photo = encoded(Image.effect_noise((40, 40), 50), "JPEG")
    good = {"bytes": photo, "path": "good.jpg"}
    cells = [good, {"bytes": None, "path": "elsewhere.jpg"}, None, {"bytes": photo[:400], "path": "torn.jpg"}, good]
    path = write_parquet(cells=cells)
    with pytest.raises(BadImage, match=r"elsewhere\.jpg.*only a path"):
        list(open_source(str(path)).blocks(2))
    source = open_source(str(path), skip_bad=True)
    assert [block.index.tolist() for block in source.blocks(2)] == [[0], [], [4]]
    assert [bad.name for bad in source.bad] == ["elsewhere.jpg", "row 2", "torn.jpg"]


def test_broken_empty_and_missing_files(tmp_path: Path, write_parquet: Write):
    whole = write_parquet()
    (tmp_path / "half.parquet").write_bytes(whole.read_bytes()[:300])
    with pytest.raises(DataError, match=r"half\.parquet cannot be read as Parquet"):
        open_source(str(tmp_path / "half.parquet"))
    pq.write_table(pq.read_table(whole).slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(DataError, match="has no rows"):
        open_source(str(tmp_path / "none.parquet"))
    with pytest.raises(DataError, match="does not exist"):
        Parquet([tmp_path / "gone.parquet"])


def test_splits_in_one_folder_are_not_mixed(write_parquet: Write):
    first = write_parquet("d/test-00000-of-00002.parquet", (0, 1))
    write_parquet("d/test-00001-of-00002.parquet", (2, 3))
    write_parquet("d/train-00000-of-00001.parquet", (9, 9))
    with pytest.raises(DataError, match=r"2 splits \(test, train\); name one, e\.g\. .*test-\*\.parquet"):
        open_source(str(first.parent))
    assert levels(open_source(str(first.parent / "test-*.parquet"))) == [0, 1, 2, 3]
    with pytest.raises(DataError, match="no file matches"):
        open_source(str(first.parent / "val-*.parquet"))


def test_what_lies_beside_the_files_is_counted(write_parquet: Write):
    path = write_parquet("d/x-0.parquet", (0, 1))
    (path.parent / "cat").mkdir()
    (path.parent / "notes.txt").write_text("")
    (path.parent / "classes.json").write_text('["a", "b"]')
    assert open_source(str(path.parent)).skipped == {"folders beside Parquet files": 1, "files beside Parquet files": 1}


def test_shards_must_agree(write_parquet: Write):
    first = write_parquet("d/x-0.parquet", (0, 1))
    write_parquet("d/x-1.parquet", (2, 3), image="img")
    with pytest.raises(DataError, match="has the columns"):
        open_source(str(first.parent))


def test_digest_is_that_of_the_files_gone_through(write_parquet: Write):
    paths = [write_parquet(f"d/x-{i}.parquet", (i, i + 1)) for i in range(3)]
    content = [path.read_bytes() for path in paths]
    assert open_source(str(paths[0])).digest() == hashlib.sha256(content[0]).hexdigest()
    assert open_source(str(paths[0].parent), max_images=2).digest() == hashlib.sha256(content[0]).hexdigest()
    assert (
        open_source(str(paths[0].parent), max_images=3).digest() == hashlib.sha256(content[0] + content[1]).hexdigest()
    )
    assert open_source(str(paths[0].parent)).digest() == hashlib.sha256(b"".join(content)).hexdigest()


def test_memory_stays_flat(tmp_path: Path):
    noise = np.random.default_rng(0).bytes(20_000)
    cells = [{"bytes": noise, "path": str(i)} for i in range(2000)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(cells, kind), "label": [0] * 2000})
    pq.write_table(table, tmp_path / "big.parquet", row_group_size=2000, use_dictionary=False, write_batch_size=16)
    size = table.nbytes
    del table, cells
    source = open_source(str(tmp_path / "big.parquet"), skip_bad=True)
    before, peak = pa.total_allocated_bytes(), 0
    for _ in source.blocks(50):
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert len(source.bad) == 2000
    assert 0 < peak < size / 4


def tables_of_paths(folder: Path, paths: list, kind: pa.DataType) -> str:
    cells = pa.array([{"bytes": None, "path": path} for path in paths], kind)
    pq.write_table(pa.table({"image": cells, "label": [0] * len(paths)}), folder / "t.parquet")
    return str(folder / "t.parquet")


STRUCT, NO_BYTES = (
    pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    pa.struct({"bytes": pa.null(), "path": pa.string()}),
)


@pytest.mark.parametrize("kind", [STRUCT, NO_BYTES, pa.struct({"path": pa.large_string()})])
def test_images_that_the_table_names_are_read_from_its_folder(tmp_path: Path, monkeypatch, kind):
    (tmp_path / "images").mkdir()
    for level in (5, 6):
        (tmp_path / "images" / f"{level}.png").write_bytes(encoded(grey(level)))
    kinds = {field.name for field in kind}
    cells = [{"bytes": None, "path": path} for path in ("images/5.png", str(tmp_path / "images" / "6.png"))]
    cells = [{name: cell[name] for name in kinds} for cell in cells]
    pq.write_table(pa.table({"image": pa.array(cells, kind), "label": [0, 1]}), tmp_path / "t.parquet")
    monkeypatch.chdir("/")
    source = open_source(str(tmp_path / "t.parquet"))
    (block,) = source.blocks(5)
    assert (block.images[:, 0, 0, 0] * 255).round().tolist() == [5, 6]
    assert source.kinds().channels
    digest = source.digest()
    (tmp_path / "images" / "5.png").write_bytes(encoded(grey(7)))
    assert open_source(str(tmp_path / "t.parquet")).digest() != digest


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone.png", r"only a path\), and .*gone\.png cannot be read: No such file"),
        ("../secret.png", r"secret\.png lies outside of .*put the table into a folder above"),
        ("https://example.org/1.png", "addresses such as 'https://example.org/1.png' are not fetched"),
        ("folder", "it is a folder, not an ordinary file"),
        (None, "neither bytes nor the path"),
    ],
)
def test_what_a_table_must_not_name_is_refused(tmp_path: Path, path, message):
    inner = tmp_path / "inner"
    (inner / "folder").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(encoded(grey(5)))
    with pytest.raises(BadImage, match=message):
        list(open_source(tables_of_paths(inner, [path], STRUCT)).blocks(1))


def test_a_table_with_all_bytes_is_digested_as_its_file(write_parquet: Write):
    path = write_parquet()
    assert open_source(str(path)).digest() == hashlib.sha256(path.read_bytes()).hexdigest()
