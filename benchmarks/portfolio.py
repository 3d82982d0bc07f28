"""`python -m benchmarks.portfolio`: our searches beside the peers' on networks that differ in how they were trained.

Settings are chosen on one half of the networks and judged on the other. One search of ours for each norm, at its
defaults; every peer at its defaults and at its best published settings, of which the best one counts in each cell.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.front import ALLOWANCE, best, measured, with_cells
from benchmarks.options import RESULTS
from benchmarks.portfolio_networks import MEMBERS, TRUTH_SIZE, found, opened

SEARCH = {"l0": "support-descent", "l1": "boundary-descent", "l2": "boundary-descent", "linf": "boundary-descent"}
"""Our one search for each norm."""
MARGIN = 1.01
"""A cell is ours where median and mean are at most this many times the best peer's."""


def arguments() -> argparse.Namespace:
    """Return what the user wrote."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.portfolio", description=__doc__)
    parser.add_argument(
        "--folders", type=Path, nargs="+", required=True, help="that hold the networks and their images"
    )
    parser.add_argument("--trained", type=Path, required=True, help="the folder of `benchmarks.portfolio_networks`")
    parser.add_argument("--members", default=",".join(MEMBERS), help="only these networks, separated by commas")
    parser.add_argument("--images", type=int, default=100, help="at most so many of each (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kept", type=Path, required=True, help="folder for the measured cells")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the table (default: %(default)s)")
    parser = with_cells(parser)
    parser.set_defaults(budgets="10,30,100,300,1000")
    return parser.parse_args()


def main() -> int:
    """Measure what is missing, and write the table."""
    options = arguments()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    cells: dict[str, dict[str, Any]] = {}
    for name in options.members.split(","):
        subject = subject_of(name, options)
        print(f"{name}: {len(subject[1])} images that it gets right", flush=True)
        cells[name] = measured(options.kept / f"portfolio-{name}.json", subject, options)
    options.out.mkdir(parents=True, exist_ok=True)
    text = table(cells, options.images)
    (options.out / "portfolio.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def subject_of(name: str, options: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Return a network, the first images that it gets right, and their labels."""
    from benchmarks.minimum import right_ones

    member = MEMBERS[name]
    module = opened(name, options.folders, options.trained)
    count = min(options.images, member.most, TRUTH_SIZE)
    return module, *right_ones(module, str(found(member.images, options.folders)), count)


def table(cells: dict[str, dict[str, Any]], images: int) -> str:
    """Set our search of each cell beside the best peer of that cell, one half of the networks after the other."""
    lines = [
        "# Smallest changes on networks that differ in how they were trained",
        "",
        f"At most {images} images of each network that it gets right; budgets are backward passes, counted outside",
        "the attacks. An image that was not broken counts as infinitely far in the median and not at all in the mean,",
        "which is compared with peers that broke no fewer. A cell is ours where success is not lower and both ratios",
        f"are at most {MARGIN}.",
    ]
    for chosen, title in ((False, "Networks that judge"), (True, "Networks on which settings were chosen")):
        rows = [row for name, kept in cells.items() if MEMBERS[name].chosen == chosen for row in _rows(name, kept)]
        if not rows:
            continue
        ours = sum(row[-1] == "yes" for row in rows)
        lines += ["", f"## {title}", "", f"{ours} of {len(rows)} cells are ours.", ""]
        lines += [
            "| network | norm | budget | ours, median | mean | success | peer, median | by | mean | by | success |"
        ]
        lines[-1] += " ratio of medians | of means | ours |"
        lines += ["| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | --- | ---: | ---: | ---: | --- |"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, ""])


def _rows(name: str, kept: dict[str, Any]) -> list[list[str]]:
    """Write the cells of one network."""
    rows: list[list[str]] = []
    for norm, search in SEARCH.items():
        for budget in sorted({int(key.split("/")[1]) for key in kept if key.startswith(f"{norm}/")}):
            mine = kept.get(f"{norm}/{budget}/{search}")
            nearest = best(kept, norm, budget, _is_peer)
            if mine is None or nearest is None or mine["backward"] > ALLOWANCE * budget:
                continue
            who, theirs = nearest
            other, least, most = _by_mean(kept, norm, budget, mine["success"])
            medians, means = mine["median"] / theirs["median"], mine["mean"] / least
            won = medians <= MARGIN and not means > MARGIN and mine["success"] >= most
            ours = (f"{mine['median']:.4g}", f"{mine['mean']:.4g}", f"{mine['success']:.1%}")
            peers = (f"{theirs['median']:.4g}", who, f"{least:.4g}", other, f"{most:.1%}")
            rows.append(
                [name, norm, str(budget), *ours, *peers, f"{medians:.3f}", f"{means:.3f}", "yes" if won else "no"]
            )
    return rows


def _is_peer(who: str) -> bool:
    return " " in who  # a library and its attack


def _by_mean(kept: dict[str, Any], norm: str, budget: int, success: float) -> tuple[str, float, float]:
    """Return who of the peers that broke no fewer had the least mean, that mean, and the peers' highest success."""
    found = {
        who: cell
        for key, cell in kept.items()
        for where, _, who in [key.split("/", 2)]
        if where == norm and _is_peer(who) and cell["backward"] <= ALLOWANCE * budget
    }
    as_many = [(cell["mean"], who) for who, cell in found.items() if cell["success"] >= success]
    mean, who = min(as_many, default=(math.nan, "none"))
    return who, mean, max(cell["success"] for cell in found.values())


if __name__ == "__main__":
    sys.exit(main())
