"""`python -m benchmarks.wrappers`: the wrappers of `brittle.compat` beside the libraries whose call shape they have.

Each is called as its library is, with the same arguments, on the same images, of which the first hundred that the
network has right take part. Success is judged here, in a fresh forward pass: wrong after, within the box and the
radius. `same step` counts the images whose first step has the same bits; of attacks with a random start, in
l2, and in search of the smallest change there is none to compare. `apart` counts the images that one alone has broken,
in the first of several draws.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.options import RESULTS
from benchmarks.peers import peer, seed

CLOSE = 1e-6
"""The tolerance of box and radius."""
DRAWS = 5
"""Calls of an attack with a random start, each with other random numbers."""
Attack = Callable[[Tensor, Tensor], Tensor]
"""From images and labels to changed images."""


@dataclass(frozen=True)
class Pair:
    """One call shape, made of a library and of its wrapper.

    Attributes:
        name: library and attack.
        make: from where the attacks come from, a network and a number of steps, to the attack; without `stepwise` the
            number means nothing.
        radius: of success; infinite for a search for the smallest change.
        p: the norm's exponent.
        stepwise: begins at the image itself, so that steps can be compared.
        draws: how often it is called with other random numbers; the counts are means over them.
    """

    name: str
    make: Callable[[Any, nn.Module, int], Attack]
    radius: float = float("inf")
    p: float = float("inf")
    stepwise: bool = False
    draws: int = 1


def theirs(library: str) -> Any:
    """Return where the attacks of a library come from."""
    if library == "art":
        return SimpleNamespace(
            **vars(peer("art.attacks.evasion")),
            PyTorchClassifier=peer("art.estimators.classification").PyTorchClassifier,
            quiet={"verbose": False},
        )
    if library == "autoattack":
        return peer("pyautoattack")
    return peer(library)


def ours(library: str) -> Any:
    """Return where the wrappers come from."""
    import importlib

    return importlib.import_module(f"brittle.compat.{library}")


def of_art(attacks: Any, module: nn.Module, name: str, **settings: Any) -> Attack:
    """Return an attack of ART on tensors."""

    shape, loss = module.input_shape, nn.CrossEntropyLoss()
    estimator = attacks.PyTorchClassifier(module, loss, shape, 10, clip_values=(0.0, 1.0), device_type="cpu")
    attack = getattr(attacks, name)(estimator, batch_size=100, **settings)
    return lambda images, labels: torch.from_numpy(attack.generate(x=images.numpy(), y=labels.numpy()))


def of_foolbox(attacks: Any, module: nn.Module, name: str, radius: float | None, **settings: Any) -> Attack:
    """Return an attack of Foolbox on tensors."""

    fmodel = attacks.PyTorchModel(module, bounds=(0, 1), device="cpu")
    attack = getattr(attacks.attacks, name)(**settings)
    return lambda images, labels: attack(fmodel, images, labels, epsilons=radius)[1]


def of_autoattack(attacks: Any, module: nn.Module, radius: float) -> Attack:
    """Return the ensemble on tensors; the package's arguments have other names than its authors'."""

    attack = attacks.AutoAttack(module, norm="Linf", eps=radius, version="standard", seed=0, device="cpu")

    def call(images: Tensor, labels: Tensor) -> Tensor:
        found = attack.run_standard_evaluation(images, labels)
        return found if isinstance(found, Tensor) else next(one for one in found if one.shape == images.shape)

    return call


def pairs(radius: float) -> list[Pair]:
    """Return what is compared, at a radius in linf; in l2 it is ten times as large."""
    wide, stride = 10 * radius, radius / 4
    quiet = {"verbose": False}
    linf = {"radius": radius, "stepwise": True}
    drawn = {"radius": radius, "draws": DRAWS}
    return [
        Pair("torchattacks FGSM", lambda a, m, n: a.FGSM(m, eps=radius), **linf),
        Pair("torchattacks BIM", lambda a, m, n: a.BIM(m, eps=radius, alpha=stride, steps=n), **linf),
        Pair("torchattacks PGD", lambda a, m, n: a.PGD(m, radius, stride, n, random_start=False), **linf),
        Pair("torchattacks PGD, random start", lambda a, m, n: a.PGD(m, radius, stride, n), **drawn),
        Pair("torchattacks PGDL2", lambda a, m, n: a.PGDL2(m, wide, wide / 4, n, random_start=False), wide, 2),
        Pair("torchattacks DeepFool", lambda a, m, n: a.DeepFool(m)),
        Pair("torchattacks CW", lambda a, m, n: a.CW(m, c=10, steps=100)),
        Pair("foolbox FGSM", lambda a, m, n: of_foolbox(a, m, "FGSM", radius), **linf),
        Pair(
            "foolbox LinfPGD",
            lambda a, m, n: of_foolbox(a, m, "LinfPGD", radius, abs_stepsize=stride, steps=n, random_start=False),
            **linf,
        ),
        Pair("foolbox LinfPGD, random start", lambda a, m, n: of_foolbox(a, m, "LinfPGD", radius), **drawn),
        Pair("foolbox L2PGD, random start", lambda a, m, n: of_foolbox(a, m, "L2PGD", wide), wide, 2, draws=DRAWS),
        Pair("foolbox L2DeepFoolAttack", lambda a, m, n: of_foolbox(a, m, "L2DeepFoolAttack", None)),
        Pair("foolbox LinfDeepFoolAttack", lambda a, m, n: of_foolbox(a, m, "LinfDeepFoolAttack", None)),
        Pair("foolbox L2DeepFoolAttack, clipped", lambda a, m, n: of_foolbox(a, m, "L2DeepFoolAttack", wide), wide, 2),
        Pair(
            "foolbox L2CarliniWagnerAttack",
            lambda a, m, n: of_foolbox(a, m, "L2CarliniWagnerAttack", None, binary_search_steps=5, steps=100),
        ),
        Pair("art FastGradientMethod", lambda a, m, n: of_art(a, m, "FastGradientMethod", eps=radius), **linf),
        Pair(
            "art ProjectedGradientDescent",
            lambda a, m, n: of_art(a, m, "ProjectedGradientDescent", eps=radius, eps_step=stride, max_iter=n, **quiet),
            **linf,
        ),
        Pair(
            "art ProjectedGradientDescent, random start",
            lambda a, m, n: of_art(
                a, m, "ProjectedGradientDescent", eps=radius, eps_step=stride, max_iter=n, num_random_init=1, **quiet
            ),
            **drawn,
        ),
        Pair("art DeepFool", lambda a, m, n: of_art(a, m, "DeepFool", **quiet)),
        Pair(  # from a constant that is large enough on: below it ART doubles it and ours grows tenfold
            "art CarliniL2Method",
            lambda a, m, n: of_art(
                a, m, "CarliniL2Method", initial_const=10, max_iter=50, binary_search_steps=2, **quiet
            ),
        ),
        Pair("autoattack AutoAttack", lambda a, m, n: of_autoattack(a, m, radius), radius),
    ]


def broken(module: nn.Module, images: Tensor, labels: Tensor, found: Tensor, pair: Pair) -> Tensor:
    """Say which images are wrong, within the box and the radius."""
    with torch.no_grad():
        wrong = module(found).argmax(1) != labels
    sizes = (found - images).flatten(1).norm(pair.p, dim=1)
    return wrong & (sizes <= pair.radius + CLOSE) & (found.flatten(1).amin(1) >= 0) & (found.flatten(1).amax(1) <= 1)


def compared(pair: Pair, module: nn.Module, images: Tensor, labels: Tensor, steps: int) -> dict[str, Any]:
    """Call both, and return how many images each has broken, how far the changes are, and whose steps are the same."""
    library = pair.name.split()[0]
    calls = [source(library) for source in (theirs, ours)]
    counts: list[float] = []
    found: list[Tensor] = []
    for attacks in calls:
        seed()
        attack = pair.make(attacks, module, steps)
        found = [*found, *(attack(images, labels).detach() for _ in range(pair.draws))]
        each = [int(broken(module, images, labels, one, pair).sum()) for one in found[-pair.draws :]]
        counts.append(sum(each) / pair.draws)
    found = [found[0], found[pair.draws]]
    success = [broken(module, images, labels, one, pair) for one in found]
    row: dict[str, Any] = {"attack": pair.name, "theirs": counts[0], "ours": counts[1]}
    row["apart"] = int((success[0] != success[1]).sum())
    both = success[0] & success[1]
    norm = 2.0 if pair.p == float("inf") and pair.radius == float("inf") and "Linf" not in pair.name else pair.p
    medians = [(one - images).flatten(1).norm(norm, dim=1)[both].median().item() for one in found]
    row["median theirs"], row["median ours"] = medians if pair.radius == float("inf") else ("", "")
    row["same step"] = ""
    if pair.stepwise:
        first = [pair.make(attacks, module, 1)(images, labels).detach() for attacks in calls]
        row["same step"] = int((first[0] == first[1]).flatten(1).all(1).sum())
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    names = [*rows[0]]
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    for row in rows:
        cells = [f"{one:.4g}" if isinstance(one, float) else str(one) for one in row.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Compare, print and write the table; 1 where success differs by more than one image of a hundred."""
    from brittle.data import open_source
    from brittle.models import open_network

    parser = argparse.ArgumentParser(prog="python -m benchmarks.wrappers", description=__doc__)
    parser.add_argument("--network", default="digits-lenet", help="as on the command line (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="of the network")
    parser.add_argument("--data", default="digits", help="as on the command line (default: %(default)s)")
    parser.add_argument("--images", type=int, default=100, help="how many (default: %(default)s)")
    parser.add_argument("--radius", type=float, default=0.1, help="in linf (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10, help="of the attacks at a radius (default: %(default)s)")
    parser.add_argument("--only", default="", help="attacks whose name begins so")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the table (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = open_network(options.network, weights=options.weights)
    module = network.module.eval()
    vars(module)["input_shape"] = network.input_shape  # ART asks for it
    block = next(open_source(options.data).blocks(2 * options.images))
    with torch.no_grad():
        right = (module(block.images).argmax(1) == block.labels).nonzero()[: options.images, 0]
    images, labels = block.images[right], block.labels[right]
    rows = []
    for pair in pairs(options.radius):
        if pair.name.startswith(options.only):
            rows.append(compared(pair, module, images, labels, options.steps))
            print(rows[-1], flush=True)
    text = table(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "wrappers.md").write_text(text, encoding="utf-8")
    print(text)
    return int(any(abs(row["theirs"] - row["ours"]) > 1 for row in rows))


if __name__ == "__main__":
    sys.exit(main())
