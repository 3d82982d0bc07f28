"""`python -m benchmarks.attackbench`: searches for the smallest change, judged by the package `attackbenchlib`.

Its authors' judge (Cina et al., AAAI 2025) counts forward and backward passes together, answers nothing of worth beyond
the budget, and takes the best point that it has seen. Its measure, optimality, is the area that an attack takes off the
curve of robust accuracy over size, as a fraction of what all attacks together take off.

Three habits of version 2.0.2 are worked around: it books a point under the nearest clean image of the batch, so every
image is a batch; one image alone has no optimality, so it is computed over all of them; and it imports torchvision and
wandb, which nothing here uses and which are mocks. adv-lib's and foolbox's attacks are told to make half as many steps
as the budget allows passes, so that their schedules end where the judge stops to answer.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import time
import warnings
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.front import NORMS
from benchmarks.options import begun, comparing, name_of
from benchmarks.peers import peer
from benchmarks.portfolio import SEARCH

RESERVED = 7
"""Passes of ours besides those of the runs: looks at a new network, the clean image, the classes that are next, and
what is returned."""


def arguments() -> argparse.Namespace:
    """Return what the user wrote."""
    parser = comparing("benchmarks.attackbench", __doc__, 20)
    parser.add_argument("--norms", default="l0,l1,l2,linf")
    parser.add_argument("--budgets", default="100,300,1000,2000", help="forward and backward (default: %(default)s)")
    parser.add_argument("--contenders", default="", help="only these, separated by commas")
    parser.add_argument("--kept", type=Path, required=True, help="folder for what was measured")
    return parser.parse_args()


def main() -> int:
    """Measure what is missing, and write the table."""
    options = arguments()
    module, images, labels = begun(options)
    path = options.kept / f"attackbench-{name_of(options)}-{len(images)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for norm, budget in product(options.norms.split(","), map(int, options.budgets.split(","))):
        for name, attack in contenders(norm, budget).items():
            key = f"{norm}/{budget}/{name}"
            if key in kept or (options.contenders and name not in options.contenders.split(",")):
                continue
            began = time.perf_counter()
            kept[key] = measured(module, images, labels, attack, norm, budget)
            path.write_text(json.dumps(kept), encoding="utf-8")
            print(f"{key}: {time.perf_counter() - began:.0f} s", flush=True)
    text = table(kept, f"{name_of(options)}, {len(images)} images that it gets right")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"attackbench-{name_of(options)}.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def contenders(norm: str, budget: int) -> dict[str, Callable[..., Any]]:
    """Return who takes part, ours first: the peers of the other benchmarks, and the attacks that the judge brings.

    Of the peers those that take a budget: others never end on what the judge answers beyond it. Brendel-Bethge, which
    begins at other images of the batch, is left out.
    """
    from benchmarks.minimum import PEERS, brendel_bethge, own

    p = NORMS[norm]
    ours = SEARCH[norm]
    steps = max(1, (budget - RESERVED) * 30 // 61)  # a run of 30 steps makes 61 passes: it looks at its last point, too
    found = {f"brittle {ours}": _call(own(f"{ours}:steps=STEPS"), p, steps)}
    for name, entry in PEERS.items():
        if p in entry.norms and not entry.fixed and entry.call is not brendel_bethge:
            found[name] = _call(entry.call, p, budget // 2)
    return found | originals(norm, budget)


def originals(norm: str, budget: int) -> dict[str, Callable[..., Any]]:
    """Return the authors' own code as the judge brings it, with its settings there and steps for the budget."""
    peer("foolbox")  # which FMN's and sigma-zero's authors build on
    configs, steps = peer("attackbench.attacks.original.configs"), budget // 2
    found: dict[str, Callable[..., Any]] = {
        "original FMN": configs.get_original_fmn(steps, 10 if norm == "linf" else 1, 0.05, norm)
    }
    if norm == "l0":
        found["original sigma-zero"] = configs.get_original_sigma_zero(norm, steps, 1.0, 1e-3, 0.3, 0.01, 10)
    else:
        found["original FAB"] = configs.get_original_fab(1, steps, None, 0.1, 1.05, 0.9, False, 9, norm)
    if norm == "l2":
        found["original SuperDeepFool"] = configs.get_original_superdeepfool(10, 0.02, 50)
        found["original DeepFool"] = configs.get_original_deepfool(10, 0.02, 50)
    return found


def _call(search: Any, p: float, steps: int) -> Callable[..., Any]:
    def attack(model: Any, inputs: Any, labels: Any) -> Any:
        return search(model, inputs, labels, p, steps)

    return attack


def measured(module: Any, images: Any, labels: Any, attack: Any, norm: str, budget: int) -> dict[str, Any]:
    """Let the judge run an attack, one image at a time, and keep what it says of each."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(images, labels), batch_size=1)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):  # it draws bars and warns at each step
        warnings.simplefilter("ignore")
        said = peer("attackbench").run_attack(
            module.requires_grad_(False), loader, attack, norm, device=torch.device("cpu"), query_budget=budget
        )
    names = ("num_forwards", "num_backwards", "box_failures", "batch_failures", "ori_success", "correct")
    return {
        "distances": {norm: said["distances"][norm]},
        "returned": said["final_distances"][norm],
        "seconds": sum(said["times"]),
    } | {name: said[name] for name in names}


def table(kept: dict[str, Any], about: str) -> str:
    """Rank everybody in each cell by optimality; say what ours returned beside the best that the judge saw."""
    lines = [
        f"# Judged by attackbenchlib: {about}",
        "",
        "Optimality against the best of all contenders of the cell, 1 is the best possible; budgets count forward and",
        "backward passes together. Last: our largest excess of what was returned over the best point seen, images",
        "returned outside the box, and the most passes of an image.",
        "",
        "| norm | budget | brittle | mean size | best peer | its value | mean size | first | excess | box | passes |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    cells = sorted({tuple(key.split("/")[:2]) for key in kept}, key=lambda cell: (cell[0], int(cell[1])))
    lines += [f"| {' | '.join(_row(kept, norm, budget))} |" for norm, budget in cells]
    return "\n".join([*lines, ""])


def _row(kept: dict[str, Any], norm: str, budget: str) -> list[str]:
    import numpy as np

    found = {key.split("/", 2)[2]: one for key, one in kept.items() if key.startswith(f"{norm}/{budget}/")}
    scores = peer("attackbench").compare_attacks_optimality([*found.values()], norm, [*found])["optimality_scores"]
    ours = next(name for name in found if name.startswith("brittle"))
    best = max((name for name in found if name != ours), key=lambda name: scores[name])
    mine = found[ours]
    sizes = {name: np.array(found[name]["distances"][norm]) for name in (ours, best)}
    excess = max(a / b - 1 if b > 0 else 0 for a, b in zip(mine["returned"], mine["distances"][norm], strict=True))
    passes = max(a + b for a, b in zip(mine["num_forwards"], mine["num_backwards"], strict=True))
    return [
        norm,
        budget,
        f"{scores[ours]:.4f}",
        f"{sizes[ours].mean():.5g}",
        best,
        f"{scores[best]:.4f}",
        f"{sizes[best].mean():.5g}",
        "yes" if scores[ours] >= scores[best] else "no",
        f"{excess:.1e}",
        str(sum(mine["box_failures"])),
        str(passes),
    ]


if __name__ == "__main__":
    sys.exit(main())
