"""What is done to the images of a source on their way to the network, counted before anything is attacked."""

import math
from collections import Counter
from dataclasses import dataclass, field

from brittle.data.fit import Fit
from brittle.data.header import ARRAY, DEEP, Header
from brittle.errors import BoundsError, InputError, LabelError
from brittle.tolerance import TOLERANCE

TOO_DARK = {DEEP: 1 / 4, ARRAY: 1 / 255}
"""Where not one image has a value above this, the values were counted to another white than their type says."""

UNLABELLED = -1
"""The label of an image whose class is not known."""
LARGEST_LABEL = 2**31
"""Numbers of classes lie below this where their names do not say how many there are."""


@dataclass
class Kinds:
    """The headers of a source's images, each kind of image once.

    Attributes:
        counts: how many images have the header.
        first: number and name of the first image that has it.
        brightest: the largest value by kind, where the white is not known for sure.
        places: positions of the images that can be read.
        labels: their labels, as the source has them.
    """

    counts: Counter[Header] = field(default_factory=Counter[Header])
    first: dict[Header, tuple[int, str]] = field(default_factory=dict[Header, tuple[int, str]])
    brightest: dict[str, float] = field(default_factory=dict[str, float])
    places: list[int] = field(default_factory=list[int])
    labels: list[int] = field(default_factory=list[int])

    def add(self, index: int, name: str, header: Header, brightest: float) -> None:
        """Count one image."""
        self.counts[header] += 1
        self.first.setdefault(header, (index, name))
        if header.kind:
            self.brightest[header.kind] = max(brightest, self.brightest.get(header.kind, 0.0))

    @property
    def channels(self) -> set[int]:
        """The numbers of channels there are."""
        return {header.channels for header in self.counts}

    def conversions(self, fit: Fit, spec: str) -> dict[str, int]:
        """Return how many images are changed in which way; the numbers of one image are those of each of its changes.

        Raises:
            InputError: if images differ in shape after the fit.
            BoundsError: if all images are so dark that their depth was misunderstood.
        """
        self._check_brightness(spec)
        found: Counter[str] = Counter()
        shapes: dict[tuple[int, int, int], tuple[int, str]] = {}
        for header, count in self.counts.items():
            names, shape = fit.conversions(header.channels, header.width, header.height)
            found.update({name: count for name in (*header.conversions, *names)})
            shapes.setdefault(shape, self.first[header])
            shapes[shape] = min(shapes[shape], self.first[header])
        if len(shapes) > 1:
            (one, place), (other, second) = sorted(shapes.items(), key=lambda pair: pair[1])[:2]
            raise InputError(differing(one, place, other, second))
        return dict(found)

    def _check_brightness(self, spec: str) -> None:
        for kind, brightest in self.brightest.items():
            if not 0 < brightest <= TOO_DARK[kind] + TOLERANCE:
                continue
            count = sum(number for header, number in self.counts.items() if header.kind == kind)
            if kind == ARRAY:
                raise BoundsError(
                    f"{spec}: not one of {count:,} {kind} has a value above {brightest:.4g} of 1, which is black; were "
                    "they divided by 255 twice, or saved as integers from 0 to 1? Save uint8 in 0..255, or floats in "
                    "0..1"
                )
            most = round(brightest * 65535)
            bits = math.ceil(math.log2(most + 1))
            times, white = 1 << (16 - bits), (1 << bits) - 1
            raise BoundsError(
                f"{spec}: not one of {count:,} {kind} has a value above {most:,} of 65,535: {bits} bits in files of 16 "
                f"would be {times} times too dark. Multiply their values by {times}, or write into a TIFF which value "
                f"is white (tag 281, MaxSampleValue: {white}, or 65535 if they are so dark)"
            )


def differing(one: tuple[int, ...], place: tuple[int, str], other: tuple[int, ...], second: tuple[int, str]) -> str:
    """Return what to say of two images of different shapes, and what helps."""
    seen = f"image {place[0]} {place[1]!r} is {shown(one)}, image {second[0]} {second[1]!r} is {shown(other)}"
    remedies: list[str] = []
    if one[1:] != other[1:]:
        remedies.append("the size that all shall have: --size 224 on the command line, Fit(3, 224, 224) in Python")
    if one[0] != other[0]:
        remedies.append(
            "the channels that all shall have: Fit(channels=3) in Python, or on the command line a network that says "
            "what it takes (input_shape = (channels, height, width) on the module of a factory)"
        )
    return f"images differ: {seen}; give {'; and '.join(remedies)}"


def check_label(label: int, classes: int, where: str) -> None:
    """Refuse a label that is none of a source's own classes, of which 0 stands for a number that is not known.

    Raises:
        LabelError: with the label, and where it was seen.
    """
    if not 0 <= label < (classes or LARGEST_LABEL):
        expected = (
            f"0..{classes - 1}, as there are {classes} classes" if classes else f"0, 1, 2, ... below {LARGEST_LABEL:,}"
        )
        note = "; -1 usually marks unlabelled images: take another split" if label == UNLABELLED else ""
        raise LabelError(f"{where} has label {label}; expected {expected}{note}")


def shown(shape: tuple[int, ...]) -> str:
    """Return channels x height x width in words."""
    channels, height, width = shape
    return f"{height} x {width} pixels with {channels} channel{'s' if channels > 1 else ''}"
