"""Searches for the smallest change behind one call, ours and the peers', each given so many backward passes."""

from __future__ import annotations

import copy
import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.counting import Counted
from benchmarks.judge import classes_of, judge, predicted
from benchmarks.peers import peer, seed

INF = math.inf
BATCH = 256
Search = Callable[[nn.Module, Tensor, Tensor, float, int], Tensor]
"""From network, images, labels, norm and budget of backward passes to changed images."""


@dataclass(frozen=True)
class Entry:
    """A contender: the norms it knows, its call, and whether it takes no budget and stops by itself."""

    norms: tuple[float, ...]
    call: Search
    fixed: bool = False


def own(text: str) -> Search:
    """One of brittle's attacks as the command line writes it; STEPS stands for the budget."""

    def call(module: nn.Module, images: Tensor, labels: Tensor, p: float, budget: int) -> Tensor:
        import brittle
        from brittle.evaluation.spec import parse_attack

        attack = parse_attack(text.replace("STEPS", str(budget))).attack
        threat = brittle.Lp(p)
        return brittle.run(attack, brittle.Classifier(module), images, labels, threat=threat, batch=BATCH).adversarial

    return call


def adv_lib(file: str, function: str, **options: Any) -> Search:
    """An attack of adv-lib; `steps` names the argument that takes the budget, other text is taken as it is."""
    steps, norms = options.pop("steps", None), options.pop("norms", None)

    def call(module: nn.Module, images: Tensor, labels: Tensor, p: float, budget: int) -> Tensor:
        vars(sys.modules.setdefault("adv_lib.distances.lpips", ModuleType("lpips")))["LPIPS"] = (
            None  # needs torchvision
        )
        attack = getattr(peer(f"adv_lib.attacks.{file}"), function)
        given = dict(options) | ({steps: budget} if steps else {}) | (norms(p) if norms else {})
        return attack(module, images, labels, **given)

    return call


def foolbox(name: str, **options: Any) -> Search:
    """An attack of foolbox; {p} in its name is the norm."""

    def call(module: nn.Module, images: Tensor, labels: Tensor, p: float, budget: int) -> Tensor:
        library = peer("foolbox")
        kind = "LInf" if p == INF else f"L{p:g}"
        attack = getattr(library.attacks, name.replace("{p}", kind))(steps=budget, **options)
        return attack(library.PyTorchModel(module, bounds=(0, 1), device="cpu"), images, labels, epsilons=None)[1]

    return call


def fab_targeted(targets: int) -> Search:
    """adv-lib's FAB towards so many of the likeliest classes, one after the other, the budget shared among them."""

    def call(module: nn.Module, images: Tensor, labels: Tensor, p: float, budget: int) -> Tensor:
        count = min(targets, classes_of(module, images) - 1)
        attack = peer("adv_lib.attacks.fast_adaptive_boundary.fast_adaptive_boundary").fab
        steps = max(1, budget // count)
        return attack(module, images, labels, norm=p, n_iter=steps, targeted_restarts=True, restarts=count)

    return call


def brendel_bethge(module: nn.Module, images: Tensor, labels: Tensor, p: float, budget: int) -> Tensor:
    """foolbox's attack, from the nearest of the images that the network takes for another class.

    Its own start, by noise, breaks few of these images, and it refuses to go on where one of them stands.
    """
    library, classes = peer("foolbox"), predicted(module, images)
    kind = {0.0: "L0", 1.0: "L1", 2.0: "L2", INF: "Linfinity"}[p]
    attack = getattr(library.attacks, f"{kind}BrendelBethgeAttack")(steps=budget)
    apart = torch.cdist(images.flatten(1), images.flatten(1)).masked_fill(labels[:, None] == classes, INF)
    model = library.PyTorchModel(module, bounds=(0, 1), device="cpu")
    return attack(model, images, labels, epsilons=None, starting_points=images[apart.argmin(1)])[1]


def trust_region(module: nn.Module, images: Tensor, labels: Tensor, p: float, budget: int) -> Tensor:
    """adv-lib's adaptive trust region; it differentiates nine classes to choose its target."""
    attack = peer("adv_lib.attacks.trust_region").tr
    return attack(module, images, labels, iter=max(1, budget - 9), adaptive=True, p=p)


def _norm(p: float) -> dict[str, float]:
    return {"norm": p}


def _distance(p: float) -> dict[str, str]:
    return {"distance": f"l{p:g}"}


def _first_distance(p: float) -> dict[str, Any]:
    """The distance with ALMA's first one, as in its authors' experiments."""
    return _distance(p) | {"init_lr_distance": {1.0: 0.5, 2.0: 0.1}[p]}


def _proximal(p: float) -> dict[str, float]:
    return {"norm": p, "proximal_operator": 23} if p == 0 else {"norm": p}


ALL = (0.0, 1.0, 2.0, INF)
OWN: dict[str, Entry] = {
    "boundary-descent": Entry((1.0, 2.0, INF), own("boundary-descent:steps=STEPS")),
    "support-descent": Entry((0.0,), own("support-descent:steps=STEPS")),
    "alma": Entry((1.0, 2.0), own("alma:steps=STEPS")),
    "ddn": Entry((2.0,), own("ddn:steps=STEPS")),
    "fmn": Entry(ALL, own("fmn:steps=STEPS")),
    "sigma-zero": Entry((0.0,), own("sigma-zero:steps=STEPS")),
    "superdeepfool": Entry((2.0,), own("superdeepfool"), fixed=True),
    "deepfool": Entry((1.0, 2.0, INF), own("deepfool"), fixed=True),
}
PEERS: dict[str, Entry] = {
    "adv-lib DDN": Entry((2.0,), adv_lib("decoupled_direction_norm", "ddn", steps="steps", levels=None)),
    "adv-lib FMN": Entry(ALL, adv_lib("fast_minimum_norm", "fmn", steps="steps", norms=_norm)),
    "adv-lib FMN (first step 10)": Entry(
        (0.0, 2.0, INF), adv_lib("fast_minimum_norm", "fmn", steps="steps", norms=_norm, α_init=10.0)
    ),
    "adv-lib ALMA": Entry((1.0, 2.0), adv_lib("augmented_lagrangian", "alma", steps="num_steps", norms=_distance)),
    "adv-lib ALMA 0.5": Entry(
        (1.0, 2.0), adv_lib("augmented_lagrangian", "alma", steps="num_steps", norms=_first_distance, α=0.5)
    ),
    "adv-lib ALMA 0.9": Entry(
        (1.0, 2.0), adv_lib("augmented_lagrangian", "alma", steps="num_steps", norms=_first_distance, α=0.9)
    ),
    "adv-lib DDN 0.1": Entry((2.0,), adv_lib("decoupled_direction_norm", "ddn", steps="steps", levels=None, γ=0.1)),
    "adv-lib FAB 9": Entry((1.0, 2.0, INF), fab_targeted(9)),
    "adv-lib FAB 3": Entry((1.0, 2.0, INF), fab_targeted(3)),
    "adv-lib FAB 1": Entry((1.0, 2.0, INF), fab_targeted(1)),
    "adv-lib TR": Entry((2.0, INF), trust_region),
    "adv-lib PDPGD": Entry(ALL, adv_lib("primal_dual_gradient_descent", "pdpgd", steps="num_steps", norms=_proximal)),
    "adv-lib sigma-zero": Entry((0.0,), adv_lib("sigma_zero", "sigma_zero", steps="num_steps")),
    "adv-lib SuperDeepFool": Entry((2.0,), adv_lib("superdeepfool", "sdf"), fixed=True),
    "adv-lib DeepFool": Entry((2.0, INF), adv_lib("deepfool", "df", norms=_norm), fixed=True),
    "adv-lib VFGA": Entry((0.0,), adv_lib("stochastic_sparse_attacks", "vfga", targeted=False), fixed=True),
    "foolbox FMN": Entry(ALL, foolbox("{p}FMNAttack")),
    "foolbox DDN": Entry((2.0,), foolbox("DDNAttack")),
    "foolbox Brendel-Bethge": Entry(ALL, brendel_bethge),
    "foolbox EAD": Entry((1.0,), foolbox("EADAttack", binary_search_steps=1, initial_const=1.0, decision_rule="L1")),
}
"""FAB N aims at the N likeliest classes in turn; ALMA A smooths with alpha = A, with its authors' first distances.

torchattacks and ART have no search for the smallest change that was near these; see `python -m benchmarks`.
"""


def subject(network: str, weights: Path | None, data: str, count: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Return the network and the first images that it gets right, with their labels."""
    from brittle.data import Fit
    from brittle.models.open import open_network

    opened = open_network(network, weights=weights)
    shape = opened.input_shape
    fit = None if shape is None else Fit(channels=shape[0], height=shape[1], width=shape[2])
    return opened.module, *right_ones(opened.module, data, count, fit)


def right_ones(module: nn.Module, data: str, count: int, fit: Any = None) -> tuple[Tensor, Tensor]:
    """Return the first images that a network gets right, with their labels."""
    from brittle.data import open_source

    kept: list[tuple[Tensor, Tensor]] = []
    for block in open_source(data, fit=fit).blocks(64):
        right = predicted(module, block.images) == block.labels
        kept.append((block.images[right], block.labels[right]))
        if sum(len(labels) for _, labels in kept) >= count:
            break
    images, labels = (torch.cat(parts)[:count] for parts in zip(*kept, strict=True))
    return images, labels


def once(entry: Entry, module: nn.Module, images: Tensor, labels: Tensor, p: float, budget: int) -> dict[str, float]:
    """Attack once, count the passes and judge what comes back in fresh forward passes."""
    counted = Counted(copy.deepcopy(module) if not hasattr(module, "graph") else module)
    counted.requires_grad_(False)
    seed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        moved = entry.call(counted, images.clone(), labels.clone(), p, budget).detach()
    verdict = judge(module, images, labels, moved, p, INF)
    found = verdict.size[verdict.success]
    return {
        "success": float(verdict.success.mean()),
        "median": verdict.median(),
        "mean": float(found.mean()) if len(found) else math.nan,
        "forward": counted.log.forward / len(images),
        "backward": counted.log.backward / len(images),
    }
