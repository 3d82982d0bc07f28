"""The DeepFool paper's tables 1 and 2: test error, average robustness and cost by method, network by network."""

from collections.abc import Sequence
from dataclasses import replace

from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Order, Row, Setting, Study
from brittle.studies.deepfool.beside import AsPublished, ByBetterSearch, Illustration, InMaximumNorm
from brittle.studies.deepfool.methods import ByDeepFool, ByFastGradientSign, ByLBFGS, ErrorRate
from brittle.studies.shared.networks import KERAS
from brittle.studies.shared.networks import ORIGINS as _TABLE
from brittle.studies.shared.subject import Benchmark
from brittle.studies.shared.untrained import Untrained

TABLE = "deepfool_robustness"
MAXIMUM = "deepfool_robustness_linf"
FEWER, MANY = 10, 1000
"""Long searches are given one image in ten, and of all images at full scale a thousand."""
SHOWN = 50
"""Photographs at the small scale; twice as many at full."""
_LENET, _FULLY, _NIN, _CIFAR, _SQUEEZE, _MOBILE = _TABLE
ORIGINS = (
    replace(_LENET, epochs=(*_LENET.epochs, ("full", None)), full=None),
    replace(_FULLY, epochs=(*_FULLY.epochs, ("full", None)), full=None),
    _NIN,
    replace(_CIFAR, full=None),
    replace(KERAS, full=None),
    replace(_SQUEEZE, images=SHOWN, full=2 * SHOWN),
    replace(_MOBILE, images=SHOWN, full=2 * SHOWN),
)
"""The networks; all images of MNIST and CIFAR-10 at full scale."""
_KERAS, _ILLUSTRATED = ORIGINS[4], _MOBILE.row
NOTES_OF_ROWS = {
    _KERAS.row: "Another LeNet than the paper's: two convolutions, 62,006 weights, trained elsewhere on the original "
    "pixels, where the images at hand are JPEG copies. No published figures.",
    _SQUEEZE.row: "Near CaffeNet in accuracy, for which it was made; not in form, "
    "for it has no fully connected layers, and its weights are pruned. Its images are probably training images.",
    _MOBILE.row: "Near GoogLeNet in accuracy and in having no fully connected layers but the last; not in form "
    "(depthwise convolutions). Its images are probably training images.",
}
STANDS_FOR = {_SQUEEZE.row: "CaffeNet (ILSVRC2012)", _MOBILE.row: "GoogLeNet (ILSVRC2012)"}
ROWS = tuple(Row(origin.row, NOTES_OF_ROWS.get(origin.row, ""), STANDS_FOR.get(origin.row, "")) for origin in ORIGINS)

_SIZES, _MAXIMUM = "Average robustness", "Average robustness in the maximum norm"
_BOXED, _COST = "The same images in [0, 1]: is there anything smaller?", "Cost for an image"
_PUBLISHED = "DeepFool as the paper's algorithm 2 has it"
COLUMNS = (
    Column("images", "images", "number", _SIZES),
    Column("error", "test error", "percent", _SIZES),
    Column("deepfool.rho", "ρ, DeepFool", "ratio", _SIZES),
    Column("deepfool.boxed.rho", "ρ, DeepFool in [0, 1]", "ratio", _SIZES),
    Column("sign.rho", "ρ, fast gradient sign", "ratio", _SIZES),
    Column("sign.boxed.rho", "ρ, fast gradient sign in [0, 1]", "ratio", _SIZES),
    Column("lbfgs.rho", "ρ, L-BFGS in [0, 1]", "ratio", _SIZES),
    Column("linf.deepfool.rho", "ρ∞, DeepFool", "ratio", _MAXIMUM),
    Column("linf.sign.rho", "ρ∞, fast gradient sign", "ratio", _MAXIMUM),
    Column("same.deepfool.rho", "ρ, DeepFool", "ratio", _BOXED),
    Column("same.lbfgs.rho", "ρ, L-BFGS", "ratio", _BOXED),
    Column("same.better.rho", "ρ, a longer search", "ratio", _BOXED),
    Column("deepfool.iterations", "iterations, DeepFool", "number", _COST),
    Column("deepfool.boxed.iterations", "iterations in [0, 1]", "number", _COST),
    Column("deepfool.passes", "passes, DeepFool", "number", _COST),
    Column("deepfool.boxed.passes", "passes in [0, 1]", "number", _COST),
    Column("deepfool.seconds", "time, DeepFool", "seconds", _COST),
    Column("sign.passes", "passes, f. g. sign", "number", _COST),
    Column("sign.seconds", "time, f. g. sign", "seconds", _COST),
    Column("lbfgs.passes", "passes, L-BFGS", "number", _COST),
    Column("lbfgs.seconds", "time, L-BFGS", "seconds", _COST),
    Column("published.rho", "ρ", "ratio", _PUBLISHED),
    Column("published.iterations", "iterations", "number", _PUBLISHED),
)
_PAPER = {
    "error": "test error %",
    "deepfool.rho": "rho DeepFool",
    "deepfool.seconds": "time DeepFool",
    "sign.rho": "rho fast gradient sign",
    "sign.seconds": "time FGS",
    "lbfgs.rho": "rho L-BFGS",
    "lbfgs.seconds": "time L-BFGS",
}
_PAPER_MAXIMUM = {"linf.deepfool.rho": "rho DeepFool", "linf.sign.rho": "rho fast gradient sign"}
CLAIMED = "< 3"
"""The paper's claim of DeepFool's iterations, on average over its networks."""
NOTES = (
    "ρ is the mean over all test images of ||r||₂ / ||x||₂, r being the change that takes the image from the class "
    "that is predicted to another one, also where that prediction was wrong. The paper's problem (its equation 1) lets "
    "the changed image leave the range of pixels, and so do the figures beside the published ones; those in [0, 1] are "
    "of changed images that stay there. ρ∞ is the same in the maximum norm (the paper's table 2), without a box.",
    "Fast gradient sign has one ε for all images: the smallest at which 90 % change their class, found by bisection.",
    "ρ compares a change with the image in the space where both are measured: here pixels in [0, 1], images as they "
    "are. The paper does not name its own; whitened images, as in MatConvNet's example for CIFAR-10, have quite "
    "other norms, so that its figures on CIFAR-10 may not be comparable.",
    "L-BFGS is defined with a box, [0, 1] (Szegedy et al. 2014). It leaves the predicted class by the loss -log(1 - p) "
    "of that class's probability p; the paper does not say how it makes the targeted method untargeted. At the "
    "scales small and full it is given the first tenth of the images. On these very images DeepFool and a longer "
    "search (`boundary-descent:steps=100`) are measured, too. For photographs all this, and "
    "what stays in [0, 1], is measured from full scale on.",
    "DeepFool is here as in its authors' code: the boundary is linearised where the total, lengthened by 2 %, has led; "
    "at most 50 times, for the 10 likeliest classes. In the paper's algorithm 2 the total is not lengthened before the "
    "end, and neither limit is named. The last sheet has DeepFool so, its total lengthened by 2 % at the end.",
    "Passes are forward and backward ones together, (forward + backward) below, the clean and the verifying pass "
    "included. Times are an image's part of its batch; the paper's are of single images on a laptop of 2015, or on a "
    "GPU where it says so. The time of fast gradient sign is that of one step, without the search for ε.",
    INTERVALS + " Those of times are over batches.",
)
SMALLER_SEARCH = (
    "the L-BFGS here bisects its constant image by image and comes near what a longer search finds, while DeepFool is "
    "greedy, and the paper does not say how its L-BFGS chose the constant"
)
NOT_WHITENED = "the paper's images of CIFAR-10 may be whitened, which makes ρ larger; these are pixels as they are"


def _orders() -> tuple[Order, ...]:
    orders: list[Order] = []
    for row in (origin.row for origin in ORIGINS if origin is not _KERAS):
        orders.append(
            Order(
                f"{row}: DeepFool's changes are smaller than those of fast gradient sign",
                ((row, "deepfool.rho"), (row, "sign.rho")),
            )
        )
    for row in (origin.row for origin in ORIGINS[:4]):
        orders += [
            Order(
                f"{row}: the same in the maximum norm",
                ((row, "linf.deepfool.rho"), (row, "linf.sign.rho")),
            ),
            Order(
                f"{row}: L-BFGS's changes are smaller than those of fast gradient sign, both in [0, 1]",
                ((row, "lbfgs.rho"), (row, "sign.boxed.rho")),
            ),
            Order(
                f"{row}: DeepFool's changes are smaller than those of L-BFGS on the same images, both in [0, 1]",
                ((row, "same.deepfool.rho"), (row, "same.lbfgs.rho")),
                SMALLER_SEARCH,
            ),
        ]
    easiest = tuple((row, "deepfool.rho") for row in (_CIFAR.row, _FULLY.row, _LENET.row))
    return (
        *orders,
        Order("By DeepFool, LeNet for CIFAR-10 is easier to fool than FC500-150-10, and that than LeNet", easiest),
        Order(
            "By DeepFool, networks of photographs are easier to fool than LeNet for CIFAR-10",
            ((_SQUEEZE.row, "deepfool.rho"), (_CIFAR.row, "deepfool.rho")),
            NOT_WHITENED,
        ),
    )


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work of the study: for each network its error and all methods, or why there are none."""
    found: list[Cell] = []
    for origin in ORIGINS:
        subject = Benchmark(origin, setting)
        given = subject.given is not None or subject.trains or not origin.architecture
        works = _works(subject) if given else (Untrained(subject),)
        found += [Cell(origin.row, work.name, work.measure, work.identity) for work in works]
    return found


_Piece = (
    ErrorRate | ByDeepFool | ByFastGradientSign | ByLBFGS | ByBetterSearch | InMaximumNorm | AsPublished | Illustration
)


def _works(subject: Benchmark) -> Sequence[_Piece]:
    photographs, small = subject.origin.test == _MOBILE.test, subject.setting.scale == "small"
    boxes = (False,) if photographs and small else (False, True)
    methods = [work for boxed in boxes for work in (ByDeepFool(subject, boxed), ByFastGradientSign(subject, boxed))]
    few = _fewer(subject)
    long = () if photographs and small else (ByLBFGS(few), ByBetterSearch(few))
    beside = () if photographs else (InMaximumNorm(subject), AsPublished(subject))
    illustrated = (Illustration(subject),) if subject.origin.row == _ILLUSTRATED else ()
    return (ErrorRate(subject), *methods, *long, *beside, *illustrated)


def _fewer(subject: Benchmark) -> Benchmark:
    """The network with the images that the long searches are given."""
    origin = subject.origin
    full = MANY if origin.full is None else (origin.full or origin.images) // FEWER
    return Benchmark(replace(origin, images=origin.images // FEWER, full=full), subject.setting)


def _published(row: str, column: str) -> Figure:
    table, maximum = published()[TABLE], published()[MAXIMUM]
    if column == "deepfool.iterations":
        return CLAIMED if row in table.rows else None
    if column in _PAPER_MAXIMUM:
        return maximum.figure(row, _PAPER_MAXIMUM[column])
    return table.figure(row, _PAPER[column]) if column in _PAPER else None


DEEPFOOL_ROBUSTNESS = Study(
    name="deepfool-robustness",
    title="Average robustness of image classifiers by DeepFool, fast gradient sign and L-BFGS",
    source=published()[TABLE].source + ", tables 1 and 2",
    cells=cells,
    rows=ROWS,
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    plot=("deepfool.rho", "sign.rho", "lbfgs.rho"),
    orders=_orders(),
)
