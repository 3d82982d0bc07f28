"""`python -m benchmarks.segmentation`: smallest changes that segment 99 % of the pixels otherwise, ours and adv-lib's.

    python -m benchmarks.segmentation --network deeplabv3_mnv2_pascal.pt2 --data photographs.parquet --kept cells

The labels are the network's own clean segmentation, and all pixels count. A budget of N is N forward and N backward
passes of an image, counted outside the attacks, whatever they are made for; what comes back is judged in a fresh
forward pass of the plain network. Each attack of each image is a file in the folder of kept cells, so that a command
that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.options import parser_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchmarks.counting import Counted

SHARE = 0.99
"""Of the pixels that must be segmented otherwise; adv-lib's default."""
P = {"linf": math.inf, "l2": 2.0}
Attack = Callable[[Any, Any, Any, str, int], Any]
"""Takes network, image, labels, norm and budget; returns the changed image."""


def brittle(module: nn.Module, image: Tensor, labels: Tensor | None, norm: str, budget: int) -> Tensor:
    """Run our search at its defaults, with as many steps as the budget allows beside the passes of the judge."""
    from brittle import Classifier, Lp, PixelDescent, run_dense

    attack = PixelDescent(steps=max(budget - 2, 1))  # a step more is looked at, the clean image and what is returned
    goal = {"labels": labels, "share": SHARE, "budget": 2 * budget}
    return run_dense(attack, Classifier(module), image, threat=Lp(P[norm]), **goal).adversarial


def alma_prox(*, mended: bool = False, **settings: float) -> Attack:
    """Return ALMA-prox, which knows linf alone, with some settings; mended, its penalty is differentiated by torch."""

    def attack(module: nn.Module, image: Tensor, labels: Tensor, norm: str, budget: int) -> Tensor:
        from benchmarks.peers import peer

        assert norm == "linf", f"ALMA-prox knows linf alone, and {norm} was asked for"
        run = peer("adv_lib.attacks.segmentation.alma_prox").alma_prox
        penalty = {"penalty": peer("adv_lib.utils.lagrangian_penalties.penalty_functions").P2} if mended else {}
        return run(module, image, labels, adv_threshold=SHARE, num_steps=budget, **settings, **penalty)

    return attack


def pdpgd(**settings: float) -> Attack:
    """Return PDPGD with some settings."""

    def attack(module: nn.Module, image: Tensor, labels: Tensor, norm: str, budget: int) -> Tensor:
        from benchmarks.peers import peer

        run = peer("adv_lib.attacks.segmentation.primal_dual_gradient_descent").pdpgd
        return run(module, image, labels, norm=P[norm], adv_threshold=SHARE, num_steps=budget, **settings)

    return attack


def pdgd(module: nn.Module, image: Tensor, labels: Tensor, norm: str, budget: int) -> Tensor:
    """PDGD, which knows l2 alone, at the settings of the authors' experiments."""
    from benchmarks.peers import peer

    assert norm == "l2", f"PDGD knows l2 alone, and {norm} was asked for"
    attack = peer("adv_lib.attacks.segmentation.primal_dual_gradient_descent").pdgd
    return attack(module, image, labels, adv_threshold=SHARE, num_steps=budget, primal_lr=0.01)


CONTENDERS: dict[str, tuple[str, Attack, tuple[str, ...]]] = {
    "brittle": ("brittle PixelDescent", brittle, ("linf", "l2")),
    "alma-prox": ("adv-lib ALMA-prox, defaults", alma_prox(), ("linf",)),
    "alma-prox-fine": ("adv-lib ALMA-prox, lr_init=1e-4", alma_prox(lr_init=1e-4), ("linf",)),
    "alma-prox-mended": ("adv-lib ALMA-prox, lr_init=1e-4, mended", alma_prox(lr_init=1e-4, mended=True), ("linf",)),
    "pdpgd-paper": ("adv-lib PDPGD, the authors' experiments", pdpgd(primal_lr=0.01), ("linf", "l2")),
    "pdpgd": ("adv-lib PDPGD, defaults", pdpgd(), ("linf", "l2")),
    "pdgd-paper": ("adv-lib PDGD, the authors' experiments", pdgd, ("l2",)),
}
"""Name, attack and norms of each. The authors' experiments: jeromerony/alma_prox_segmentation, attack_ingredient.py;
ALMA-prox's are adv-lib's defaults. Its first step is 0.255 levels then, which few steps do not make up for: a tenth of
it, which nobody has published, shows what the method does on a network that breaks by less. In adv-lib 0.2.8 the slope
of its penalty, written by hand, is not the penalty's (findings/adv-lib-alma-prox-penalty-slope.sh); mended, it is."""


def arguments() -> argparse.Namespace:
    """Return what the user wrote."""
    parser = parser_of("benchmarks.segmentation", __doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--norm", choices=list(P), default="linf")
    parser.add_argument("--budgets", default="50", help="separated by commas (default: %(default)s)")
    parser.add_argument("--contenders", help=f"of {', '.join(CONTENDERS)} (default: all that know the norm)")
    parser.add_argument("--first", type=int, default=0, help="image of the source (default: %(default)s)")
    parser.add_argument("--images", type=int, default=20, help="from there on (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kept", type=Path, required=True, help="folder for the measured cells")
    parser.add_argument("--only-table", action="store_true", help="measure nothing")
    options = parser.parse_args()
    options.contenders = (
        options.contenders.split(",")
        if options.contenders
        else [name for name, (_, _, norms) in CONTENDERS.items() if options.norm in norms]
    )
    return options


def main() -> int:
    """Measure what is missing, and write the table."""
    options = arguments()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    options.kept.mkdir(parents=True, exist_ok=True)
    budgets = [int(budget) for budget in options.budgets.split(",")]
    if not options.only_table:
        measure(options, budgets)
    text = table(options.kept)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "segmentation.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def measure(options: argparse.Namespace, budgets: list[int]) -> None:
    """Measure the cells that are not kept yet, image by image, so that an interrupted table compares the same ones."""
    from benchmarks.counting import Counted
    from brittle.models import open_network

    network = open_network(str(options.network))
    network.module.requires_grad_(requires_grad=False)
    counted, photographs = Counted(network.module), images_of(options, network.input_shape)
    brittle(counted, photographs[0][1], None, options.norm, 2)  # it learns which order in memory is fast, on noise
    for budget in budgets:
        for row, image in photographs:
            for who in options.contenders:
                path = options.kept / f"{Path(options.network).stem}-{options.norm}-{budget}-{who}-{row}.json"
                if path.exists():
                    continue
                cell = once(counted, image, CONTENDERS[who][1], options.norm, budget)
                about = {"network": Path(options.network).stem, "norm": options.norm, "budget": budget}
                beside = path.with_suffix(".part")
                beside.write_text(json.dumps(about | {"who": who, "row": row} | cell, indent=1))
                beside.replace(path)
                print(f"{path.stem}: {cell}", flush=True)


def images_of(options: argparse.Namespace, shape: tuple[int, ...] | None) -> list[tuple[int, Tensor]]:
    """Return the images asked for, each with its number in the source."""
    from brittle.data import Fit, open_source

    channels, height, width = shape or (3, 513, 513)
    most = options.first + options.images
    source = open_source(options.data, fit=Fit(channels, height, width), max_images=most)
    found: list[tuple[int, Tensor]] = []
    for block in source.blocks(options.images, options.first):
        found += [(int(row), image[None]) for row, image in zip(block.index, block.images, strict=True)]
    return found


def once(counted: Counted, image: Tensor, attack: Attack, norm: str, budget: int) -> dict[str, float]:
    """Attack one image; judge what comes back."""
    import torch

    from benchmarks.counting import Log
    from benchmarks.peers import seed

    module = counted.module
    with torch.no_grad():
        labels = module(image).argmax(1)
    counted.log = Log()
    seed()
    began = time.process_time()
    moved = attack(counted, image.clone(), labels.clone(), norm, budget).detach()
    seconds = time.process_time() - began
    with torch.no_grad():
        wrong = float((module(moved).argmax(1) != labels).double().mean())
    inside = bool((moved >= 0).all() and (moved <= 1).all())
    size = float(torch.linalg.vector_norm((moved - image).double(), P[norm]))
    return {
        "share": wrong,
        "size": size,
        "success": wrong >= SHARE and inside,
        "forward": counted.log.forward,
        "backward": counted.log.backward,
        "seconds": seconds,
    }


def table(kept: Path) -> str:
    """Write one table for each network, norm and budget that cells are kept of."""
    cells: list[dict[str, Any]] = [json.loads(path.read_text()) for path in sorted(kept.glob("*.json"))]
    lines = [
        "# Smallest changes that segment almost all pixels otherwise",
        "",
        f"An image is broken where at least {SHARE:.0%} of its pixels get another class than in the network's own",
        "clean segmentation, in a fresh forward pass. Passes are counted outside the attacks, on average of an image.",
        "Of one that was not broken the change counts as infinitely large in the median, and not at all in the mean.",
        "linf in levels of 255. Ratio: the peer's size over ours, image by image, the median. Seconds: an image's, of",
        "the process alone, with one thread. Where attacks have seen different numbers of images, the ratio alone",
        "compares them.",
    ]
    questions = sorted({(cell["network"], cell["norm"], cell["budget"]) for cell in cells})
    for network, norm, budget in questions:
        some = [cell for cell in cells if (cell["network"], cell["norm"], cell["budget"]) == (network, norm, budget)]
        lines += ["", f"## {network}, {norm}, {budget} passes each way", ""]
        lines += ["| attack | images | broken | median | mean | share, median | forward | backward | ratio | seconds |"]
        lines += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
        ours = {cell["row"]: sized(cell) for cell in some if cell["who"] == "brittle"}
        lines += [line(who, [cell for cell in some if cell["who"] == who], ours) for who in CONTENDERS]
    return "\n".join([*[one for one in lines if one is not None], ""])


def sized(cell: dict[str, Any]) -> float:
    """Return how large a change is, in levels for linf; infinite where the image was not broken."""
    return cell["size"] * (255 if cell["norm"] == "linf" else 1) if cell["success"] else math.inf


def line(who: str, cells: list[dict[str, Any]], ours: dict[int, float]) -> str | None:
    """Write an attack's row, None where it was not measured."""
    if not cells:
        return None
    sizes = [sized(cell) for cell in cells]
    broken = [size for size in sizes if math.isfinite(size)]
    both = [(sized(cell), ours[cell["row"]]) for cell in cells if cell["row"] in ours]
    ratios = [theirs / mine for theirs, mine in both if math.isfinite(mine)]
    mean = {key: sum(cell[key] for cell in cells) / len(cells) for key in ("forward", "backward", "seconds")}
    figures = [
        f"{len(cells)}",
        f"{len(broken) / len(cells):.0%}",
        f"{median(sizes):.3g}",
        f"{sum(broken) / len(broken):.3g}" if broken else "-",
        f"{median(cell['share'] for cell in cells):.4f}",
        f"{mean['forward']:.1f}",
        f"{mean['backward']:.1f}",
        f"{median(ratios):.3f}" if ratios else "-",
        f"{mean['seconds']:.0f}",
    ]
    return f"| {' | '.join([CONTENDERS[who][0], *figures])} |"


if __name__ == "__main__":
    sys.exit(main())
