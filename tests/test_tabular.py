"""Rows handed on: to Arrow, to pandas, to a file."""

import sys

import pyarrow as pa
import pytest

from brittle import MissingExtra
from brittle.tabular import Tabular


class Rows(Tabular):
    def table(self):
        return pa.table({"name": ["a,b"], "size": [float("inf")]})


def test_arrow_is_the_table():
    assert Rows().to_arrow().equals(Rows().table())


def test_csv_quotes_names_and_writes_infinity(tmp_path):
    assert Rows().to_csv(tmp_path / "a.csv").read_text() == '"name","size"\n"a,b",inf\n'


def test_a_missing_pandas_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"brittle\[pandas\]"):
        Rows().to_pandas()
