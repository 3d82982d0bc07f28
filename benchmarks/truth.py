"""`python -m benchmarks.truth --truth FOLDER`: searches on networks and images of which limits are proved.

The folder holds networks of Verified-Intelligence/alpha-beta-CROWN with 200 exact images each, and 20 images that are
proved to be breakable (BaB-attack, Zhang et al., ICML 2022). No verifier can prove more than the published upper bounds
(Clip-and-Verify, NeurIPS 2025, table 4), so that no attack has to come below them by much.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import torch

from benchmarks.counting import Counted
from benchmarks.minimum import right_ones
from benchmarks.options import RESULTS
from benchmarks.portfolio_networks import TRUTH_SIZE

HARD = 0.3
"""The radius, in linf, within which the 20 images are proved to be breakable."""


@dataclass(frozen=True)
class Question:
    """A network, its images, a radius in linf, and the published upper bound of the accuracy, in per cent."""

    network: str
    images: str
    eps: float
    bound: float


QUESTIONS = (Question("mnist_cnn_a_adv", "mnist", 0.3, 76.5), Question("cifar_cnn_a_mix", "cifar", 2 / 255, 53.0))


def arguments() -> argparse.Namespace:
    """Return what the user wrote."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truth", description=__doc__)
    parser.add_argument("--truth", type=Path, required=True, help="the folder")
    parser.add_argument("--generations", type=int, default=115, help="on the hard images (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the results (default: %(default)s)")
    return parser.parse_args()


def main() -> int:
    """Attack, and write the table."""
    options = arguments()
    torch.set_num_threads(1)
    lines = [
        "| network, images | attack | stand | of all | published bound | most forward, backward passes "
        "| mean of its own, by a hook | seconds |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for question in QUESTIONS:
        lines += answered(question, options.truth)
    lines.append(hard(options.truth, options.generations))
    text = "\n".join(lines) + "\n"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "truth.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def opened(truth: Path, network: str, images: str) -> tuple[Any, Any, Any]:
    """Return a network that counts its passes, the images that it gets right, and their classes."""
    from brittle.models.open import open_network

    module = open_network(str(truth / f"{network}.pt2")).module
    return Counted(module), *right_ones(module, str(truth / f"{images}.npz"), TRUTH_SIZE)


def answered(question: Question, truth: Path) -> list[str]:
    """Run the fast ensemble, and memetic ascent on what it leaves; passes are of both together for an image."""
    import brittle

    network, images, labels = opened(truth, question.network, question.images)
    classifier, threat = brittle.Classifier(network), brittle.Lp("inf", question.eps)
    lines, forward, backward, total = [], 0, 0, TRUTH_SIZE
    for attack in (brittle.FastEnsemble(), brittle.MemeticAscent(population=6, generations=5, steps=20)):
        network.log.passes.clear()
        began = process_time()
        found = brittle.run(attack, classifier, images, labels, threat=threat)
        seconds = process_time() - began
        mean = f"{network.log.forward / len(images):.0f}, {network.log.backward / len(images):.0f}"
        images, labels = images[~found.success], labels[~found.success]
        forward, backward = forward + int(found.forward.max()), backward + int(found.backward.max())
        name = type(attack).__name__ if not lines else f"and {type(attack).__name__}"
        lines.append(
            f"| `{question.network}`, {total}, linf {question.eps:.4g} | {name} | {len(images)} "
            f"| {len(images) / total:.1%} | {question.bound:.1f} % | {forward}, {backward} | {mean} | {seconds:.0f} |"
        )
        print(lines[-1], flush=True)
    return lines


def hard(truth: Path, generations: int) -> str:
    """Run memetic ascent, its best points polished, on the 20 images that gradients do not break."""
    import brittle

    network, images, labels = opened(truth, "mnist_cnn_a_adv", "mnist_hard")
    attack = brittle.MemeticAscent(population=4, generations=generations, polished=4)
    began = process_time()
    found = brittle.run(attack, brittle.Classifier(network), images, labels, threat=brittle.Lp("inf", HARD))
    seconds, stand = process_time() - began, int((~found.success).sum())
    return (
        f"| `mnist_cnn_a_adv`, the {len(images)} hard ones, linf {HARD} | polished MemeticAscent, {generations} times "
        f"| {stand} | {stand / len(images):.1%} | 0.0 % | {int(found.forward.max())}, {int(found.backward.max())} "
        f"| {network.log.forward / len(images):.0f}, {network.log.backward / len(images):.0f} | {seconds:.0f} |"
    )


if __name__ == "__main__":
    raise SystemExit(main())
