"""Szegedy et al.'s first table: examples found for one network, shown to others of other architecture and penalty."""

from collections.abc import Sequence

from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Order, Row, Scale, Setting, Study
from brittle.studies.lbfgs.crossing import DISTORTION, RIGHT, Change, TransferMatrix, figure
from brittle.studies.shared.small_networks import TRAINING, Model, SmallNetworks

TABLE = "lbfgs_cross_model"
SIZES: dict[Scale, int | None] = {"small": 1000, "full": 10000, "paper": None}
"""Training images by scale: the paper measures its distortion on the training set, and so are its errors."""
MODELS = (
    Model("FC10(1e-4)", "fc10", 1e-4),
    Model("FC10(1e-2)", "fc10", 1e-2),
    Model("FC10(1)", "fc10", 1.0),
    Model("FC100-100-10", "fc100-100-10", 1e-5, 1e-6),
    Model("FC200-200-10", "fc200-200-10", 1e-5, 1e-6),
    Model("AE400-10", "ae400-10", 1e-6, code=True),
)
CLEAN = "unchanged images"
CHANGES = (
    *(Change(model.key, model.key, model.key, published=model.key) for model in MODELS),
    *(
        Change(f"Gaussian noise stddev {size}", f"noise {size}", stddev=size, published=f"Gaussian noise stddev {size}")
        for size in (0.1, 0.3)
    ),
    Change(CLEAN, "unchanged"),
)
_LINEAR, _HIDDEN = "Error of the linear networks", "Error of the networks with hidden units"
_RIGHT = "Error on the images that the network had right unchanged"
COLUMNS = (
    *(Column(model.key, model.key, "percent", _LINEAR if "FC10(" in model.key else _HIDDEN) for model in MODELS),
    Column(DISTORTION, "average distortion", "ratio", "Average distortion"),
    *(Column(model.key + RIGHT, model.key, "percent", _RIGHT) for model in MODELS),
)
NOTES = (
    "A row's images are distorted for the row's network until it takes them for a class drawn at random, never the "
    "true one, by the smallest change that L-BFGS finds in the box; the columns are the errors of all networks on "
    "them.",
    "The images are training images: the paper says so of its distortions, and only then are its errors of 0 % under "
    "noise possible for networks that get 1.6 % of the test images wrong. All of them are taken, whether or not a "
    "network was right, as the paper's errors of FC10(1) under noise (18.3 %; 21.2 % on training images as they are) "
    "suggest; the last row has the error on them as they are, and the last sheet the errors on those that the "
    "column's network had right.",
    "Distortion is sqrt(mean((x' - x)²)), pixels in [0, 1], averaged over the images. Noise may leave the box, so that "
    "its distortion is what the row says.",
    "The paper does not say which classes it took. Its distortions are near those of a random class; the nearest "
    "class is nearer by a third or so. Most of its errors are multiples of 1/256.",
    "FC10(λ) is a softmax layer on the pixels, FC100-100-10 and FC200-200-10 have layers of sigmoid units, AE400-10 is "
    "a softmax layer on the 400 sigmoid units of a sparse autoencoder that is not trained further. The penalty is read "
    "as λ Σ w² over weights and biases. Over weights alone and divided by the number of a layer's units, it leaves "
    "FC10(1) wrong on 15.6 % of the training images and FC10(1e-2) on 8.3 %, where the paper has 21.2 and 10 %.",
    INTERVALS,
)
NOISE = "Gaussian noise stddev 0.1"
ORDERS = (
    *(
        Order(
            f"Noise of stddev 0.1 leads {column} into fewer errors than images changed for {row} do",
            ((NOISE, column), (row, column)),
        )
        for row, column in (
            ("FC10(1)", "FC10(1e-4)"),
            ("FC10(1)", "FC100-100-10"),
            ("FC100-100-10", "FC200-200-10"),
            ("FC200-200-10", "FC100-100-10"),
            ("AE400-10", "FC100-100-10"),
        )
    ),
    Order(
        "The stronger the penalty of a linear network, the larger the change it takes",
        tuple((f"FC10({penalty})", DISTORTION) for penalty in ("1e-4", "1e-2", "1")),
    ),
    Order(
        "AE400-10 takes a larger change than the networks of two hidden layers",
        (("FC100-100-10", DISTORTION), ("FC200-200-10", DISTORTION), ("AE400-10", DISTORTION)),
    ),
    Order(
        "Of images changed for FC10(1e-2) AE400-10 gets fewer wrong than FC100-100-10",
        (("FC10(1e-2)", "AE400-10"), ("FC10(1e-2)", "FC100-100-10")),
    ),
    Order(
        "Images changed for FC10(1) lead FC100-100-10 into more errors than those for FC10(1e-2), and these into more "
        "than those for FC10(1e-4)",
        tuple((f"FC10({penalty})", "FC100-100-10") for penalty in ("1e-4", "1e-2", "1")),
    ),
)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work of the study: a row of errors for each change, and the drawings."""
    return TransferMatrix(SmallNetworks(MODELS, setting, TRAINING, SIZES), CHANGES, published()[TABLE]).cells()


def _published(row: str, column: str) -> Figure:
    return figure(published()[TABLE], CHANGES, row, column)


LBFGS_CROSS_MODEL = Study(
    name="lbfgs-cross-model",
    title="Examples that L-BFGS finds for one network, shown to networks of other architecture",
    source=published()[TABLE].source + ", section 4.2",
    cells=cells,
    rows=tuple(Row(change.row) for change in CHANGES),
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    plot=(DISTORTION,),
    plot_caption="Average distortion, logarithmic axis: farther left is more brittle.",
    of="Images changed for",
    orders=ORDERS,
    minutes={"small": 5},
)
