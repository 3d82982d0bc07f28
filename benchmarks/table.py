"""Scores as rows: for the terminal, for the repository, and in full for machines."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq
from rich.table import Table

from benchmarks.compare import Score
from benchmarks.contenders import PACKAGES
from benchmarks.suites import Suite

HEADERS = (
    "contender",
    "success",
    "median size",
    "÷ brittle's",
    "forward",
    "backward",
    "ms / image",
    "spread",
    "rounds",
    "time ÷ {first}",
    "overhead",
)
LEGEND = """\
Success: right before, wrong after, inside the box and the radius, in a fresh forward pass. Median size: over the images
that were right, a failure being infinitely large; beside it, the ratio to brittle's median on the same images. Forward
and backward: passes per image, counted at the network. ms / image: median over the rounds, with the lowest and the
highest. Time ÷: per image, against the first row's in the same round. Overhead: time over that of the same passes, in
the same order and batch sizes, with nothing around them. Contenders that take minutes are given fewer images.
"""


def row(score: Score, first: Score, own: Score | None) -> list[str]:
    """Return a contender's cells.

    Args:
        score: its figures.
        first: whom times are compared with.
        own: brittle's figures, if it takes part.
    """
    verdict = score.verdict
    if score.error or verdict is None or not score.times:
        return [score.contender, score.error or "no result", *[""] * (len(HEADERS) - 2)]
    sizes = verdict.median()
    ratio = math.nan if own is None or own.verdict is None else sizes / own.verdict.median(score.images)
    shown = [1000 * seconds for seconds in score.seconds]
    return [
        score.contender,
        f"{int(verdict.success.sum())}/{int(verdict.right.sum())}",
        number(sizes, 4),
        number(ratio, 3),
        number(score.forward, 1),
        number(score.backward, 1),
        number(median(shown), 3),
        f"{min(shown):.3f}–{max(shown):.3f}",
        str(len(shown)),
        number(score.against(first), 3) if first.times else "",
        number(score.overhead, 3),
    ]


def number(value: float, digits: int) -> str:
    """Return a figure, a dash where there is none."""
    if math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def rows(scores: list[Score]) -> list[list[str]]:
    """Return the headers and every contender's cells."""
    own = next((score for score in scores if score.contender == "brittle"), None)
    headers = [header.format(first=scores[0].contender) for header in HEADERS]
    return [headers, *(row(score, scores[0], own) for score in scores)]


def terminal(suite: Suite, scores: list[Score], caption: str) -> Table:
    """Return a table for the terminal."""
    headers, *body = rows(scores)
    table = Table(title=f"{suite.name}: {suite.about}", caption=caption)
    for place, header in enumerate(headers):
        table.add_column(header, justify="left" if place == 0 else "right")
    for cells in body:
        table.add_row(*cells)
    return table


def markdown(suite: Suite, scores: list[Score], caption: str) -> str:
    """Return a section with a Markdown table."""
    headers, *body = rows(scores)
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *body]
    table = "\n".join(f"| {' | '.join(cell.replace('|', ' ') for cell in line)} |" for line in lines)
    return f"## {suite.name}\n\n{suite.about[0].upper()}{suite.about[1:]}. {caption}\n\n{table}\n"


def save_raw(path: Path, suite: Suite, scores: list[Score], facts: dict[str, str]) -> None:
    """Write every figure: a row for each contender, with its rounds and its images as lists."""
    table = pa.Table.from_pylist(
        [
            {
                "suite": suite.name,
                "contender": score.contender,
                "package": PACKAGES[score.contender],
                "error": score.error,
                "images": score.images,
                "forward": score.forward,
                "backward": score.backward,
                "wall": [time.wall for time in score.times],
                "cpu": [time.cpu for time in score.times],
                "raw_wall": [time.raw_wall for time in score.times],
                "raw_cpu": [time.raw_cpu for time in score.times],
                "right": [] if score.verdict is None else score.verdict.right.tolist(),
                "success": [] if score.verdict is None else score.verdict.success.tolist(),
                "size": [] if score.verdict is None else score.verdict.size.tolist(),
            }
            for score in scores
        ]
    )
    pq.write_table(table.replace_schema_metadata({key: value for key, value in facts.items()}), path)
