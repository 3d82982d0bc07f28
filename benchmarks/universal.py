"""`python -m benchmarks.universal`: one perturbation for all images, ours and ART's, in one run on the same images."""

from __future__ import annotations

import argparse
import copy
import math
import sys
from dataclasses import dataclass
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
    passes = f"passes={options.passes}"
    contenders = {
        "brittle ascent": f"ascent:{passes}",
        "brittle uap, the published algorithm": f"uap:{passes}",
        "brittle uap, steps of ten images at once": f"uap:{passes},together=10",
    }
    lines = [Line(name, ours(text, some, options, clock)) for name, text in contenders.items()]
    if not options.skip_art:
        began = clock()
        change = art(module, images, options)
        seconds = clock() - began
        lines.append(Line("ART UniversalPerturbation", [(some.fooling_rate(change), seconds)]))
    text = table(lines, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"universal-{Path(options.network).stem}.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


@dataclass(frozen=True)
class Line:
    """A contender: fooling rate and seconds since the beginning, after each pass or in the end."""

    name: str
    passes: list[tuple[float, float]]

    def until(self, rate: float) -> float:
        """Return the seconds until a pass reached a rate; infinity where none did."""
        return next((seconds for score, seconds in self.passes if score >= rate), math.inf)


def ours(text: str, some: Any, options: argparse.Namespace, clock: Any) -> list[tuple[float, float]]:
    """Make a perturbation as the command line would; what the judge sees and when, by the clock."""
    from brittle import Lp, UniversalProblem, find_universal
    from brittle.evaluation.spec import parse_universal

    problem = UniversalProblem(some.classifier, some.shape, Lp("inf", options.eps), some)
    began, passes = clock(), []
    find_universal(
        parse_universal(text),
        problem,
        watch=lambda line: passes.append((line.score, clock() - began)),
    )
    return passes


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


def table(lines: list[Line], options: argparse.Namespace) -> str:
    """Write everybody's fooling rate and time, and when brittle's passes had reached the last one's rate."""
    network, clock = Path(options.network).stem, "of the processor" if options.clock == "cpu" else "on the clock"
    rate, whole = lines[-1].passes[-1]
    head = [
        f"# One perturbation for all images: {network}, {options.images} images, linf {options.eps:g}",
        "",
        f"At most {options.passes} passes over the images; fooling rate on these images, against the network's own",
        f"clean class. Seconds are {clock}, one thread; in the last two columns, until a pass had reached the fooling",
        "rate of the last line, and which part of the last line's seconds that is.",
        "",
        "| | fooling rate | seconds | until the last one's rate | of its seconds |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    body = [
        f"| {line.name} | {line.passes[-1][0]:.1%} | {line.passes[-1][1]:.2f} | {until:.2f} | 1/{whole / until:.1f} |"
        for line in lines
        for until in [line.until(rate)]
    ]
    return "\n".join([*head, *body, ""])


if __name__ == "__main__":
    sys.exit(main())
