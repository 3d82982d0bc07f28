"""Networks of photographs that all see the same images, each at its own size."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.ensemble import at_size
from brittle.data import Fit, Source, open_source
from brittle.errors import BrittleError, DataError, InputError
from brittle.maths.quantization import values_of
from brittle.studies.bench.study import Setting
from brittle.studies.shared.photographs import SAMPLE, Photographs, read_photographs, shuffled
from brittle.studies.shared.views import View
from brittle.types import Images, Labels

SIZE = 224
"""Height and width of the images that all networks share."""


class SharedPhotographs:
    """Networks with the same photographs; nothing is opened or read before it is asked for.

    Args:
        views: the networks.
        setting: what the user chose.
        images: most photographs; None for all.
    """

    def __init__(self, views: Sequence[View], setting: Setting, images: int | None):
        self.views, self.setting, self.images = {view.row: view for view in views}, setting, images
        self._classifiers: dict[str, Classifier] = {}

    def _given(self, name: str) -> Photographs:
        return Photographs(self.views[name], self.setting)

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """The digests of the networks that can be had, by name.

        Raises:
            BrittleError: none can; it says what the first one misses.
        """
        found: dict[str, str] = {}
        missing: BrittleError | None = None
        for name in self.views:
            try:
                found[name] = self._given(name).network.digest
            except BrittleError as error:
                missing = missing or error
        if not found:
            raise missing or InputError("there are no networks")
        return found

    def check(self, name: str) -> None:
        """Raise what keeps a network from being had."""
        if name not in self.digests:
            _ = self._given(name).network

    def classifier(self, name: str) -> Classifier:
        """Return a network that takes the shared images."""
        if name not in self._classifiers:
            network = self._given(name).network
            _, height, width = network.input_shape or (3, SIZE, SIZE)
            self._classifiers[name] = at_size(Classifier(network.module), (height, width))
        return self._classifiers[name]

    @cached_property
    def source(self) -> Source:
        """All photographs.

        Raises:
            DataError: they have no labels.
        """
        source = open_source(str(self.setting.data_file(SAMPLE)), fit=Fit(3, SIZE, SIZE))
        if not source.labelled:
            raise DataError(f"{source.spec} has no labels, without which nobody can say what is right")
        return source

    @cached_property
    def shown(self) -> tuple[Images, Labels]:
        """The photographs of the scale, drawn by the seed, and their labels."""
        order = shuffled(self.source, self.setting)
        pixels, labels = read_photographs(self.source, order[: self.images])
        return values_of(pixels.float()), labels

    def identity(self) -> dict[str, object]:
        """Everything of networks and images that determines a figure."""
        return {
            "networks": dict(self.digests),
            "data": self.source.digest(),
            "images": len(self.source) if self.images is None else self.images,
            "seed": self.setting.seed,
            "device": self.setting.device.partition(":")[0],
        }
