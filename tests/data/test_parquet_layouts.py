"""Every layout in the tables of docs/data.md, read to the right values."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from brittle.data import open_source
from brittle.errors import DataError, LabelError

from .image_files import FILES
from .parquet_layouts import IMAGES, LABELS, PNG, REFUSED, Blob

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.fixture(params=[False, True], ids=["unknown extension", "registered extension"])
def registered(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param:
        pa.register_extension_type(Blob())
    yield
    if request.param:
        pa.unregister_extension_type("example.blob")


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("column", IMAGES.values(), ids=IMAGES.keys())
def test_every_layout_of_images_is_read(column: Callable[[], pa.Array], tmp_path: Path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"label": [0, 1], "image": column()}), path)  # the labels stand before the images
    source = open_source(str(path))
    (block,) = source.blocks(2)
    assert block.images.shape == (2, 1, 2, 4)
    assert (block.images * 255).round().flatten(1).tolist() == [[51.0] * 8, [102.0] * 8]
    assert block.labels.tolist() == [0, 1]
    assert source.conversions() == {}


@pytest.mark.parametrize(("column", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_layouts_that_cannot_be_understood_are_refused(column: Callable[[], pa.Array], message: str, tmp_path: Path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"image": column(), "label": [0, 1]}), path)
    with pytest.raises(DataError, match=message):
        open_source(str(path)).conversions()


@pytest.mark.parametrize(("column", "classes", "labels"), LABELS.values(), ids=LABELS.keys())
def test_every_layout_of_labels_is_read(
    column: Callable[[], pa.Array], classes: tuple[str, ...], labels: list[int], tmp_path: Path
):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"image": PNG, "label": column()}), path)
    source = open_source(str(path))
    assert source.classes == classes
    assert next(source.blocks(2)).labels.tolist() == labels


def test_the_order_of_named_labels_is_in_the_digest_and_may_be_given(tmp_path: Path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"image": PNG, "label": ["10", "9"]}), path)
    numeric, text = open_source(str(path)), open_source(str(path), class_order="text")
    assert (numeric.classes, text.classes) == (("9", "10"), ("10", "9"))
    assert numeric.digest() != text.digest()
    (path.parent / "classes.json").write_text('["9", "11", "10"]')
    assert next(open_source(str(path)).blocks(2)).labels.tolist() == [2, 0]
    (path.parent / "classes.json").write_text('["9", "11"]')
    with pytest.raises(LabelError, match=r"row 0 .* has the class '10', which is none of 9, 11"):
        next(open_source(str(path)).blocks(2))


def test_the_order_of_an_enum_of_polars_is_its_own(tmp_path: Path):
    """polars keeps the values of an Enum in the metadata of the field; Parquet's dictionary has those that occur."""
    path = tmp_path / "rows.parquet"
    kind = pa.dictionary(pa.uint8(), pa.string(), ordered=True)
    field = pa.field("label", kind, metadata={"_PL_ENUM_VALUES2": "3;dog3;emu3;cat"})
    column = pa.array(["cat", "dog"]).dictionary_encode().cast(pa.dictionary(pa.uint8(), pa.string()))
    column = pa.DictionaryArray.from_arrays(column.indices, column.dictionary, ordered=True)
    pq.write_table(pa.table([pa.array(PNG), column], pa.schema([pa.field("image", pa.binary()), field])), path)
    source = open_source(str(path))
    assert source.classes == ("dog", "emu", "cat")
    assert next(source.blocks(2)).labels.tolist() == [2, 0]


def rows_of_table(head: str) -> list[str]:
    """The first column of the table of docs/data.md that begins with this head."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {head} |")) + 2
    rows: list[str] = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append(line.split("|")[1].strip())
    return rows


@pytest.mark.parametrize(
    ("head", "tested"),
    [
        ("image file", [*FILES]),
        ("column of images", [*IMAGES, *REFUSED]),
        ("column of labels", [*LABELS, "Enum of polars"]),
    ],
)
def test_the_tables_of_the_documentation_are_what_is_tested(head: str, tested: list[str]):
    assert rows_of_table(head) == tested
