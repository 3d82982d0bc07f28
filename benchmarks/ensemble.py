"""`python -m benchmarks.ensemble`: AutoAttack, ours, the published code, torchattacks' copy, and our fast ensemble."""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.options import CLOCKS, begun, comparing, name_of

SHORT = "brittle as torchattacks"
"""With the settings of torchattacks' copy, which leaves its own defaults: APGD and FAB of 10 steps where AutoAttack has
100, and squares whose sizes are fitted to the number of queries."""
NORMS = {"linf": ("Linf", float("inf")), "l2": ("L2", 2.0)}


@dataclass(frozen=True)
class Line:
    """What a contender found and what it cost, per image."""

    name: str
    accuracy: float
    largest: float
    seconds: float
    forward: float
    backward: float


def arguments() -> argparse.Namespace:
    """Return what the user wrote."""
    parser = comparing("benchmarks.ensemble", __doc__, 100)
    parser.add_argument("--norm", choices=sorted(NORMS), default="linf")
    parser.add_argument("--eps", type=float, default=0.1, help="radius (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=250, help="images in a batch (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--members", action="store_true", help="also run each of our members alone, on all images")
    parser.add_argument("--skip", default="", help="contenders to leave out: published, torchattacks, ...")
    return parser.parse_args()


def main() -> int:
    """Run everybody on the same images, and write the table."""
    options = arguments()
    module, images, labels = begun(options)
    contenders: dict[str, Callable[..., Any]] = {
        "brittle": ours,
        "brittle fast-ensemble": fast,
        "published": published,
        SHORT: as_torchattacks,
        "torchattacks": torchattacks,
    }
    lines = [
        measured(name, call, module, images, labels, options)
        for name, call in contenders.items()
        if name not in options.skip.split(",") and not (name == SHORT and "torchattacks" in options.skip)
    ]
    text = table(lines, options)
    if options.members:
        text += alone(module, images, labels, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"autoattack-{name_of(options)}-{options.norm}.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def measured(name: str, call: Callable[..., Any], module: Any, images: Any, labels: Any, options: Any) -> Line:
    """Time a contender, and judge what it returns: right before, and still right within the radius or not."""
    import torch

    from benchmarks.counting import Counted
    from benchmarks.judge import predicted

    counted = Counted(copy.deepcopy(module).eval()).requires_grad_(False)
    clock = CLOCKS[options.clock]
    began = clock()
    changed = call(counted, images, labels, options).detach()
    seconds = clock() - began
    log = counted.log
    with torch.no_grad():
        size = (changed - images).flatten(1).norm(NORMS[options.norm][1], dim=1)
        fair = (size <= options.eps * (1 + 1e-5)) & (changed >= 0).flatten(1).all(1) & (changed <= 1).flatten(1).all(1)
        held = (predicted(module, changed) == labels) | ~fair
    n = len(images)
    line = Line(name, float(held.float().mean()), float(size.max()), seconds, log.forward / n, log.backward / n)
    print(line, flush=True)
    return line


def ours(module: Any, images: Any, labels: Any, options: Any) -> Any:
    """The ensemble as `brittle audit --attack autoattack` runs it."""
    import brittle

    return attacked(brittle.AutoAttack(), module, images, labels, options).adversarial


def fast(module: Any, images: Any, labels: Any, options: Any) -> Any:
    """The fast ensemble as `brittle audit` runs it by default."""
    import brittle

    return attacked(brittle.FastEnsemble(), module, images, labels, options).adversarial


def as_torchattacks(module: Any, images: Any, labels: Any, options: Any) -> Any:
    """Our members with the settings of torchattacks' copy."""
    import brittle
    from benchmarks.judge import classes_of

    members = brittle.AutoAttack(steps=10).members(options.norm, classes_of(module.module, images))  # not counted
    fitted = tuple(replace(one, rescaled=True) if isinstance(one, brittle.Square) else one for one in members)
    return attacked(brittle.Cascade(fitted), module, images, labels, options).adversarial


def attacked(attack: Any, module: Any, images: Any, labels: Any, options: Any) -> Any:
    """Run an attack of brittle as the options say."""
    import brittle

    threat, classifier = brittle.Lp(options.norm, options.eps), brittle.Classifier(module)
    return brittle.run(attack, classifier, images, labels, threat=threat, seed=options.seed, batch=options.batch)


def published(module: Any, images: Any, labels: Any, options: Any) -> Any:
    """The authors' code, from the package index."""
    from benchmarks.peers import peer

    attack = peer("pyautoattack").AutoAttack(
        module, norm=NORMS[options.norm][0], eps=options.eps, seed=options.seed, device="cpu"
    )
    found = attack.run_standard_evaluation(images.clone(), labels.clone(), batch_size=options.batch)
    return found[0] if isinstance(found, tuple) else found


def torchattacks(module: Any, images: Any, labels: Any, options: Any) -> Any:
    """The copy in torchattacks."""
    import torch

    from benchmarks.judge import classes_of
    from benchmarks.peers import peer

    attack = peer("torchattacks").AutoAttack(
        module,
        norm=NORMS[options.norm][0],
        eps=options.eps,
        n_classes=classes_of(module, images),
        seed=options.seed,
    )
    parts = zip(images.split(options.batch), labels.split(options.batch), strict=True)
    return torch.cat([attack(x, y) for x, y in parts])


def alone(module: Any, images: Any, labels: Any, options: Any) -> str:
    """Run each member of both ensembles on all images, and say how many it breaks that its ensemble does not."""
    import brittle
    from benchmarks.judge import classes_of

    classes = classes_of(module, images)
    lines = ["", "| brittle's member, alone | broken | broken by it and not by the ensemble |", "| --- | ---: | ---: |"]
    for ensemble, members in (
        (brittle.AutoAttack(), brittle.AutoAttack().members(options.norm, classes)),
        (brittle.FastEnsemble(), brittle.FastEnsemble().members(options.norm, classes)),
    ):
        whole = attacked(ensemble, module, images, labels, options).success
        lines.append(f"| **{type(ensemble).__name__}** | {int(whole.sum())} | |")
        for member in members:
            broken = attacked(member, module, images, labels, options).success
            lines.append(f"| {member} | {int(broken.sum())} | {int((broken & ~whole).sum())} |")
    return "\n".join([*lines, ""])


def table(lines: list[Line], options: Any) -> str:
    """Write everybody's robust accuracy, time and passes."""
    clock = "of the processor" if options.clock == "cpu" else "on the clock"
    head = [
        f"# AutoAttack (standard): {name_of(options)}, {options.images} images, {options.norm} {options.eps:g}",
        "",
        "Robust accuracy, of images that were right: still right in a fresh forward pass of what was returned, or",
        f"returned outside the radius or the box. Seconds are {clock}, in all, threads: {options.threads}; passes are",
        "per image.",
        "",
        "| | robust accuracy | largest change | seconds | times brittle's | forward | backward |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    body = [
        f"| {one.name} | {one.accuracy:.1%} | {one.largest:.5f} | {one.seconds:.1f} | "
        f"{one.seconds / lines[0].seconds:.2f} | {one.forward:.0f} | {one.backward:.0f} |"
        for one in lines
    ]
    return "\n".join([*head, *body, ""])


if __name__ == "__main__":
    sys.exit(main())
