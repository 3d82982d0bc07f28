"""Szegedy et al.'s second table: examples found for one network, shown to one trained on other images."""

from collections.abc import Sequence

from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Order, Row, Scale, Setting, Study
from brittle.studies.lbfgs.crossing import DISTORTION, RIGHT, Change, TransferMatrix, figure
from brittle.studies.shared.small_networks import TEST, Model, SmallNetworks

TABLE = "lbfgs_cross_training_set"
SIZES: dict[Scale, int | None] = {"small": 1000, "full": None, "paper": None}
"""Test images by scale, on which the paper measures this table."""
PRIMED = "FC100-100-10'"
MODELS = (
    Model("FC100-100-10", "fc100-100-10", 1e-5, 1e-6, half=0),
    Model("FC123-456-10", "fc123-456-10", 1e-5, 1e-6, half=0),
    Model(PRIMED, "fc100-100-10", 1e-5, 1e-6, half=1),
)
_THEIRS = {"FC100-100-10": 0.062, "FC123-456-10": 0.059, PRIMED: 0.058}
"""The distortions that the paper puts into the names of its rows."""
CHANGES = (
    *(
        Change(f"distorted for {key}", key, key, published=f"distorted for {key} (stddev {theirs})")
        for key, theirs in _THEIRS.items()
    ),
    Change("Gaussian noise stddev 0.06", "noise 0.06", stddev=0.06, published="Gaussian noise stddev 0.06"),
    *(
        Change(f"{key} amplified to stddev 0.1", f"{key} ×", key, 0.1, f"{key} amplified to stddev 0.1")
        for key in _THEIRS
    ),
    Change("Gaussian noise stddev 0.1", "noise 0.1", stddev=0.1, published="Gaussian noise stddev 0.1"),
    Change("unchanged test images", "unchanged"),
)
COLUMNS = (
    *(Column(model.key, model.key, "percent", "Error of the network") for model in MODELS),
    Column(DISTORTION, "average distortion", "ratio", "Average distortion"),
    *(
        Column(model.key + RIGHT, model.key, "percent", "Error on the images that the network had right unchanged")
        for model in MODELS
    ),
)
NOTES = (
    "FC100-100-10 and FC123-456-10 are trained on one half of MNIST's training images (those at even positions), "
    "FC100-100-10' on the other half; all three have layers of sigmoid units and random first weights of their own.",
    "A row's images are distorted for the row's network until it takes them for a class drawn at random, never the "
    "true one, by the smallest change that L-BFGS finds in the box; amplified ones have that change brought to a "
    "distortion of 0.1, which makes the few that are larger shorter. The columns are the errors of all networks on "
    "them. As in the paper they are test images, all of them, whether or not a network was right; the last row has "
    "its error on them as they are, and the last sheet the errors on those that the column's network had right.",
    "Distortion is sqrt(mean((x' - x)²)), pixels in [0, 1], averaged over the images. Noise and amplified changes may "
    "leave the box, so that their distortion is what the row says.",
    "The paper does not say which classes it took; its distortions are near those of a random class. The penalty is "
    "read as λ Σ w² over weights and biases, with λ = 1e-5 for the hidden layers and 1e-6 for the softmax layer.",
    INTERVALS,
)


ORDERS = (
    *(
        Order(
            f"Images changed for {key} lead {other} into more errors than noise of the same size",
            (("Gaussian noise stddev 0.06", other), (f"distorted for {key}", other)),
        )
        for key, other in (
            ("FC100-100-10", "FC123-456-10"),
            ("FC123-456-10", "FC100-100-10"),
            ("FC100-100-10", PRIMED),
            (PRIMED, "FC100-100-10"),
        )
    ),
    *(
        Order(
            f"Amplified changes for {key} lead {other} into more errors than noise of the same size",
            (("Gaussian noise stddev 0.1", other), (f"{key} amplified to stddev 0.1", other)),
        )
        for key, other in (("FC100-100-10", PRIMED), ("FC123-456-10", PRIMED), (PRIMED, "FC100-100-10"))
    ),
    *(
        Order(
            f"Changes for {key} pass on to a network of the same images ({near}) more than to one of others ({far})",
            ((f"{row}", far), (f"{row}", near)),
        )
        for key, near, far, row in (
            ("FC100-100-10", "FC123-456-10", PRIMED, "FC100-100-10 amplified to stddev 0.1"),
            ("FC123-456-10", "FC100-100-10", PRIMED, "FC123-456-10 amplified to stddev 0.1"),
        )
    ),
)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work of the study: a row of errors for each change, and the drawings."""
    return TransferMatrix(SmallNetworks(MODELS, setting, TEST, SIZES), CHANGES, published()[TABLE]).cells()


def _published(row: str, column: str) -> Figure:
    return figure(published()[TABLE], CHANGES, row, column)


LBFGS_CROSS_TRAINING_SET = Study(
    name="lbfgs-cross-training-set",
    title="Examples that L-BFGS finds for one network, shown to networks trained on other images",
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
    minutes={"small": 2},
)
