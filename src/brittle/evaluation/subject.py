"""What is evaluated: a network as a classifier, and images in the form that it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, cast

import torch
from torch import Tensor, nn

from brittle.arguments import Device, fitted
from brittle.base.bounds import Bounds
from brittle.classifiers.around import name_of
from brittle.classifiers.chosen_output import ChosenOutput
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state, remarks_on_autocast
from brittle.data import Fit, ImageFiles, Source, from_memory, open_source
from brittle.data.image_files import named_one_by_one
from brittle.data.noise import Noise
from brittle.data.open import Options
from brittle.defences import Defence
from brittle.dense.network import DenseNetwork
from brittle.errors import BrittleError, ForwardFailed, InputError, quoted
from brittle.evaluation.channelled import channel_of, spelled_channel
from brittle.evaluation.compatibility import SEEN
from brittle.evaluation.defended import Defended, defence_of
from brittle.evaluation.normalisation import remarks_on_normalisation
from brittle.models import Network, digest_of, open_network
from brittle.models.agreement import Arithmetic
from brittle.models.network import parameters_of, surrounded
from brittle.models.normalised import normalised, statistics_of
from brittle.physical import Channel
from brittle.runs.manifest_info import said_of_images
from brittle.runs.verdicts import placeless
from brittle.specs import DataLike, DataSpec, ModelSpec
from brittle.words import plural

LISTED = 5
"""Most names of images that could not be read in a sentence."""
CLEAN_AT_ONCE = 256
"""Clean images that are read at a time."""


@dataclass(frozen=True)
class OpenedSubject:
    """A network with the images that it is shown.

    Attributes:
        network: where it came from.
        classifier: what attacks see.
        source: the images.
        defended: the defence around the network, and how it is met; None without one.
        channel: what happens to images before network and defence see them; None for nothing.
        scale: the mean and standard deviation that the user put before the network.
        output: which of the network's outputs the user chose.
    """

    network: Network
    classifier: Classifier
    source: Source
    defended: Defended | None = None
    channel: Channel | None = None
    scale: Arithmetic | None = None
    output: str | int | None = None

    @property
    def device(self) -> str:
        """Where the network lies, by name."""
        return str(self.classifier.device)

    @property
    def remarks(self) -> list[str]:
        """What stands between images and network, and how it is read, in sentences; and the caller's autocast."""
        found = [] if self.channel is None else [f"the network sees images through {spelled_channel(self.channel)}"]
        if self.scale is not None:
            mean, std = (", ".join(f"{one:g}" for one in row) for row in (self.scale.mean, self.scale.std))
            found.append(f"the network gets images less the mean {mean}, over the standard deviation {std}")
        found += [] if self.output is None else [f"of the network's outputs {self.output!r} is read"]
        return [*found, *remarks_on_autocast()]

    def remarks_on_normalisation(self, source: Source) -> list[str]:
        """Say whether the network has more images right with or without a normalisation before it.

        Nothing is looked at where something else stands between the two, or where it is known to normalise itself.
        """
        if self.network.normalises or self.defended is not None or self.channel is not None:
            return []
        given_by = placeless(self.network.spec) if self.network.own_weights else ""
        return remarks_on_normalisation(self.classifier, source, self.scale, given_by)

    def said(self, remarks: Sequence[str] = ()) -> list[str]:
        """Return what is done to the images on their way to the network, and its autocast, in sentences.

        Raises:
            DataError, InputError: what would end the work later, see `Source.conversions`.
        """
        source, own = self.source, [*self.remarks, *remarks]
        return said_of_images(len(source), source.conversions(), source.skipped, own)

    def through(self, channel: Channel) -> "OpenedSubject":
        """Return the same network and images with a channel between the two."""
        return replace(self, classifier=channel.before(self.classifier), channel=channel)

    def left_out(self) -> list[str]:
        """Return a sentence on the images that could not be read, once they were tried; none where all could."""
        bad = self.source.bad
        if not bad:
            return []
        names = ", ".join(quoted(one.name) for one in bad[:LISTED]) + (", ..." if len(bad) > LISTED else "")
        return [f"left out: {plural(len(bad), 'image')} that could not be read: {names}"]


def open_subject(
    model: ModelSpec, data: DataSpec, *, device: str | None = None, dense: type[DenseNetwork] | None = None
) -> OpenedSubject:
    """Open a network and images, and fit the images to the network's input.

    Args:
        model: a network in whichever form, and how it is read.
        data: images in whichever form. A source is taken as it is.
        device: where to run, such as "cpu" or "cuda:0"; by default where a network lies that is given as a value.
        dense: how outputs for every pixel are read, such as `Segmenter`; by default there is one class per image.

    Raises:
        ModelError: among others, a converted network that differs from its origin on the first images.
        InputError: what is said of a value that says it itself, or a device where it does not lie.
    """
    defence = None if model.defence is None else defence_of(model.defence)
    if defence is None and (model.naive or model.defence_data is not None):
        given = "naive" if model.naive else "defence_data"
        raise InputError(f"{given} is given and no defence; say which, such as --defence jpeg (`defence` in Python)")
    network, classifier = opened(model, device)
    classifier = classifier if dense is None else dense.of(classifier)
    channel = None if model.channel is None else channel_of(model.channel)
    shape = network.input_shape if defence is None else defence.image_shape(network.input_shape)
    source = open_images_for(classifier, data, fit_for(shape, data))
    compare_with_origin(network, source)
    read: dict[str, Any] = {"scale": statistics_of(model.mean, model.std), "output": model.output}
    if defence is None:
        return OpenedSubject(network, _behind(channel, classifier), source, None, channel, **read)
    ready = made_ready(defence, classifier, source, model.defence_data)
    defended = Defended.of(ready, classifier, None, naive=model.naive)
    return OpenedSubject(network, _behind(channel, defended.classifier), source, defended, channel, **read)


def fit_for(shape: tuple[int, int, int] | None, data: DataSpec) -> Fit:
    """Return how images are brought to a network, by what it says of itself and what the user says.

    Args:
        shape: channels, height and width that it takes, as far as it says.
        data: with size, resize, crop and interpolation.

    Raises:
        InputError: options that contradict each other.
    """
    side = data.crop if isinstance(data.crop, int) else None
    channels, *sides = shape or (None, side, side)
    height, width = data.sides or sides
    if data.crop == "none" and height is None:
        raise InputError(
            "crop is none, which stretches images to the network's size, and the network does not say its size; give "
            "it, such as --size 224x224"
        )
    interpolation = data.interpolation or "bilinear"
    return Fit(channels, height, width, resize=data.resize, crop=data.crop or "center", interpolation=interpolation)


def _behind(channel: Channel | None, classifier: Classifier) -> Classifier:
    return classifier if channel is None else channel.before(classifier)


def made_ready(defence: Defence, classifier: Classifier, source: Source, data: DataLike | None) -> Defence:
    """Return a defence made ready for a network, unless it is ready, with clean images brought to a source's size.

    Raises:
        InputError: it needs clean images that are not given, or does not fit.
    """
    clean = None if data is None else clean_images(open_images(DataSpec(data), source.fit), defence)
    return defence if defence.ready else defence.prepare(classifier, clean)


def clean_images(source: Source, defence: Defence, *, start: int = 0) -> Tensor | None:
    """Return as many images of a source as a defence needs, or all from `start` on; None where it needs none."""
    blocks: list[Tensor] = []
    for block in source.blocks(CLEAN_AT_ONCE, start=start):
        if sum(map(len, blocks)) >= defence.images_needed:
            break
        blocks += [block.images] if len(block) else []
    return torch.cat(blocks)[: defence.images_needed] if blocks else None


def open_images(data: DataSpec, fit: Fit) -> Source:
    """Return a source of images in whichever form, fitted; a source is taken as it is."""
    about: Options = {"fit": fit, "max_images": data.max_images, "skip_bad": data.skip_bad}
    if isinstance(data.spec, Source):
        return data.spec
    if isinstance(data.spec, str | PathLike):
        return open_source(str(data.spec), **about, class_order=data.class_order)
    if data.files:
        return ImageFiles(named_one_by_one(data.files), **about)
    return from_memory(data.spec, **about)


def open_images_for(classifier: Classifier, data: DataSpec, fit: Fit) -> Source:
    """Return a source as `open_images`, with the channels that a network takes where neither it nor all images say."""
    source = open_images(data, fit)
    if source is data.spec or fit.channels is not None:
        return source
    if isinstance(source, Noise):
        return open_images(data, replace(fit, channels=channels_of(classifier, source)))
    if len(source.kinds().channels) > 1:
        source.fit = replace(source.fit, channels=channels_of(classifier, source))
    return source


def opened(model: ModelSpec, device: str | None = None) -> tuple[Network, Classifier]:
    """Return a network and what attacks see of it, from text, a module, a callable, a classifier or a network."""
    device = None if device is None else fitted("device", device, Device)
    given: object = model.spec
    reading: dict[str, Any] = {"binary": model.binary, "probabilities": model.probabilities, "labels": model.labels}
    around = {"output": model.output, "mean": model.mean, "std": model.std}
    if isinstance(given, str | PathLike):
        network = open_network(str(given), weights=model.weights, device=device or "cpu", dtype=model.dtype)
        network = around_it(network, model)
        return network, Classifier(network.module, **reading | _known(network, reading))
    if isinstance(given, Classifier):
        if said := [name for name, value in (reading | around).items() if value is not None and value is not False]:
            raise InputError(f"{said[0]} is given beside a classifier, which says how it is read; leave it out")
        if given.bounds != Bounds():
            raise InputError(
                f"the classifier takes images from {given.bounds.lower:g} to {given.bounds.upper:g}; expected 0 to 1, "
                "in which images are read here: give a module that scales them first"
            )
        network, classifier = network_of(given), given
    else:
        plain = given if isinstance(given, Network) else network_of(Classifier(cast("nn.Module", given)))
        network = around_it(plain, model)
        classifier = Classifier(network.module, **reading)
    if model.weights is not None or model.dtype is not None:
        raise InputError("weights or dtype are given beside a network that is open already; expected its name or file")
    if device is not None and torch.device(device).type != classifier.device.type:
        raise InputError(
            f"the device is {device}, and the network lies on {classifier.device}; move it, or leave it out"
        )
    return network, classifier


def around_it(network: Network, model: ModelSpec) -> Network:
    """Return a network with its normalisation before it, and with one of its outputs chosen, as they are asked for.

    Raises:
        InputError: no such normalisation, or one that the network has inside already.
    """
    network = normalised(network, model.mean, model.std)
    output = model.output
    return network if output is None else surrounded(network, lambda module: ChosenOutput(module, output))


def _known(network: Network, reading: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a network is read that is known to return class numbers, where the user says nothing else."""
    said = any(value not in (False, None) for value in reading.values())
    return {} if said or network.labels is None else {"labels": network.labels}


def network_of(classifier: Classifier) -> Network:
    """Return a module that a caller holds as a network: called as its class or function is."""
    module = classifier.module
    return Network(name_of(module), module, digest_of(module), parameters=parameters_of(module))


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

    It is shown one black image in colour, and one in grey if it fails on that. None if it takes neither.
    """
    (height, width), _ = source.sizes.most_common(1)[0]
    for channels in (3, 1):
        image = torch.full((1, channels, height, width), classifier.bounds.lower)
        try:
            with preserving_state(classifier.module), torch.no_grad():
                classifier.checked(image.to(classifier.device, classifier.dtype))
        except ForwardFailed:
            continue
        except BrittleError:
            pass  # it takes the image; what it answers is looked at elsewhere
        return channels
    return None
