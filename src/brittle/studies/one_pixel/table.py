"""The one-pixel paper's tables: how often one, three or five pixels change the class, and into which."""

from collections.abc import Sequence

from brittle.studies.bench.published import Figure, published
from brittle.studies.bench.study import INTERVALS, Cell, Column, Order, Row, Setting, Study, Unit
from brittle.studies.one_pixel.attacked import Accuracy, AwayByOne, ByPixels
from brittle.studies.one_pixel.sizes import (
    ALEXNET,
    ALL,
    ALLCONV,
    FETCHED,
    LENET,
    NIN,
    PHOTOGRAPHS,
    PIXELS,
    RESNET,
    SMALL_PICTURES,
    SQUEEZENET,
    VGG16,
    told,
)
from brittle.studies.shared.fetched import FetchedBenchmark
from brittle.studies.shared.subject import Benchmark

_PAPERS = {ALLCONV: "AllConv", NIN: "NiN", VGG16: "VGG16"}
_BVLC, _UNNAMED = "BVLC AlexNet (ImageNet)", "Three and five pixels (CIFAR-10)"
MORE = {LENET: f"{LENET}, more pixels", RESNET: f"{RESNET}, more pixels"}
"""Rows of three and five pixels: the paper has them in a table of their own."""
ROWS = (
    *map(Row, _PAPERS),
    Row(_BVLC, "Published figures only: no weights of this network are at hand, so this version does not measure it."),
    Row(_UNNAMED, "The paper's figures for three and five pixels, kept here without the network's name."),
    Row(
        RESNET,
        "It is near to AllConv in that it is made of 3 x 3 convolutions, with strides in place of pooling and an "
        "average over the picture at the end, and in accuracy; AllConv has no shortcuts and takes three times as long.",
        stands_for=ALLCONV,
    ),
    Row(
        LENET,
        "It is near to VGG16 in that its convolutions are followed by max pooling and three fully connected layers; it "
        "has two of them instead of thirteen, and is less accurate.",
        stands_for=VGG16,
    ),
    Row(
        SQUEEZENET,
        "It is near to AlexNet in its input of 227 x 227 and, as it was meant to be, in accuracy; it has no fully "
        "connected layer.",
        stands_for=_BVLC,
    ),
    Row(ALEXNET, "Trained anew, with fewer channels than BVLC's, at 224 x 224.", stands_for=_BVLC),
    *(Row(row, stands_for=_UNNAMED) for row in MORE.values()),
)


def _columns(pixels: int) -> tuple[Column, ...]:
    sheet = f"{pixels} pixel{'s' if pixels > 1 else ''}"
    heads: tuple[tuple[str, str, Unit], ...] = (
        ("images", "images attacked", "number"),
        ("targeted", "targeted", "percent"),
        ("any", "non-targeted", "percent"),
        ("direct", "untargeted attack", "percent"),
        ("confidence", "confidence", "percent"),
        ("classes", "target classes reached", "number"),
        ("queries", "queries", "number"),
    )
    return tuple(Column(f"{pixels}.{key}", title, unit, sheet) for key, title, unit in heads)


COLUMNS = (
    Column("accuracy", "original accuracy", "percent", "Networks"),
    *(column for pixels in PIXELS for column in _columns(pixels)),
)
NOTES = (
    "Targeted: the fraction of pairs of an image and another class in which the attack makes the network predict that "
    "class. Non-targeted: the fraction of images that reach at least one other class so, as the paper counts it on "
    "CIFAR-10. Untargeted attack: the fraction of images that leave their class when the label's probability is made "
    "small, as the paper does on ImageNet (its 16.04 % of AlexNet). Confidence: the probability of the predicted class "
    "after a success, targeted on CIFAR-10. Queries: forward passes for a pair.",
    "The paper's table of three and five pixels has a row that it calls rate per label; it is read as this confidence, "
    "which the paper defines as a mean of probability labels. That is our reading.",
    f"Attacked are the first images of the test set that the network gets right; the paper draws {ALL.images} at "
    f"random. Scale small: {told('small')}; of ResNet-32 one pixel alone. Scale full: {told('full')}. Shorter searches "
    "find less than the full one. "
    f"Scale paper: {ALL.images} images (105 photographs), {ALL.attack.population} candidates, "
    f"{ALL.attack.generations} generations. AllConv, NiN and VGG16 are trained at the scale of the paper alone; one "
    "forward pass of theirs takes about 80 to 110 times as long as LeNet's.",
    INTERVALS,
)


def _works(subject: Benchmark) -> list[Cell]:
    """Return the pieces of work on a network of CIFAR-10."""
    row = subject.origin.row
    accuracy = Accuracy(subject)
    found = [Cell(row, accuracy.name, accuracy.measure, accuracy.identity)]
    for pixels in PIXELS[:1] if (subject.setting.scale, row) == ("small", RESNET) else PIXELS:
        work = ByPixels(subject, pixels)
        found.append(Cell(row if pixels == 1 else MORE.get(row, row), work.name, work.measure, work.identity))
    return found


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: for each network its accuracy and the attack by pixels."""
    found: list[Cell] = []
    for origin in SMALL_PICTURES:
        found += _works(Benchmark(origin, setting))
    for subject in (Benchmark(PHOTOGRAPHS, setting), FetchedBenchmark(FETCHED, setting)):
        row = subject.origin.row
        works = (Accuracy(subject), AwayByOne(subject))
        found += [Cell(row, work.name, work.measure, work.identity) for work in works]
    return found


def _published(row: str, column: str) -> Figure:
    one, few = published()["one_pixel"], published()["one_pixel_few"]
    pixels, _, quantity = column.rpartition(".")
    if row == _UNNAMED and pixels in ("3", "5"):
        name = {"targeted": "success targeted", "any": "success non-targeted", "confidence": "rate per label"}
        return few.figure(name[quantity], f"{pixels} pixels") if quantity in name else None
    if row == _BVLC and column in ("1.direct", "1.confidence", "accuracy"):
        name = {"1.direct": "non-targeted", "1.confidence": "confidence", "accuracy": "original accuracy"}
        return one.figure(name[column], "BVLC")
    name = {"accuracy": "original accuracy", "1.targeted": "targeted"}
    name |= {"1.any": "non-targeted", "1.confidence": "confidence"}
    return one.figure(name[column], _PAPERS[row]) if row in _PAPERS and column in name else None


def _more_often(row: str) -> Order:
    return Order(
        f"{row}: some other class is reached more often than a given one", ((row, "1.targeted"), (row, "1.any"))
    )


def _orders(row: str) -> tuple[Order, ...]:
    more = MORE[row]
    return (
        _more_often(row),
        Order(
            f"{row}: three pixels reach a given class more often than one, and five more often than three",
            ((row, "1.targeted"), (more, "3.targeted"), (more, "5.targeted")),
        ),
        Order(f"{row}: three pixels break more images than one", ((row, "1.any"), (more, "3.any"))),
        Order(f"{row}: five pixels break more images than one", ((row, "1.any"), (more, "5.any"))),
    )


ONE_PIXEL = Study(
    name="one-pixel",
    title="Success of one-, three- and five-pixel attacks by differential evolution",
    source=published()["one_pixel"].source + ", tables of results",
    cells=cells,
    rows=ROWS,
    columns=COLUMNS,
    published=_published,
    notes=NOTES,
    orders=(
        *_orders(LENET),
        _more_often(RESNET),
        Order("One pixel breaks fewer photographs than small pictures", ((SQUEEZENET, "1.direct"), (LENET, "1.any"))),
    ),
    minutes={"small": 5},
)
