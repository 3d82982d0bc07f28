"""What is evaluated: a network as a classifier, and images in the form that it takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from brittle.arguments import Count, Device, FileName, checked
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.still import remarks_on_autocast, undisturbed
from brittle.data import Fit, Source, open_source
from brittle.errors import BrittleError
from brittle.evaluation.first_look import SEEN
from brittle.evaluation.manifest_info import said_of_images
from brittle.models import Network, open_network


@dataclass(frozen=True)
class Subject:
    """A network with the images that it is shown.

    Attributes:
        network: where it came from.
        classifier: what attacks see.
        source: the images.
    """

    network: Network
    classifier: Classifier
    source: Source

    def said(self, remarks: Sequence[str] = ()) -> list[str]:
        """Return what is done to the images on their way to the network, and its autocast, in sentences.

        Raises:
            DataError, InputError: what would end the work later, see `Source.conversions`.
        """
        source = self.source
        return said_of_images(len(source), source.conversions(), source.skipped, [*remarks, *remarks_on_autocast()])


@checked
def open_subject(  # noqa: PLR0913  # one parameter for each option that every command shares
    model: FileName | Network,
    data: FileName | Source,
    *,
    weights: Path | None = None,
    dtype: str | None = None,
    binary: bool = False,
    probabilities: bool = False,
    labels: int | None = None,
    device: Device = "cpu",
    limit: Count | None = None,
    resize: Count | None = None,
    crop: Count | None = None,
    skip_bad: bool = False,
    class_order: str = "auto",
) -> Subject:
    """Open a network and images, and fit the images to the network's input.

    Args:
        model: what `open_network` understands, or a network.
        data: what `open_source` understands, or a source, which is taken as it is.
        weights: safetensors for architectures and factories.
        dtype: the network's number format, as in `open_network`.
        binary: the network has a single output whose sign is the class.
        probabilities: the outputs are probabilities; they are read as their logarithms.
        labels: the outputs are class numbers, of so many classes.
        device: where to run, such as "cpu" or "cuda:0".
        limit: use the first so many images.
        resize: length of the images' short side before the crop.
        crop: side of the centre crop.
        skip_bad: leave out images that cannot be read.
        class_order: how classes that have names alone are numbered, see `open_source`.

    Raises:
        ModelError: among others, a converted network that differs from its origin on the first images.
    """
    network = open_network(model, weights=weights, device=device, dtype=dtype) if isinstance(model, str) else model
    if isinstance(data, Source):
        source = data
    else:
        channels, height, width = network.input_shape or (None, crop, crop)
        fit = Fit(channels, height, width, resize=resize, crop=crop or "center")
        source = open_source(data, fit=fit, limit=limit, skip_bad=skip_bad, class_order=class_order)
    classifier = Classifier(network.module, binary=binary, probabilities=probabilities, labels=labels)
    if source is not data and network.input_shape is None and len(source.kinds().channels) > 1:
        source.fit = replace(source.fit, channels=channels_of(classifier, source))
    compare_with_origin(network, source)
    return Subject(network, classifier, source)


def compare_with_origin(network: Network, source: Source) -> None:
    """Compare a converted network with its origin on the first images, which it may treat in another way than noise.

    Raises:
        ModelError: their outputs differ.
    """
    block = None if network.compare is None else next((one for one in source.blocks(SEEN) if len(one)), None)
    if network.compare is not None and block is not None:
        network.compare(network.module, block.images, f"the first of {source.spec}")


def channels_of(classifier: Classifier, source: Source) -> int | None:
    """Return the number of channels that a network takes that does not say so, of those that the images have.

    It is shown one black image in colour, and one in grey if it refuses that. None if it takes neither.
    """
    (height, width), _ = source.sizes.most_common(1)[0]
    for channels in (3, 1):
        image = torch.full((1, channels, height, width), classifier.bounds.lower)
        try:
            with undisturbed(classifier.module), torch.no_grad():
                classifier.checked(image.to(classifier.device, classifier.dtype))
        except BrittleError:
            continue
        return channels
    return None
