"""Photographs with their labels, attacked by three methods at their full radius, and what a network says of them."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property

import pyarrow as pa
import torch
from torch import Tensor

from brittle.attacks.basic_iterative import BasicIterative, IterativeLeastLikely
from brittle.attacks.fgsm import FGSM
from brittle.classifiers.asked import said_of
from brittle.classifiers.classifier import Classifier
from brittle.core.attack import Attack
from brittle.core.goal import ALL_THE_WAY, Targeted, Untargeted
from brittle.core.run import run
from brittle.maths.losses import decided
from brittle.maths.quantization import as_bytes, values_of
from brittle.physical import Channel
from brittle.studies.bench.study import Setting
from brittle.studies.shared.photographs import Photographs, read_photographs, shuffled
from brittle.studies.shared.views import MOBILENET_V2, SQUEEZENET, View
from brittle.threats import Lp
from brittle.types import Images, Labels, Logits

METHODS: dict[str, Attack] = {
    "fast": FGSM(),
    "iterative basic": BasicIterative(),
    "least-likely": IterativeLeastLikely(),
}
"""The paper's methods by its names, with its settings: steps of 1/255, min(eps + 4, 1.25 eps) of them."""
BATCH = 20
"""Images that are attacked together."""
IMAGES: dict[str, dict[str, int]] = {
    "small": {MOBILENET_V2.row: 50},
    "full": {MOBILENET_V2.row: 400, SQUEEZENET.row: 200},
}
"""Images of each network by scale; one that is not named is not measured at it. The scale of the paper takes all."""


class Shots:
    """Photographs with labels, and a network; nothing is opened before it is asked for.

    Args:
        view: the network.
        setting: what the user chose.
    """

    def __init__(self, view: View, setting: Setting):
        self.view, self.setting = view, setting
        self._photographs = Photographs(view, setting)
        self._adversarial: dict[tuple[str, int], Tensor] = {}
        self._after: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}
        self._tables: dict[tuple[str, int, Channel], pa.Table] = {}

    @property
    def classifier(self) -> Classifier:
        """The network as attacks see it."""
        return self._photographs.classifier

    @cached_property
    def positions(self) -> Tensor:
        """Which of the photographs are taken, rising: drawn by the seed, the same for every network."""
        order, scale = shuffled(self._photographs.source, self.setting), self.setting.scale
        return (order if scale == "paper" else order[: IMAGES[scale][self.view.row]]).sort().values

    @cached_property
    def _read(self) -> tuple[Images, Labels]:
        pixels, labels = read_photographs(self._photographs.source, self.positions)
        return values_of(pixels.float()), labels

    @property
    def images(self) -> Images:
        """The photographs (n, c, h, w) on the 256 levels of a file."""
        return self._read[0]

    @property
    def labels(self) -> Labels:
        """Their true classes, (n,)."""
        return self._read[1]

    def adversarial(self, method: str, eps: int) -> Images:
        """Attack all photographs, those that are misclassified already too, and round to 8 bits as a file does.

        Args:
            method: one of `METHODS`.
            eps: the radius in the maximum norm, on the scale of 0 to 255.
        """
        if (method, eps) not in self._adversarial:
            self.setting.tell(f"{self.view.row}: {method}, {eps}/255, {len(self.images):,} images")
            least = method == "least-likely"  # kept is the point where the least likely class leads by most
            target = self._clean_logits.argmin(1)
            goal = Targeted(target, ALL_THE_WAY) if least else Untargeted(self.labels, ALL_THE_WAY)
            threat = Lp("inf", eps / 255)
            found = run(METHODS[method], self.classifier, self.images, goal=goal, threat=threat, batch=BATCH)
            self._adversarial[method, eps] = torch.from_numpy(as_bytes(found.adversarial.cpu().numpy()))
        return values_of(self._adversarial[method, eps].float())

    def through(self, channel: Channel, images: Images) -> Images:
        """Send images through a channel, the original and the adversarial one of a place alike."""
        return channel(images, seed=self.setting.seed, ids=self.positions)

    def table(self, method: str, eps: int, channel: Channel) -> pa.Table:
        """Return the rows of originals and adversarial images before and behind a channel, for `brittle.metrics`."""
        key = method, eps, channel
        if key not in self._tables:
            self._tables[key] = self._asked(method, eps, channel)
        return self._tables[key]

    def _asked(self, method: str, eps: int, channel: Channel) -> pa.Table:
        adversarial = self.adversarial(method, eps)
        if (method, eps) not in self._after:
            self._after[method, eps] = self._said(adversarial)
        if channel not in self._seen:
            self._seen[channel] = self._said(self.through(channel, self.images))
        clean = self._clean
        after, behind = self._after[method, eps], self._said(self.through(channel, adversarial))
        columns: Mapping[str, Tensor] = {
            "clean_rank": clean[0],
            "clean_confidence": clean[1],
            "rank": after[0],
            "confidence": after[1],
            "clean_channel_rank": self._seen[channel][0],
            "channel_rank": behind[0],
        }
        return pa.table({name: values.numpy() for name, values in columns.items()})

    @cached_property
    def _clean_logits(self) -> Logits:
        return self._logits(self.images)

    @cached_property
    def _clean(self) -> tuple[Tensor, Tensor]:
        return self._places(self._clean_logits)

    @cached_property
    def _seen(self) -> dict[Channel, tuple[Tensor, Tensor]]:
        return {}

    def _said(self, images: Images) -> tuple[Tensor, Tensor]:
        return self._places(self._logits(images))

    def _logits(self, images: Images) -> Logits:
        return said_of(self.classifier, images, BATCH).double()

    def _places(self, logits: Logits) -> tuple[Tensor, Tensor]:
        """Place of the label among the classes, and confidence in the likeliest class, (n,) each."""
        ranks = (logits > logits.gather(1, self.labels[:, None])).sum(1)
        return ranks, decided(logits)[0]

    def identity(self) -> dict[str, object]:
        """Everything of network and images that determines a figure."""
        photographs = self._photographs
        return {
            "network": photographs.network.digest,
            "data": photographs.source.digest(),
            "fit": asdict(photographs.source.fit),
            "images": len(self.positions),
            "seed": self.setting.seed,
            "device": self.setting.device.partition(":")[0],
        }

    def story(self) -> str:
        """Which network, at which size, and how many images, in a sentence."""
        height, width = self.images.shape[2:]
        network = f"Network {self.view.spec} ({self._photographs.network.parameters:,} weights)"
        return f"{network}, {len(self.images):,} images of {height} x {width}."
