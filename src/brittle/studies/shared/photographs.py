"""Photographs: a network of ImageNet with the images X that a perturbation is made from, and held-out ones."""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.data import Fit, Source, open_source
from brittle.errors import DataError
from brittle.identity.compare import fingerprint
from brittle.identity.sources import own_digest
from brittle.maths.quantization import as_bytes
from brittle.metrics import Estimate, fooling_rate
from brittle.models import Network, open_network
from brittle.runs.place import beside
from brittle.studies.bench.study import NotGiven, Setting
from brittle.studies.shared.once import trained_once
from brittle.studies.shared.subject import NotAtThisScale
from brittle.studies.shared.views import View
from brittle.threats import Lp
from brittle.types import Labels
from brittle.universal_attacks.ascent import UniversalAscent
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.perturbation import Perturbation
from brittle.universal_attacks.search import Judge, Pass, UniversalAttack, UniversalProblem, find_universal

SAMPLE = "imagenet-sample/val.parquet"
"""The photographs, in the folder of data."""
LINF = Lp("inf", 10 / 255)
"""The paper's radius in the maximum norm, 10 of 255 levels."""
L2 = Lp(2, 2000 / 255)
"""The paper's radius in the 2-norm, 2,000 on the scale of 0 to 255, for images of 3 x 224 x 224; kept at every size."""
FAST = UniversalAscent()
"""The fast solver, with which the studies make their perturbations."""
PASS = 10 * 3 * 224 * 224
"""Values of the images in one forward pass: of more the layers no longer fit into a processor's cache, and each image
takes longer."""
MOST = 100
"""Images in one forward pass at most."""
HALVES = (
    f"X and the held-out images are disjoint halves of one sample of ImageNet ({SAMPLE}), drawn by the seed; at the "
    "small scale the first images of either half. The paper has 10,000 training images and the 50,000 of validation. "
    "No labels are used: an image is fooled when its class with the perturbation is another one than without."
)
"""The note of every study: what the images are."""
NOISE = (
    "Noise is one random perturbation of equal norm for all images: in the maximum norm every value uniform in "
    "[-10/255, 10/255], in the 2-norm uniform in the ball, which in so many dimensions is its surface."
)
"""The note of every study with a row or column of noise."""


class Photographs:
    """A network with X and held-out photographs; nothing is opened or read before it is asked for.

    Args:
        view: the network.
        setting: what the user chose.
        most: images of X and held-out ones below the scale of the paper; by default the view's at the small scale, and
            all at full.
    """

    def __init__(self, view: View, setting: Setting, most: tuple[int, int] | None = None):
        self.view, self.setting = view, setting
        self.most = most or (view.small if setting.scale == "small" else None)

    @cached_property
    def network(self) -> Network:
        """The network, its weights laid out channel by channel, with which a processor convolves up to twice as fast.

        Raises:
            NotGiven: no such file, or not at this scale.
            ModelError: no network, or no weights.
            MissingExtra: torchvision is not installed.
        """
        view, setting = self.view, self.setting
        if view.huge and setting.scale != "paper":
            raise NotAtThisScale(f"{view.row} is measured at the scale of the paper, as {view.spec}")
        if view.huge:
            return _channels_last(open_network(view.spec, device=setting.device))
        path = setting.model_file(view.spec)
        if path is None and setting.models is None:
            raise NotGiven(f"needs {view.spec}: give the folder that holds it with --models (or BRITTLE_MODELS)")
        if path is None:
            raise NotGiven(f"needs {view.spec}, which is not in the folder given with --models, {setting.models}")
        return _channels_last(open_network(str(path), device=setting.device))

    @cached_property
    def classifier(self) -> Classifier:
        """The network as attacks see it."""
        return Classifier(self.network.module)

    @cached_property
    def source(self) -> Source:
        """All photographs, fitted to the network.

        Raises:
            DataError: fewer than two.
        """
        source = self._opened(self.view.images or SAMPLE)
        if len(source) < 2:
            raise DataError(f"{source.spec} holds {len(source)} images; expected at least 2, for X and held-out ones")
        return source

    @cached_property
    def training(self) -> Source:
        """Where the images of X are from: the photographs themselves, or a file of their own."""
        return self._opened(self.view.training) if self.view.training else self.source

    def _opened(self, name: str) -> Source:
        fit = Fit(*(self.network.input_shape or (3, 224, 224)))
        return open_source(str(self.setting.data_file(name)), fit=fit)

    @property
    def names(self) -> Sequence[str]:
        """The classes' names; () where the photographs do not bring them."""
        return self.source.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a fitted image."""
        return self.given.shape

    @cached_property
    def _halves(self) -> tuple[Tensor, Tensor]:
        """Positions of the images of X and of the held-out ones."""
        if self.view.training:
            first, second = (shuffled(source, self.setting) for source in (self.training, self.source))
        else:
            first, second = shuffled(self.source, self.setting).tensor_split(2)
        if self.setting.scale == "paper" or self.most is None:
            return first, second
        return first[: self.most[0]], second[: self.most[1]]

    @cached_property
    def given(self) -> ImageSet:
        """The images X, from which a perturbation is made."""
        return self._read(self.training, self._halves[0])

    @cached_property
    def held_out(self) -> ImageSet:
        """Images that no perturbation is made from."""
        return self._read(self.source, self._halves[1])

    def first(self, count: int) -> ImageSet:
        """Return the first images of X."""
        return ImageSet(self.classifier, self.given.images[:count], self.given.batch)

    def _read(self, source: Source, positions: Tensor) -> ImageSet:
        images = read_photographs(source, positions)[0]
        return ImageSet(self.classifier, images, batch_of(images.shape[1:]))

    def identity(self) -> dict[str, object]:
        """Everything of network and images that determines a figure."""
        return {
            "network": self.network.digest,
            "data": [source.digest() for source in dict.fromkeys((self.training, self.source))],
            "fit": asdict(self.source.fit),
            "images": [len(half) for half in self._halves],
            "seed": self.setting.seed,
            "device": self.setting.device.partition(":")[0],
        }

    def story(self) -> str:
        """Which network, at which size, and how many images, in a sentence."""
        _, height, width = self.shape
        network = f"Network {self.view.spec} ({self.network.parameters:,} weights)"
        return f"{network}, images of {height} x {width}; {len(self.given):,} in X, {len(self.held_out):,} held out."

    def tell(self, line: str) -> None:
        """Say what is being done with this network."""
        self.setting.tell(f"{self.view.row}: {line}")

    def noise(self, threat: Lp, number: int = 0) -> Tensor:
        """Draw a perturbation (c, h, w) uniformly from the ball, the standard of comparison.

        Args:
            threat: in the maximum norm every value is uniform; in the 2-norm the direction is, and the length is drawn
                as the ball's volume has it.
            number: of the draw.
        """
        generator = torch.Generator().manual_seed(self.setting.seed * 1_000_003 + number)
        return uniform_in_ball(self.shape, threat, generator).to(self.classifier.device, self.classifier.dtype)

    def found(
        self,
        method: UniversalAttack,
        threat: Lp,
        images: ImageSet | None = None,
        seed: int | None = None,
        judge: Judge | None = None,
    ) -> Perturbation:
        """Make a universal perturbation, or take the one that any study has made; a killed search goes on.

        Args:
            method: how.
            threat: norm and radius.
            images: X by default.
            seed: of the method's draws; the study's by default.
            judge: of the passes, for networks that are no classifiers; the fooling rate on the images by default. It
                must be a matter of the images and the method.
        """
        images, seed = images or self.given, self.setting.seed if seed is None else seed
        problem = UniversalProblem(self.classifier, images.shape, threat, images, seed)
        key = self._key(method, threat, images, seed)
        name = f"{type(method).__name__}, {threat.name}"

        def watch(line: Pass) -> None:
            passes = f"pass {line.number} of {method.most_passes}"
            self.tell(f"{name}, {passes}, {line.score:.1%} of X ({line.seconds:.0f} s)")

        def make(path: Path) -> None:
            checkpoint = beside(path, ".checkpoint")
            find_universal(method, problem, judge, checkpoint=checkpoint, identity=key, watch=watch).save(path)
            checkpoint.unlink(missing_ok=True)

        plain = re.sub(r"[^a-z0-9]+", "-", self.view.row.lower()).strip("-")
        path = trained_once(self.setting, f"{plain}-{threat.name}-{key[:16]}.safetensors", make)
        kept = Perturbation.load(path)
        return replace(kept, tensor=kept.tensor.to(self.classifier.device, self.classifier.dtype))

    def _key(self, method: UniversalAttack, threat: Lp, images: ImageSet, seed: int) -> str:
        """Everything that determines a perturbation, shortened; how many images are held out does not."""
        about = {name: value for name, value in self.identity().items() if name not in ("images", "data", "seed")}
        pixels = hashlib.sha256(images.images[:].numpy().tobytes()).hexdigest()
        return fingerprint(
            [{**about, "pixels": pixels, "method": repr(method), "threat": repr(threat)}, seed, own_digest()]
        )


def _channels_last(network: Network) -> Network:
    for weight in network.module.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return network


def batch_of(shape: Sequence[int]) -> int:
    """Return how many images of a shape are asked about in one forward pass.

    Example:
        >>> batch_of((3, 224, 224)), batch_of((3, 128, 128)), batch_of((3, 32, 32))
        (10, 30, 100)
    """
    return max(1, min(MOST, PASS // math.prod(shape)))


def shuffled(source: Source, setting: Setting) -> Tensor:
    """Return the positions of all photographs in the order that the study's seed gives them."""
    return torch.randperm(len(source), generator=torch.Generator().manual_seed(setting.seed))


def read_photographs(source: Source, positions: Tensor) -> tuple[Tensor, Labels]:
    """Decode some photographs, and no others.

    Args:
        source: fitted to a network.
        positions: which, distinct, in the order that is wanted.

    Returns:
        Images as uint8, (n, c, h, w), and their labels, int64 (n,).
    """
    place = {position: row for row, position in enumerate(positions.tolist())}
    pixels, labels = torch.empty(0, dtype=torch.uint8), torch.empty(len(place), dtype=torch.int64)
    for item in source.items(0, len(source)):
        if item.index in place:
            image = torch.from_numpy(as_bytes(source.fit.apply(item.load())))
            pixels = pixels if len(pixels) else torch.empty((len(place), *image.shape), dtype=torch.uint8)
            pixels[place[item.index]] = image
            labels[place[item.index]] = item.label
    return pixels, labels


def uniform_in_ball(shape: Sequence[int], threat: Lp, generator: torch.Generator) -> Tensor:
    """Draw uniformly from the ball of the maximum norm or of the 2-norm around zero.

    Example:
        >>> uniform_in_ball((3, 8, 8), Lp("inf", 0.1), torch.Generator()).abs().amax() <= 0.1
        tensor(True)
    """
    radius = float(threat.radius)
    if threat.name == "linf":
        return (torch.rand(*shape, generator=generator) * 2 - 1) * radius
    direction = torch.randn(*shape, generator=generator)
    length = torch.rand((), generator=generator) ** (1 / direction.numel())
    return direction * (radius * length / direction.norm())


def fooled(images: ImageSet, perturbation: Tensor) -> Estimate:
    """Estimate how many images get another class by a perturbation, with its interval."""
    return fooling_rate(images.clean.numpy(), images.predictions(perturbation).numpy())
