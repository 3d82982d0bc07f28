"""A small study that counts its work; folders of a few digits and of a network, laid out as the studies read them."""

import io
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from brittle.data import open_source
from brittle.errors import DataError
from brittle.metrics import wilson
from brittle.models import ARCHITECTURES
from brittle.studies import Cell, Column, Measured, Row, Study
from brittle.training.plain import seeded
from brittle.training.weights import save_weights


@dataclass
class Counting:
    """A study of three networks and two methods; the last network's cells lack a file."""

    done: list[str] = field(default_factory=list)
    stop_at: str = ""
    rows: tuple[str, ...] = ("first", "second", "third")
    remark: str = ""

    def study(self):
        columns = (
            Column("error", "test error", "percent", "Sizes"),
            Column("rho", "rho", "ratio", "Sizes"),
            Column("old", "by hand", "ratio", "Sizes", measured=False),
        )
        published = {("first", "error"): 25.0, ("first", "rho"): 0.2, ("second", "old"): "> 4"}
        return Study(
            "counting",
            "A count",
            "A paper",
            self.cells,
            tuple(Row(row) for row in self.rows),
            columns,
            lambda row, column: published.get((row, column)),
            ("A note.",),
            ("rho",),
        )

    def cells(self, setting):
        def cell(row, column):
            def identity():
                if row == "third":
                    raise DataError("needs third.parquet: give the folder that holds it with --data")
                return {"seed": setting.seed, "row": row}

            def compute():
                if f"{row} {column}" == self.stop_at:
                    raise KeyboardInterrupt
                self.done.append(f"{row} {column}")
                notes = {"rho": "(some were left out)"} if column == "rho" else {}
                return Measured({column: wilson(setting.seed + 1, 8)}, notes, self.remark)

            return Cell(row, column, compute, identity)

        return [cell(row, column) for row in self.rows for column in ("error", "rho")]


@pytest.fixture
def counting():
    return Counting()


def write_digits(path, split, count, side=28, mode="L"):
    source = open_source(f"digits:{split}", limit=count)
    block = next(source.blocks(count))
    cells = []
    for image in block.images:
        buffer = io.BytesIO()
        picture = Image.fromarray((image[0].numpy() * 255).round().astype("uint8")).convert(mode)
        picture.resize((side, side)).save(buffer, "PNG")
        cells.append({"bytes": buffer.getvalue(), "path": ""})
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": pa.array(cells, kind), "label": block.labels.numpy()}), path)


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory):
    """Digits under the names of MNIST and, coloured, of CIFAR-10."""
    folder = tmp_path_factory.mktemp("few-digits")
    for name, side, mode, train in (("mnist", 28, "L", 128), ("cifar10", 32, "RGB", 6)):
        write_digits(folder / name / "train.parquet", "train", train, side, mode)
        write_digits(folder / name / "test.parquet", "test", 12, side, mode)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A LeNet for MNIST with its weights as drawn: it gets some of the digits right."""
    folder = tmp_path_factory.mktemp("models")
    save_weights(folder / "lenet-mnist.safetensors", seeded(ARCHITECTURES["lenet-mnist"].build, 0), {})
    return folder
