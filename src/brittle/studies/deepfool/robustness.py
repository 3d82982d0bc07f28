"""The DeepFool paper's table: test error, average robustness and cost by method, network by network."""

from collections.abc import Sequence
from dataclasses import replace

from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Row, Setting, Study
from brittle.studies.deepfool.methods import ByDeepFool, ByFastGradientSign, ByLBFGS, ErrorRate
from brittle.studies.shared.networks import ORIGINS
from brittle.studies.shared.subject import Benchmark
from brittle.studies.shared.untrained import Untrained

TABLE = "deepfool_robustness"
FEWER = 10
"""At the small scale L-BFGS, which needs many more passes, is given one image in so many."""

_GONE = "Published figures only: no weights of this network are at hand, so this version does not measure it."
_NEW = "No published figures: the network is not in the paper."
ROWS = (
    *(Row(origin.row) for origin in ORIGINS[:4]),
    Row("CaffeNet (ILSVRC2012)", _GONE),
    Row("GoogLeNet (ILSVRC2012)", _GONE),
    *(Row(origin.row, _NEW) for origin in ORIGINS[4:]),
)

_SIZES, _COST = "Average robustness", "Cost for an image"
COLUMNS = (
    Column("images", "images", "number", _SIZES),
    Column("error", "test error", "percent", _SIZES),
    Column("deepfool.rho", "ρ, DeepFool", "ratio", _SIZES),
    Column("deepfool.boxed.rho", "ρ, DeepFool in [0, 1]", "ratio", _SIZES),
    Column("sign.rho", "ρ, fast gradient sign", "ratio", _SIZES),
    Column("sign.boxed.rho", "ρ, fast gradient sign in [0, 1]", "ratio", _SIZES),
    Column("lbfgs.rho", "ρ, L-BFGS in [0, 1]", "ratio", _SIZES),
    Column("deepfool.iterations", "iterations, DeepFool", "number", _COST),
    Column("deepfool.boxed.iterations", "iterations in [0, 1]", "number", _COST),
    Column("deepfool.passes", "passes, DeepFool", "number", _COST),
    Column("deepfool.boxed.passes", "passes in [0, 1]", "number", _COST),
    Column("deepfool.seconds", "time, DeepFool", "seconds", _COST),
    Column("sign.passes", "passes, f. g. sign", "number", _COST),
    Column("sign.seconds", "time, f. g. sign", "seconds", _COST),
    Column("lbfgs.passes", "passes, L-BFGS", "number", _COST),
    Column("lbfgs.seconds", "time, L-BFGS", "seconds", _COST),
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
CLAIMED = "< 3"
"""The paper's claim of DeepFool's iterations, on average over its networks."""
NOTES = (
    "ρ is the mean over all test images of ||r||₂ / ||x||₂, r being the change that takes the image from the class "
    "that is predicted to another one, also where that prediction was wrong. The paper's problem (its equation 1) lets "
    "the changed image leave the range of pixels, and so do the figures beside the published ones; those in [0, 1] are "
    "of changed images that stay there.",
    "Fast gradient sign has one ε for all images: the smallest at which 90 % change their class, found by bisection.",
    "ρ compares a change with the image in the space where both are measured: here pixels in [0, 1], images as they "
    "are. The paper does not name its own; whitened images, as in MatConvNet's example for CIFAR-10, have quite "
    "other norms, so that its figures on CIFAR-10 may not be comparable.",
    "L-BFGS is defined with a box, [0, 1] (Szegedy et al. 2014). It leaves the predicted class by the loss -log(1 - p) "
    "of that class's probability p; the paper does not say how it makes the targeted method untargeted. At the small "
    "scale it is given the first tenth of the images.",
    "Passes are forward and backward ones together, (forward + backward) below, the clean and the verifying pass "
    "included. Times are an image's part of its batch; the paper's are of single images on a laptop of 2015, or on a "
    "GPU where it says so. The time of fast gradient sign is that of one step, without the search for ε.",
    INTERVALS + " Those of times are over batches.",
)


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work of the study: for each network its error and both methods, or why there are none."""
    found: list[Cell] = []
    for origin in ORIGINS:
        subject = Benchmark(origin, setting)
        given = subject.given is not None or subject.trains or not origin.architecture
        works = _works(subject) if given else (Untrained(subject),)
        found += [Cell(origin.row, work.name, work.measure, work.identity) for work in works]
    return found


def _works(subject: Benchmark) -> tuple[ErrorRate | ByDeepFool | ByFastGradientSign | ByLBFGS, ...]:
    methods = ((ByDeepFool(subject, boxed), ByFastGradientSign(subject, boxed)) for boxed in (False, True))
    few = Benchmark(replace(subject.origin, images=subject.origin.images // FEWER), subject.setting)
    return (ErrorRate(subject), *(work for pair in methods for work in pair), ByLBFGS(few))


def _published(row: str, column: str) -> Figure:
    if column == "deepfool.iterations":
        return CLAIMED if row in published()[TABLE].rows else None
    return published()[TABLE].figure(row, _PAPER[column]) if column in _PAPER else None


DEEPFOOL_ROBUSTNESS = Study(
    name="deepfool-robustness",
    title="Average robustness of image classifiers by DeepFool, fast gradient sign and L-BFGS",
    source=published()[TABLE].source + ", table 1",
    cells=cells,
    rows=ROWS,
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    plot=("deepfool.rho", "sign.rho", "lbfgs.rho"),
)
