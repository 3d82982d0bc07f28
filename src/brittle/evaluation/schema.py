"""The columns of a part of a run folder: one row per image; docs/report.md says what each means."""

import pyarrow as pa

_FIELDS: list[tuple[str, pa.DataType]] = [
    ("index", pa.int64()),
    ("name", pa.string()),
    ("label", pa.int32()),
    ("clean_prediction", pa.int32()),
    ("clean_confidence", pa.float32()),
    ("correct", pa.bool_()),
    ("prediction", pa.int32()),
    ("confidence", pa.float32()),
    ("success", pa.bool_()),
    ("rounded_success", pa.bool_()),
    ("size", pa.float64()),
    ("l0", pa.float64()),
    ("l1", pa.float64()),
    ("l2", pa.float64()),
    ("linf", pa.float64()),
    ("pixels", pa.float64()),
    ("flow", pa.float64()),
    ("image_l1", pa.float64()),
    ("image_l2", pa.float64()),
    ("image_linf", pa.float64()),
    ("forward", pa.int32()),
    ("backward", pa.int32()),
    ("iterations", pa.int32()),
    ("nonfinite_outputs", pa.int32()),
    ("nonfinite_gradients", pa.int32()),
    ("seconds", pa.float64()),
    ("channels", pa.int32()),
    ("height", pa.int32()),
    ("width", pa.int32()),
]
_LATTICE = "size_unrounded"
_PICTURES = ("original", "adversarial", "field")
SCHEMA = pa.schema(
    [pa.field(name, kind, nullable=False) for name, kind in _FIELDS]
    + [pa.field(_LATTICE, pa.float64(), nullable=True)]
    + [pa.field(name, pa.binary(), nullable=True) for name in _PICTURES]
)
"""Columns of a part."""
NUMBERS = (*(name for name, _ in _FIELDS), _LATTICE)
"""Every column but the pictures."""
