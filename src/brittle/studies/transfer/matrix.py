"""What momentum, diverse inputs, smooth gradients and ensembles gain where the network under attack is not known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brittle.attacks.basic_iterative import BasicIterative
from brittle.blackbox.transfer import transfer_matrix
from brittle.classifiers.classifier import Classifier
from brittle.metrics import Estimate
from brittle.studies.bench.cells import plain_value, value_of
from brittle.studies.bench.drawing import HeatMap
from brittle.studies.bench.study import INTERVALS, Cell, Column, Measured, Row, Setting, Study, sized
from brittle.studies.shared.kept_content import kept_content
from brittle.studies.shared.views import MOBILENET_128, MOBILENET_160, MOBILENET_192, MOBILENET_V2, SQUEEZENET
from brittle.studies.transfer.networks import SIZE, SharedPhotographs
from brittle.threats import Lp

VIEWS = (MOBILENET_V2, MOBILENET_192, MOBILENET_160, MOBILENET_128, SQUEEZENET)
IMAGES = {"small": 20, "full": 100, "paper": None}
"""Photographs at the small scale."""
EPS, STEPS = 16 / 255, 10
"""Radius and steps of Dong et al. 2018, section 4.1; a step is a tenth of the radius."""
BATCH = 25
OTHERS = "all others"
"""The source of a row in which each network is attacked through the mean of the others' logits."""


def _method(**options: float) -> BasicIterative:
    return BasicIterative(step_size=EPS / STEPS, steps=STEPS, **options)  # pyright: ignore[reportArgumentType]


METHODS = {
    "I-FGSM": _method(),
    "MI-FGSM": _method(momentum=1.0),
    "DI-FGSM": _method(diversity=0.5),
    "TI-FGSM": _method(kernel=7),
    "MI-DI-FGSM": _method(momentum=1.0, diversity=0.5),
    "MI-DI-TI-FGSM": _method(momentum=1.0, diversity=0.5, kernel=7),
}
"""Each with its published settings, but for the kernel, which is smaller."""
TOGETHER = ("I-FGSM", "MI-DI-FGSM")
"""With which the ensembles are attacked."""


@dataclass(frozen=True)
class Made:
    """How the changes of a row are made.

    Attributes:
        method: of `METHODS`.
        source: the network that they are made on; `OTHERS` for those that are not the column's.
    """

    method: str
    source: str

    @property
    def row(self) -> str:
        """The row's name."""
        return f"{self.method} on {self.source}"


ROWS = (
    *(Made(method, view.row) for method in METHODS for view in VIEWS),
    *(Made(method, OTHERS) for method in TOGETHER),
)
SHEET = "Images that break the column's network, of those that both get right"
COLUMNS = tuple(Column(view.row, view.row, "percent", SHEET) for view in VIEWS)
NOTES = (
    f"Changes of at most 16/255 in the maximum norm, {STEPS} steps of a tenth of it, all of them made whatever the "
    "source says meanwhile; of the points on the way that with the largest margin on the source is shown. Every step "
    "costs one forward and one backward pass, whatever the options.",
    f"All networks see the same photographs of {SIZE} x {SIZE}, which each resamples to its own size; the resampling "
    "is part of the network that is attacked. A rate counts the images that source and target get right.",
    "MI has a momentum of 1, DI shows an image smaller and elsewhere with a probability of 0.5 (within a frame of the "
    "image's size; the paper enlarges the frame), TI smooths gradients with a kernel of 7 x 7: the paper's 15 x 15 is "
    "meant for defended networks and for 299 x 299 pixels, see the benchmark of transfer for both.",
    f"On {OTHERS}: the mean of the logits of the networks that are not the column's is attacked, so that the column's "
    "network is not known at all.",
    "The papers' networks (Inception, ResNet) are not here, so that no published figures stand beside these.",
    f"Scale small: {IMAGES['small']} photographs; full: {IMAGES['full']}; paper: all of the sample.",
    INTERVALS,
)


@dataclass(frozen=True)
class Matrix:
    """The rates of all pairs, measured once each and kept."""

    networks: SharedPhotographs

    def identity(self, made: Made) -> Mapping[str, object]:
        """Everything that determines a row; networks that cannot be had leave their column empty."""
        if made.source != OTHERS:
            self.networks.check(made.source)
        return {**self.networks.identity(), "attack": repr(METHODS[made.method]), "source": made.source}

    def rates(self, made: Made) -> Mapping[str, Estimate]:
        """Return a row's rates by target, measured now or kept."""

        def measured() -> dict[str, object]:
            return {name: plain_value(one) for name, one in self._measured(made).items()}

        kept = kept_content(self.networks.setting, "rates/pair", self.identity(made), measured)
        values = {name: value_of(one) for name, one in kept.items()}
        return {name: one for name, one in values.items() if isinstance(one, Estimate)}

    def _measured(self, made: Made) -> Mapping[str, Estimate]:
        targets = {name: self.networks.classifier(name) for name in self.networks.digests}
        if made.source != OTHERS:
            return self._pairs(made, {made.source: [targets[made.source]]}, targets)
        rates: dict[str, Estimate] = {}
        for name, target in targets.items():
            others = [one for other, one in targets.items() if other != name]
            if others:
                rates |= self._pairs(made, {f"all but {name}": others}, {name: target})
        return rates

    def _pairs(
        self, made: Made, sources: Mapping[str, Sequence[Classifier]], targets: Mapping[str, Classifier]
    ) -> Mapping[str, Estimate]:
        (name,) = sources
        images, labels = self.networks.shown
        done = 0

        def tell(source: str, count: int) -> None:
            nonlocal done
            done += count
            self.networks.setting.tell(f"{made.method} on {source}, {done:,} of {len(images):,} images")

        found = transfer_matrix(
            METHODS[made.method],
            sources,
            targets,
            images,
            labels,
            threat=Lp("inf", EPS),
            seed=self.networks.setting.seed,
            batch=BATCH,
            progress=tell,
        )
        return found.rates[name]

    def measure(self, made: Made) -> Measured:
        """Fill a row."""
        return Measured(self.rates(made))

    def heat_map(self, method: str) -> Measured:
        """Lay the rows of a method beside each other."""
        names = tuple(self.networks.digests)
        sources = (*names, OTHERS) if method in TOGETHER else names
        rates = [self.rates(Made(method, source)) for source in sources]
        values = [[row[name].value if name in row else None for name in names] for row in rates]
        caption = "Fraction of images that break the column's network, of those that both get right."
        return Measured(figures=(HeatMap(method, caption, sources, names, values, "percent", "made on", "shown to"),))


def cells(setting: Setting) -> Sequence[Cell]:
    """Return the pieces of work: a row for each method and source, and a drawing for each method."""
    matrix = Matrix(SharedPhotographs(VIEWS, setting, sized(IMAGES, setting.scale)))

    def row_of(made: Made) -> Cell:
        return Cell(made.row, "rates", lambda: matrix.measure(made), lambda: matrix.identity(made))

    def drawing_of(method: str) -> Cell:
        row = Made(method, VIEWS[0].row).row
        about = {"drawing of": method}
        return Cell(row, "heat map", lambda: matrix.heat_map(method), lambda: {**matrix.networks.identity(), **about})

    return [*(row_of(made) for made in ROWS), *(drawing_of(method) for method in METHODS)]


TRANSFER = Study(
    name="transfer",
    title="Changes made on some networks, shown to others: momentum, diverse inputs, smooth gradients, ensembles",
    source="Y. Dong et al., Boosting adversarial attacks with momentum, CVPR 2018, arXiv:1710.06081; C. Xie et al., "
    "Improving transferability of adversarial examples with input diversity, CVPR 2019, arXiv:1803.06978; Y. Dong et "
    "al., Evading defenses to transferable adversarial examples by translation-invariant attacks, CVPR 2019, "
    "arXiv:1904.02884",
    cells=cells,
    rows=tuple(Row(made.row) for made in ROWS),
    columns=COLUMNS,
    published=lambda row, column: None,
    notes=NOTES,
    of="Changes",
)
