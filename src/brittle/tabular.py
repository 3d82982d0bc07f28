"""What has rows, and hands them on: to Arrow, to pandas, to a CSV file."""

# pyright: reportUnknownParameterType=false
# pyarrow and pandas ship no types
import importlib
import io
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from brittle.errors import MissingExtra, RunError
from brittle.files import regular_or_nothing, write_atomically


class Tabular(ABC):
    """A mixin of results: `table` says which rows there are, and the rest follows."""

    @abstractmethod
    def table(self) -> pa.Table:
        """Return the rows as an Arrow table."""

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table, by the name that other libraries have for that."""
        return self.table()

    def to_pandas(self) -> Any:
        """Return the rows as a pandas data frame.

        Raises:
            MissingExtra: pandas is not installed.
        """
        try:
            importlib.import_module("pandas")
        except ImportError as error:
            raise MissingExtra("pandas", "pandas", "a data frame") from error
        return self.table().to_pandas()

    def to_csv(self, path: Path | str, *, force: bool = False) -> Path:
        """Write the rows as CSV, whole or not at all.

        Args:
            path: of the file.
            force: replace a file that is there.

        Returns:
            The path.

        Raises:
            RunError: there is a file already, and `force` is False; or it cannot be written.
        """
        path = Path(path)
        if regular_or_nothing(path) and not force:
            raise RunError(f"{path} exists, and stays as it is; give another name, or force=True to replace it")
        write_atomically(path, csv_of(self.table()))
        return path


def csv_of(table: pa.Table) -> bytes:
    r"""Encode a table as CSV.

    Example:
        >>> csv_of(pa.table({"name": ["a"], "size": [0.5]}))
        b'"name","size"\n"a",0.5\n'
    """
    sink = io.BytesIO()
    csv.write_csv(table, sink)
    return sink.getvalue()
