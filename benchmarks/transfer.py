"""Changes made on one network of photographs and shown to another: ours beside those of the package torchattack.

    PYTHONPATH=src .venv-bench/bin/python -m benchmarks.transfer --data imagenet-sample/val.parquet \
        --source mobilenet_v1_0.75_192.pt2 --target mobilenet_v2_1.0_224.pt2

Everybody makes the same number of steps of the same length within the same radius, on the same images of 224 x 224,
which each network resamples to its own size; only images count that both networks get right. The rates are those of
images that break the target, and the source, with the passes of each image.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import peer
from brittle import BasicIterative, Classifier, Lp, at_size, open_network, open_source, run
from brittle.core.goal import ALL_THE_WAY
from brittle.data import Fit
from brittle.metrics import proportion

SIZE = 224
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "MI": {"momentum": 1.0},
    "DI": {"momentum": 1.0, "diversity": 1.0},
    "TI": {"kernel": 15},
    "MI, DI at a half": {"momentum": 1.0, "diversity": 0.5},
    "MI, DI, TI of 7": {"momentum": 1.0, "diversity": 1.0, "kernel": 7},
}
"""Ours. The first four have the peer's settings; its TI-FGSM has no momentum, whatever its `decay`."""
PEERS = {"plain": ("PGD", {"random_start": False}), "MI": ("MIFGSM", {}), "DI": ("DIFGSM", {}), "TI": ("TIFGSM", {})}


class Asked(nn.Module):
    """A classifier as a plain module, which counts the images that it is shown."""

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.classifier, self.count = classifier, 0

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        self.count += len(images)
        return self.classifier.module(images)


def opened(path: str) -> Classifier:
    """Open a network that resamples images to its own size."""
    network = open_network(path)
    assert network.input_shape is not None
    return at_size(Classifier(network.module), (network.input_shape[1], network.input_shape[2]))


def answers(classifier: Classifier, images: Tensor) -> Tensor:
    """Return the classes."""
    with torch.no_grad():
        return torch.cat([classifier.module(part).argmax(1) for part in images.split(50)])


def right_by_both(data: str, networks: tuple[Classifier, Classifier], count: int) -> tuple[Tensor, Tensor]:
    """Return the first images that both networks get right."""
    images, labels = list[Tensor](), list[Tensor]()
    for block in open_source(data, fit=Fit(3, SIZE, SIZE)).blocks(50):
        keep = torch.ones(len(block), dtype=torch.bool)
        for network in networks:
            keep &= answers(network, block.images) == block.labels
        images.append(block.images[keep])
        labels.append(block.labels[keep])
        if sum(map(len, images)) >= count:
            break
    return torch.cat(images)[:count], torch.cat(labels)[:count]


def ways(
    source: Classifier, images: Tensor, labels: Tensor, eps: float, steps: int, batch: int
) -> Iterator[tuple[str, str, Callable[[], tuple[Tensor, float]]]]:
    """Yield who attacks, how, and what returns the images and the forward passes of each."""
    for name, options in OPTIONS.items():

        def ours(options: dict[str, Any] = options) -> tuple[Tensor, float]:
            attack = BasicIterative(step_size=eps / steps, steps=steps, **options)
            asked: dict[str, Any] = {"threat": Lp("inf", eps), "confidence": ALL_THE_WAY, "batch": batch}
            result = run(attack, source, images, labels, **asked)
            return result.adversarial, float(result.forward.float().mean())

        yield name, "brittle", ours
    for name, (kind, options) in PEERS.items():

        def theirs(kind: str = kind, options: dict[str, Any] = options) -> tuple[Tensor, float]:
            asked = Asked(source)
            make = getattr(peer("torchattack"), kind)
            attack = make(asked, device=torch.device("cpu"), eps=eps, steps=steps, alpha=eps / steps, **options)
            parts = [attack(*part) for part in zip(images.split(batch), labels.split(batch), strict=True)]
            return torch.cat(parts).detach(), asked.count / len(images)

        yield name, "torchattack", theirs


def main() -> None:
    """Print a line for each way."""
    parser = ArgumentParser(prog="python -m benchmarks.transfer", description=__doc__)
    parser.add_argument("--data", required=True, help="photographs with labels")
    parser.add_argument("--source", required=True, help="the network that is attacked (.pt2)")
    parser.add_argument("--target", required=True, help="the network that is shown the changes (.pt2)")
    parser.add_argument("--images", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--eps", type=float, default=8 / 255, help="radius, linf (default: 8/255)")
    parser.add_argument("--steps", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=25, help="default: %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source, target = opened(options.source), opened(options.target)
    images, labels = right_by_both(options.data, (source, target), options.images)
    print(f"{len(images)} images that both get right, eps {options.eps:.4g}, {options.steps} steps", flush=True)
    for name, who, make in ways(source, images, labels, options.eps, options.steps, options.batch):
        torch.manual_seed(0)
        began = time.process_time()
        adversarial, passes = make()
        seconds = time.process_time() - began
        assert (adversarial - images).abs().amax() <= options.eps + 1e-5
        rates = []
        for network in (target, source):
            one = proportion(int((answers(network, adversarial) != labels).sum()), len(images))
            rates.append(f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})")
        said = f"{passes:.1f} forward passes an image, {seconds / len(images):.2f} s"
        print(f"{name}, {who}: target {rates[0]}, source {rates[1]}; {said}", flush=True)


if __name__ == "__main__":
    main()
