"""The headers of a small file are read once for the same bytes and the same limits, and anew for others."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from brittle import parquet_pages
from brittle.errors import OverLimit
from brittle.limits import use_limits
from brittle.parquet_pages import check_table


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"x": np.arange(5000.0)}), path, use_dictionary=False)
    return path


def test_headers_are_read_once_and_anew_where_the_file_has_changed(table, monkeypatch):
    read = []
    whole = parquet_pages.read_directory
    monkeypatch.setattr(parquet_pages, "read_directory", lambda *given: (read.append(1), whole(*given))[1])
    assert check_table(table).inflated == check_table(table).inflated > 40_000
    assert len(read) == 1
    content = table.read_bytes()
    table.write_bytes(content[:-5] + b"\xff" + content[-4:])
    with pytest.raises(ValueError, match="does not end as a Parquet file does"):
        check_table(table)
    table.write_bytes(content)
    assert check_table(table).inflated > 40_000


def test_other_limits_hold_at_once(table):
    check_table(table)
    with use_limits(cell=1000), pytest.raises(OverLimit, match="page"):
        check_table(table)
    check_table(table)


def test_a_large_file_is_read_as_well(tmp_path):
    path = tmp_path / "large.parquet"
    pq.write_table(pa.table({"x": np.random.default_rng(0).random(40_000)}), path, compression="none")
    assert path.stat().st_size > parquet_pages.SMALL
    assert check_table(path).inflated > 320_000


def test_it_says_which_columns_are_empty(tmp_path):
    rows = pa.table({"none": pa.nulls(3, pa.binary()), "some": pa.array([None, b"x", None]), "all": [1, 2, 3]})
    pq.write_table(rows, tmp_path / "a.parquet")
    pq.write_table(rows, tmp_path / "b.parquet", write_statistics=False)
    assert check_table(tmp_path / "a.parquet").empty == {"none"}
    assert check_table(tmp_path / "b.parquet").empty == set(), "nothing is said where it is not known"


def test_many_files_are_kept_in_mind_and_no_more(table, monkeypatch):
    monkeypatch.setattr(parquet_pages, "MOST", 2)
    for _ in range(4):
        table.write_bytes(table.read_bytes())
        pq.write_table(pa.table({"x": np.random.default_rng().random(9)}), table)
        check_table(table)
    assert len(parquet_pages._KNOWN) <= 2
