"""Szegedy et al.'s first table: examples found for one network, shown to others of other architecture and penalty."""

from collections.abc import Sequence

from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Row, Setting, Study
from brittle.studies.lbfgs.crossing import DISTORTION, Change, TransferMatrix, figure
from brittle.studies.shared.small_networks import Model, SmallNetworks

TABLE = "lbfgs_cross_model"
IMAGES = 1000
"""Test images at the small scale."""
MODELS = (
    Model("FC10(1e-4)", "fc10", 1e-4, 5),
    Model("FC10(1e-2)", "fc10", 1e-2, 5),
    Model("FC10(1)", "fc10", 1.0, 5),
    Model("FC100-100-10", "fc100-100-10", 1e-5, 10),
    Model("FC200-200-10", "fc200-200-10", 1e-5, 10),
    Model("AE400-10", "ae400-10", 1e-6, 10, code=8),
)
CLEAN = "unchanged test images"
CHANGES = (
    *(Change(model.key, model.key, model.key, published=model.key) for model in MODELS),
    *(
        Change(f"Gaussian noise stddev {size}", f"noise {size}", stddev=size, published=f"Gaussian noise stddev {size}")
        for size in (0.1, 0.3)
    ),
    Change(CLEAN, "unchanged"),
)
_LINEAR, _HIDDEN = "Error of the linear networks", "Error of the networks with hidden units"
COLUMNS = (
    *(Column(model.key, model.key, "percent", _LINEAR if "FC10(" in model.key else _HIDDEN) for model in MODELS),
    Column(DISTORTION, "average distortion", "ratio", "Average distortion"),
)
NOTES = (
    "A row's images are distorted for the row's network until it takes them for a class drawn at random, never the "
    "true one, by the smallest change that L-BFGS finds in the box; the columns are the errors of all networks on "
    "them. All test images are taken, whether or not a network was right; the last row has its error on them as they "
    "are.",
    "Distortion is sqrt(mean((x' - x)²)), pixels in [0, 1], averaged over the images. Noise may leave the box, so that "
    "its distortion is what the row says.",
    "The paper does not say which images and which classes it took. Its distortions are near those of a random "
    "class; the nearest class is nearer by a third or so.",
    "FC10(λ) is a softmax layer on the pixels, FC100-100-10 and FC200-200-10 have layers of sigmoid units, AE400-10 is "
    "a softmax layer on the 400 sigmoid units of a sparse autoencoder that is not trained further. The penalty is read "
    "as λ Σ w², with λ = 1e-5 for the hidden layers and 1e-6 for the softmax layer of AE400-10.",
    INTERVALS,
)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work of the study: a row of errors for each change, and the drawings."""
    return TransferMatrix(SmallNetworks(MODELS, setting, IMAGES), CHANGES, published()[TABLE]).cells()


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
)
