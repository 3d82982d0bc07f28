"""`python -m benchmarks.one_for_all`: perturbations for all images by several seeds, with median, range and transfer.

    python -m benchmarks.one_for_all --networks net.pt2,other.pt2 --data photographs.parquet --kept cells \
        --method activation-ascent --method gd-uap:iterations=600,step=0.00392

Published tables show the best run of each method; here every method is run with the same seeds on the same images. 50
images judge a search while it works (which of its perturbations is kept, and when it ends), the others are unseen. The
perturbation of the median seed is then shown to all other networks. Measured cells are kept, so that a command that was
interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from statistics import median_low
from typing import Any

from benchmarks.options import RESULTS

EPS = 10 / 255


def arguments() -> argparse.Namespace:
    """Return what the user wrote."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.one_for_all",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--networks", required=True, help="as `brittle universal` takes them, separated by commas")
    parser.add_argument("--data", required=True, help="likewise")
    parser.add_argument("--method", action="append", required=True, help="as `--attack` of it; several are possible")
    parser.add_argument("--seeds", type=int, default=5, help="0, 1, ... (default: %(default)s)")
    parser.add_argument("--images", type=int, default=550, help="in all (default: %(default)s)")
    parser.add_argument("--unseen", type=int, default=500, help="of these (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kept", type=Path, required=True, help="folder for the measured cells")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the table (default: %(default)s)")
    return parser.parse_args()


def main() -> int:
    """Measure what is missing, and write the table."""
    options = arguments()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    options.kept.mkdir(parents=True, exist_ok=True)
    networks = options.networks.split(",")
    cells = {network: measured(network, options) for network in networks}
    for network in networks:
        shown_to_others(network, cells, options)
    text = table(cells, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "one-for-all.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def split_of(network: str, options: argparse.Namespace) -> Any:
    """Return the images that judge a search, and the unseen ones, brought to a network's size; and the network."""
    from brittle.evaluation.subject import open_subject
    from brittle.evaluation.universal_split import Split
    from brittle.specs import Asked

    asked = Asked.of(network, options.data, None, None, {"max_images": options.images})
    subject = open_subject(asked.model, asked.data, device="cpu")
    return subject.classifier, Split.of(subject, options.unseen, 50, 0)


def measured(network: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the cells of a network, by method and seed; those that are not kept yet are measured."""
    path = options.kept / f"{Path(network).stem}.json"
    cells: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    wanted = [(method, seed) for method in options.method for seed in range(options.seeds)]
    missing = [(method, seed) for method, seed in wanted if f"{method}/{seed}" not in cells]
    if not missing:
        return cells
    classifier, split = split_of(network, options)
    for method, seed in missing:
        cells[f"{method}/{seed}"] = cell = made(
            classifier, split, method, seed, kept_at(network, method, seed, options)
        )
        path.write_text(json.dumps(cells, indent=1))
        print(f"{Path(network).stem} {method} seed {seed}: {cell['fooled']:.1%} in {cell['seconds']:.0f} s", flush=True)
    return cells


def made(classifier: Any, split: Any, method: str, seed: int, path: Path) -> dict[str, Any]:
    """Make one perturbation, keep it, and show it to the unseen images."""
    from brittle import Lp, UniversalProblem, find_universal
    from brittle.evaluation.spec import parse_universal

    attack, training = parse_universal(method), split.training
    images = training if attack.needs_images else None
    problem = UniversalProblem(classifier, training.shape, Lp("inf", EPS * classifier.bounds.span), images, seed)
    began = time.perf_counter()
    found = find_universal(attack, problem, training.fooling_rate)
    seconds = time.perf_counter() - began
    found.save(path)
    last: Any = found.made["passes"]
    return {
        "fooled": split.held_out.fooling_rate(found.tensor),
        "seconds": seconds,
        "forward": last[-1]["forward"],
        "backward": last[-1]["backward"],
    }


def kept_at(network: str, method: str, seed: int, options: argparse.Namespace) -> Path:
    """Return where a perturbation is kept."""
    word = "".join(letter if letter.isalnum() else "-" for letter in method)
    return options.kept / f"{Path(network).stem}-{word}-{seed}.safetensors"


def median_seed(cells: dict[str, Any], method: str, seeds: int) -> int:
    """Return the seed whose rate is the median."""
    rates = {seed: cells[f"{method}/{seed}"]["fooled"] for seed in range(seeds)}
    return next(seed for seed, rate in rates.items() if rate == median_low(rates.values()))


def shown_to_others(network: str, cells: dict[str, dict[str, Any]], options: argparse.Namespace) -> None:
    """Show the median perturbations of all other networks to one."""
    from brittle import Perturbation

    own = cells[network]
    wanted = [
        (f"{Path(other).stem} > {method}", kept_at(other, method, median_seed(known, method, options.seeds), options))
        for other, known in cells.items()
        for method in options.method
        if other != network
    ]
    missing = [(name, path) for name, path in wanted if name not in own]
    if not missing:
        return
    classifier, split = split_of(network, options)
    height, width = split.training.shape[1:]
    for name, path in missing:
        found = Perturbation.load(path).resampled(height, width)
        own[name] = split.held_out.fooling_rate(found.tensor * classifier.bounds.span)
        print(f"{name} > {Path(network).stem}: {own[name]:.1%}", flush=True)
    (options.kept / f"{Path(network).stem}.json").write_text(json.dumps(own, indent=1))


def table(cells: dict[str, dict[str, Any]], options: argparse.Namespace) -> str:
    """Write median and range of every method on every network, what it costs, and how the median one transfers."""
    count, seeds = options.unseen, range(options.seeds)
    names = [Path(network).stem for network in cells]
    lines = [
        "# One perturbation for all images, by several seeds",
        "",
        f"Fooling rate on {count} unseen images, median of {options.seeds} seeds (lowest to highest), linf 10/255;",
        f"passes of single images and seconds are of the median seed, {options.threads} thread(s), beside other work.",
        "",
        "| network | method | fooled | forward | backward | seconds |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for network, own in cells.items():
        for method in options.method:
            rates = [own[f"{method}/{seed}"]["fooled"] for seed in seeds]
            one = own[f"{method}/{median_seed(own, method, options.seeds)}"]
            lines.append(
                f"| {Path(network).stem} | `{method}` | {one['fooled']:.1%} ({min(rates):.1%} to {max(rates):.1%}) | "
                f"{one['forward']} | {one['backward']} | {one['seconds']:.0f} |"
            )
    lines += ["", "## Transfer", "", "The perturbation of the median seed, made for the network of the row.", ""]
    lines += [f"| method | made for | {' | '.join(names)} |", "| --- | --- |" + " ---: |" * len(names)]
    for method in options.method:
        for network in cells:
            row = [
                own[f"{method}/{median_seed(own, method, options.seeds)}"]["fooled"]
                if other == network
                else own[f"{Path(network).stem} > {method}"]
                for other, own in cells.items()
            ]
            lines.append(f"| `{method}` | {Path(network).stem} | {' | '.join(f'{rate:.1%}' for rate in row)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
