"""`python -m benchmarks.universal`: one perturbation for all images, ours and ART's, in one run on the same images."""

from __future__ import annotations

import argparse
import copy
import math
import sys
from pathlib import Path
from typing import Any

from benchmarks.options import CLOCKS, begun, parser_of


def arguments() -> argparse.Namespace:
    """Return what the user wrote."""
    parser = parser_of("benchmarks.universal", __doc__)
    parser.set_defaults(threads=1)
    parser.add_argument("--images", type=int, default=100, help="that the network gets right (default: %(default)s)")
    parser.add_argument("--eps", type=float, default=0.25, help="radius in linf (default: %(default)s)")
    parser.add_argument("--passes", type=int, default=3, help="over the images, at most (default: %(default)s)")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--skip-art", action="store_true", help="ours alone")
    return parser.parse_args()


def main() -> int:
    """Measure both, and write the table."""
    options = arguments()
    module, images, _ = begun(options)
    from brittle import Classifier, ImageSet

    clock = CLOCKS[options.clock]
    some = ImageSet(Classifier(module), images)
    contenders = {"brittle ascent": "ascent", "brittle uap, the published algorithm": "uap"}
    lines: list[tuple[str, float, float]] = []
    for name, text in contenders.items():
        began = clock()
        change = ours(text, some, options)
        lines.append((name, some.fooling_rate(change), clock() - began))
    if not options.skip_art:
        began = clock()
        change = art(module, images, options)
        lines.append(("ART UniversalPerturbation", some.fooling_rate(change), clock() - began))
    text = table(lines, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"universal-{Path(options.network).stem}.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def ours(text: str, some: Any, options: argparse.Namespace) -> Any:
    """Make a perturbation as the command line would."""
    from brittle import Lp, UniversalProblem, find_universal
    from brittle.evaluation.spec import parse_universal

    problem = UniversalProblem(some.classifier, some.shape, Lp("inf", options.eps), some)
    return find_universal(parse_universal(f"{text}:passes={options.passes}"), problem).tensor


def art(module: Any, images: Any, options: argparse.Namespace) -> Any:
    """Make one with ART's attack, whose steps DeepFool finds with the settings of ours; its own defaults otherwise."""
    import torch

    from benchmarks.judge import classes_of
    from benchmarks.peers import peer, seed, wrapped_for_art
    from brittle.evaluation.spec import STEP, parse_attack

    inner: Any = parse_attack(STEP).attack
    frozen = copy.deepcopy(module).requires_grad_(False)
    wrapped = wrapped_for_art(frozen, tuple(images.shape[1:]), classes_of(module, images))
    attack = peer("art.attacks.evasion").UniversalPerturbation(
        wrapped,
        attacker="deepfool",
        attacker_params={"max_iter": inner.steps, "epsilon": inner.overshoot, "verbose": False},
        eps=options.eps,
        norm=math.inf,
        max_iter=options.passes,
        verbose=False,
    )
    seed()
    attack.generate(images.numpy())
    return torch.as_tensor(attack.noise, dtype=images.dtype).reshape(images.shape[1:])


def table(lines: list[tuple[str, float, float]], options: argparse.Namespace) -> str:
    """Write everybody's fooling rate and time, and the time as a multiple of the first one's."""
    network, clock = Path(options.network).stem, "of the processor" if options.clock == "cpu" else "on the clock"
    head = [
        f"# One perturbation for all images: {network}, {options.images} images, linf {options.eps:g}",
        "",
        f"At most {options.passes} passes over the images; fooling rate on these images, against the network's own",
        f"clean class. Seconds are {clock}, one thread.",
        "",
        "| | fooling rate | seconds | times brittle's |",
        "| --- | ---: | ---: | ---: |",
    ]
    first = lines[0][2]
    body = [f"| {name} | {rate:.1%} | {seconds:.2f} | {seconds / first:.1f} |" for name, rate, seconds in lines]
    return "\n".join([*head, *body, ""])


if __name__ == "__main__":
    sys.exit(main())
