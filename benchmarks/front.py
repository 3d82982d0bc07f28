"""`python -m benchmarks.front`: the smallest changes that everybody finds with so many backward passes.

Every cell (contender, norm, budget) is kept in a JSON file and not computed again unless `--fresh` names its contender,
so that a changed attack is measured against peers that stay as they are.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.options import begun, comparing, name_of

NORMS = {"l0": 0.0, "l1": 1.0, "l2": 2.0, "linf": math.inf}
ALLOWANCE = 1.02
"""A contender takes part in a budget if its mean backward passes are at most this many times the budget."""


def arguments() -> argparse.Namespace:
    """Return what the user wrote."""
    return with_cells(comparing("benchmarks.front", __doc__, 200)).parse_args()


def with_cells(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the options that say which cells are measured."""
    parser.add_argument("--norms", default="l2,linf,l1,l0")
    parser.add_argument("--budgets", default="10,30,100,300", help="backward passes (default: %(default)s)")
    parser.add_argument("--contenders", default="", help="only these, separated by commas")
    parser.add_argument("--fresh", default="", help="contenders to measure again, or `own`")
    return parser


def main() -> int:
    """Measure what is missing, and write the table."""
    options = arguments()
    module, images, labels = begun(options)
    from benchmarks.minimum import OWN

    name = name_of(options)
    path = options.out / f"front-{name}.json"
    kept = measured(path, (module, images, labels), options)
    about = f"{name}, {len(images)} images that the network gets right"
    text = table(kept, [*OWN], about)
    (options.out / f"front-{name}.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def measured(path: Path, subject: tuple[Any, Any, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Measure the cells that are asked for and not kept yet.

    Args:
        path: where they are kept.
        subject: network, images that it gets right, and their labels.
        options: norms, budgets, contenders and fresh, as the user wrote them.

    Returns:
        All kept cells, by norm, budget and contender.
    """
    from benchmarks.minimum import OWN, PEERS, once

    path.parent.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    fresh = {*options.fresh.split(","), *(OWN if "own" in options.fresh.split(",") else ())}
    wanted = options.contenders.split(",") if options.contenders else [*OWN, *PEERS]
    for norm, budget, contender in product(options.norms.split(","), map(int, options.budgets.split(",")), wanted):
        entry = {**OWN, **PEERS}[contender]
        key = f"{norm}/{budget}/{contender}"
        if NORMS[norm] not in entry.norms or (key in kept and contender not in fresh):
            continue
        began = time.perf_counter()
        other = next((kept[k] for k in kept if k.startswith(f"{norm}/") and k.endswith(f"/{contender}")), None)
        again = not entry.fixed or other is None or contender in fresh
        kept[key] = once(entry, *subject, NORMS[norm], budget) if again else dict(other or {})
        kept[key]["measured"] = datetime.now(UTC).isoformat(timespec="seconds")
        path.write_text(json.dumps(kept, indent=0, allow_nan=True))
        print(f"{key}: {kept[key]} in {time.perf_counter() - began:.0f} s", flush=True)
    return kept


def table(kept: dict[str, Any], own: list[str], about: str) -> str:
    """Set our best of all kept cells beside the peers' best, each with no more backward passes than the budget."""
    norms = [norm for norm in ("l2", "linf", "l1", "l0") if any(key.startswith(f"{norm}/") for key in kept)]
    lines = [
        f"# Smallest changes at equal passes: {about}",
        "",
        "Median size; images that were not broken count as infinitely far. Both sides: the best of all attacks of its",
        "side that needed no more backward passes than the budget. A ratio of at most 1 means that nobody found less.",
        "",
        "| norm | budget | brittle | by | success | peers' best | by | success | ratio |",
        "| --- | ---: | ---: | --- | ---: | ---: | --- | ---: | ---: |",
    ]
    for norm in norms:
        for budget in sorted({int(key.split("/")[1]) for key in kept if key.startswith(f"{norm}/")}):
            mine = best(kept, norm, budget, lambda who: who in own)
            theirs = best(kept, norm, budget, lambda who: who not in own)
            if mine is None or theirs is None:
                continue
            (who, ours), (other, peers) = mine, theirs
            lines.append(
                f"| {norm} | {budget} | {ours['median']:.5g} | {who} | {ours['success']:.1%} | {peers['median']:.5g} | "
                f"{other} | {peers['success']:.1%} | {ours['median'] / peers['median']:.3f} |"
            )
    lines += ["", "## Every attack", "", "| norm | budget | attack | success | median | mean | forward | backward |"]
    lines += ["| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |"]
    for key, cell in sorted(kept.items(), key=lambda item: _order(item[0], norms)):
        norm, budget, who = key.split("/", 2)
        lines.append(
            f"| {norm} | {budget} | {who} | {cell['success']:.1%} | {cell['median']:.5g} | {cell['mean']:.5g} | "
            f"{cell['forward']:.1f} | {cell['backward']:.1f} |"
        )
    return "\n".join([*lines, ""])


def best(kept: dict[str, Any], norm: str, budget: int, belongs: Any) -> tuple[str, dict[str, float]] | None:
    """Return who found the smallest median with no more passes than the budget."""
    found = [
        (cell["median"], who, cell)
        for key, cell in kept.items()
        for where, _, who in [key.split("/", 2)]
        if where == norm and belongs(who) and cell["backward"] <= ALLOWANCE * budget
    ]
    return min(found, key=lambda one: one[0])[1:] if found else None


def _order(key: str, norms: list[str]) -> tuple[int, int, str]:
    norm, budget, who = key.split("/", 2)
    return norms.index(norm) if norm in norms else len(norms), int(budget), who


if __name__ == "__main__":
    sys.exit(main())
