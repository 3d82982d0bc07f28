"""The directory of a Parquet file, beside what pyarrow reads of it."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from brittle.errors import OverLimit
from brittle.limits import use_limits
from brittle.parquet_directory import read_directory
from brittle.thrift import structure

ROWS = pa.table(
    {
        "image": [{"bytes": b"x" * 40, "path": None}, {"bytes": None, "path": "b"}, {"bytes": b"y", "path": "c"}],
        "label": [0, 1, 1],
        "values": [[0.5], [], [1.0, 2.0]],
    }
)


def written(**options) -> bytes:
    made = io.BytesIO()
    pq.write_table(ROWS, made, **options)
    return made.getvalue()


@pytest.mark.parametrize(
    "options",
    [{}, {"row_group_size": 2}, {"use_dictionary": False, "compression": "none"}, {"write_statistics": False}],
    ids=str,
)
def test_it_is_what_pyarrow_reads_of_a_whole_file(options):
    file = io.BytesIO(written(**options))
    found, known = read_directory(file, "it"), pq.read_metadata(file)
    assert found.rows == known.num_rows == 3
    assert len(found.groups) == known.num_row_groups
    for number, group in enumerate(found.groups):
        theirs = known.row_group(number)
        assert (group.rows, group.inflated) == (theirs.num_rows, theirs.total_byte_size)
        assert len(group.chunks) == theirs.num_columns == 4
        for index, chunk in enumerate(group.chunks):
            column = theirs.column(index)
            pages = [column.data_page_offset, column.dictionary_page_offset]
            assert ".".join(chunk.path) == column.path_in_schema
            assert (chunk.values, chunk.deflated) == (column.num_values, column.total_compressed_size)
            assert chunk.begin == min(page for page in pages if page is not None)
            statistics = column.statistics
            assert chunk.nulls == (statistics.null_count if statistics is not None else None)


def test_what_is_no_such_file_is_refused():
    for content in (b"", b"PAR1", written()[:-1], b"PAR1" + b"\0" * 4 + b"PAR1"):
        with pytest.raises(ValueError, match=r"it does not end as|directory cannot be read"):
            read_directory(io.BytesIO(content), "it")


def test_groups_that_do_not_fit_the_schema_are_refused():
    content = written()
    length = int.from_bytes(content[-8:-4], "little")
    directory = content[-8 - length : -8]
    _, place = structure(directory, last=2)  # the version and the schema
    more = directory[:place] + b"\x16\x08" + directory[place + 2 :]  # four rows in place of three
    with pytest.raises(ValueError, match="do not fit"):
        read_directory(io.BytesIO(content[: -8 - length] + more + content[-8:]), "it")


def test_its_length_is_limited():
    with use_limits(text=100), pytest.raises(OverLimit, match="directory of it"):
        read_directory(io.BytesIO(written()), "it")
