"""What is evaluated: a network as a classifier, and images in the form that it takes."""

from dataclasses import dataclass
from pathlib import Path

from brittle.core.classifier import Classifier
from brittle.data import Fit, Source, open_source
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


def open_subject(  # noqa: PLR0913  # one parameter for each option that every command shares
    model: str | Network,
    data: str | Source,
    *,
    weights: Path | None = None,
    binary: bool = False,
    probabilities: bool = False,
    labels: int | None = None,
    device: str = "cpu",
    limit: int | None = None,
    resize: int | None = None,
    crop: int | None = None,
    skip_bad: bool = False,
) -> Subject:
    """Open a network and images, and fit the images to the network's input.

    Args:
        model: what `open_network` understands, or a network.
        data: what `open_source` understands, or a source, which is taken as it is.
        weights: safetensors for architectures and factories.
        binary: the network has a single output whose sign is the class.
        probabilities: the outputs are probabilities; they are read as their logarithms.
        labels: the outputs are class numbers, of so many classes.
        device: where to run, such as "cpu" or "cuda:0".
        limit: use the first so many images.
        resize: length of the images' short side before the crop.
        crop: side of the centre crop.
        skip_bad: leave out images that cannot be read.
    """
    network = open_network(model, weights=weights, device=device) if isinstance(model, str) else model
    if isinstance(data, Source):
        source = data
    else:
        channels, height, width = network.input_shape or (None, crop, crop)
        fit = Fit(channels, height, width, resize=resize, crop=crop or "center")
        source = open_source(data, fit=fit, limit=limit, skip_bad=skip_bad)
    classifier = Classifier(network.module, binary=binary, probabilities=probabilities, labels=labels)
    return Subject(network, classifier, source)
