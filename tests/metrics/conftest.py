"""Small tables with figures that can be worked out by hand."""

import pyarrow as pa
import pytest

INF = float("inf")


@pytest.fixture
def table():
    """Rows from columns; what is left out is plausible and follows from what is given."""

    def build(**columns):
        n = len(columns["correct"])
        given = {
            "index": list(range(n)),
            "label": [0] * n,
            "prediction": [1] * n,
            "size": [0.5] * n,
            "rounded_success": columns.get("success", [True] * n),
            "success": columns["correct"],
            "l2": columns.get("size", [0.5] * n),
            "linf": columns.get("size", [0.5] * n),
            "image_l2": [2.0] * n,
        } | columns
        return pa.table(given)

    return build


@pytest.fixture
def minimum(table):
    """Six images: one wrong before, one never broken, four broken at sizes 1, 2, 3 and 4."""
    return table(
        correct=[True, True, False, True, True, True],
        success=[True, True, False, True, True, False],
        rounded_success=[False, True, False, True, True, False],
        size=[1.0, 2.0, 0.0, 3.0, 4.0, INF],
        l2=[1.0, 2.0, 0.0, 3.0, 4.0, 9.0],
        label=[0, 0, 0, 1, 1, 1],
        prediction=[1, 1, 1, 0, 2, 1],
        image_l2=[10.0, 10.0, 10.0, 10.0, 20.0, 10.0],
    )


@pytest.fixture
def fixed(table):
    """The same six images in another order, attacked at radius 2: images 0 and 5 fall."""
    return table(
        index=[5, 4, 3, 2, 1, 0],
        correct=[True, True, True, False, True, True],
        success=[True, False, False, False, False, True],
        size=[1.9, INF, INF, 0.0, INF, 2.0],
        l2=[1.9, 2.0, 2.0, 0.0, 2.0, 2.0],
        label=[1, 1, 1, 0, 0, 0],
        prediction=[0, 1, 1, 1, 0, 2],
    )
