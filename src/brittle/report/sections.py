"""The sections of the report: what each shows, as text and numbers; how it looks is the template's business."""

import json
import math
from dataclasses import dataclass

from pydantic import JsonValue

from brittle import metrics
from brittle.metrics import Estimate, Pair
from brittle.metrics.formats import THIN, interval, percent, title
from brittle.metrics.rows import flags, floats
from brittle.report.attack_words import in_words
from brittle.report.figures import MATRIX
from brittle.report.formats import count, duration, placeless
from brittle.report.run_data import AttackRows, RunData
from brittle.runs.manifest import AttackInfo
from brittle.words import plural

OPEN_ROWS = 20
"""Rows of a long table that are shown before one asks for all."""
COSTS = ("forward", "backward", "seconds")
SINGLE = 5
"""A class with fewer images than this shows counts, not rates."""


@dataclass(frozen=True)
class Card:
    """One key figure.

    Attributes:
        title: what it is.
        value: as text.
        note: the interval or remark below it.
        doubt: why it is none to rely on; "" where it is one.
    """

    title: str
    value: str
    note: str
    doubt: str = ""


@dataclass(frozen=True)
class Cell:
    """A number in a table: as text, with a remark below it, and as the value to sort by."""

    text: str
    note: str = ""
    value: float | str = ""


@dataclass(frozen=True)
class AttackRow:
    """One attack in the table of attacks."""

    title: str
    spec: str
    question: str
    words: str
    settings: dict[str, str]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table: its column heads and its rows."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def cards(evidence: RunData) -> list[Card]:
    """The key figures."""
    asked = title(evidence.norm)
    if evidence.radius is not None:
        asked = f"{asked} ≤ {evidence.units.size(evidence.radius, evidence.norm)}"
    found = [
        Card("Clean accuracy", percent(evidence.clean.value), f"{interval(evidence.clean)}, n = {evidence.n:,}"),
        Card(
            f"Robust accuracy, {asked}",
            percent(evidence.robust.value),
            f"{interval(evidence.robust)}, worst case",
            doubt=evidence.doubt,
        ),
    ]
    if median := evidence.smallest:
        size = evidence.units.size(median.value, evidence.norm)
        reach = evidence.units.interval(median, evidence.norm)
        reach = reach if math.isfinite(median.value) else "none found for half of them"
        found.append(Card(f"Median smallest change, {title(evidence.norm)}", size, f"{reach}, {evidence.finders}"))
    if fallen := int(evidence.fallen.sum()):
        kept = metrics.proportion(int(evidence.fallen_rounded.sum()), fallen)
        note = f"{kept.value * fallen:,.0f} of {plural(fallen, 'broken image')}"
        within = "" if evidence.radius is None else f" at {evidence.units.size(evidence.radius, evidence.norm)}"
        found.append(Card(f"Broken{within} and still broken when saved in 8 bits", percent(kept.value), note))
    return found


def attack_heads(evidence: RunData) -> tuple[str, ...]:
    """Column heads of the table of attacks."""
    within = () if evidence.radius is None else (f"Within {evidence.units.size(evidence.radius, evidence.norm)}",)
    return (
        *("Attack", "Success", *within, "Survives 8 bits", "Median size", f"10–90{THIN}%"),
        *(("Optimality",) if evidence.optimality else ()),
        *("Passes", "Time"),
    )


def attack_rows(evidence: RunData) -> list[AttackRow]:
    """The table of attacks: rates, medians, passes (forward + backward) and times over the images right before."""
    return [_attack_row(evidence, attack) for attack in evidence.attacks]


def _attack_row(evidence: RunData, attack: AttackRows) -> AttackRow:
    info, table, right = attack.info, attack.table, evidence.correct
    radius = "smallest change" if info.radius is None else f"≤ {evidence.units.size(info.radius, info.norm)}"
    cells: list[Cell] = []
    if right.any():
        cells.append(_rate(metrics.success_rate(table)))
        if evidence.radius is not None:
            cells.append(_rate(metrics.success_rate(table, evidence.norm, evidence.radius)))
        hit = bool(flags(table, "success").any())
        cells.append(_rate(metrics.rounding_survival(table), of=True) if hit else Cell("–", "no success"))
        quantiles = metrics.size_quantiles(table, (0.1, 0.5, 0.9))
        median = quantiles[0.5]
        reach = evidence.units.interval(median, info.norm)
        spread = evidence.units.bounds(quantiles[0.1].value, quantiles[0.9].value, info.norm)
        cells += [Cell(evidence.units.size(median.value, info.norm), reach), Cell(spread)]
        if evidence.optimality:
            fraction = evidence.optimality.get(info.key)
            cells.append(Cell("–") if fraction is None else _rate(fraction, of=fraction.n < right.sum()))
        forward, backward, seconds = (float(floats(table, column)[right].mean()) for column in COSTS)
        budget = evidence.manifest.budget
        most = (
            ""
            if budget is None
            else f"at most {int(floats(table, 'forward').max())} queries of {budget}, over all images"
        )
        cells += [Cell(f"{count(forward)} + {count(backward)}", most), Cell(duration(seconds))]
    else:
        cells = [Cell("–") for _ in attack_heads(evidence)[1:]]
    question = f"{title(info.norm)}, {radius}"
    words = in_words(info.name, searches=attack.searches)
    return AttackRow(attack.title, placeless(info.spec), question, words, hyperparameters(info), tuple(cells))


def hyperparameters(info: AttackInfo) -> dict[str, str]:
    """Every setting of an attack as text."""
    return {name: setting(value) for name, value in info.settings.items()}


def setting(value: JsonValue) -> str:
    """A setting as text: words as they are, all else as JSON, nothing as "none"."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def worst_case_row(evidence: RunData) -> tuple[Cell, ...]:
    """Last row of the table of attacks: an image counts as broken when any of them broke it within the radius."""
    right, fallen = int(evidence.correct.sum()), int(evidence.fallen.sum())
    if right == 0 or len(evidence.attacks) < 2:
        return ()
    rates = [_rate(metrics.proportion(fallen, right))]
    if evidence.radius is not None:
        rates.insert(0, Cell(""))
    rounded = _rate(metrics.proportion(int(evidence.fallen_rounded.sum()), fallen), of=True) if fallen else Cell("–")
    rest = len(attack_heads(evidence)) - 2 - len(rates)
    return (*rates, rounded, *(Cell("") for _ in range(rest)))


def _rate(estimate: Estimate, of: bool = False) -> Cell:
    """A rate and its interval, and of how many images where that is not the number for the whole table."""
    return Cell(percent(estimate.value), interval(estimate) + (f" of {estimate.n:,}" if of else ""), estimate.value)


def class_table(evidence: RunData) -> Table:
    """Accuracies of the classes that occur, and the median size of the smallest change."""
    rows = metrics.per_class(evidence.outcomes, evidence.norm, evidence.radius)
    searched = bool(evidence.searchers) and any(row.median for row in rows)
    if len(rows) > MATRIX:
        rows.sort(key=lambda row: (-row.n, row.label))
    body: list[tuple[Cell, ...]] = []
    for row in rows:
        cells = [Cell(evidence.label(row.label), "", row.label), Cell(f"{row.n:,}", "", row.n)]
        cells += [_class_rate(row.clean), _class_rate(row.robust)]
        if searched:
            median = row.median
            size = "–" if median is None else evidence.units.size(median.value, evidence.norm)
            reach = "" if median is None or row.n < SINGLE else evidence.units.interval(median, evidence.norm)
            cells.append(Cell(size, reach, -1.0 if median is None else median.value))
        body.append(tuple(cells))
    known = len(evidence.manifest.data.classes)
    note = f"{plural(len(rows), 'class', 'classes')} occur" + (f" of {known:,}. " if known > len(rows) else ". ")
    note = note.replace("1 class occur", "1 class occurs")
    if max(row.n for row in rows) < SINGLE:
        note += "With so few images each, a single class says little: counts are shown instead of rates."
    heads = ("Class", "Images", "Clean accuracy", "Robust accuracy", *(["Median smallest change"] if searched else []))
    return Table(heads, tuple(body), note)


def _class_rate(rate: Estimate) -> Cell:
    hits = round(rate.value * rate.n)
    if rate.n < SINGLE:
        return Cell(f"{hits} of {rate.n}", "", rate.value)
    return Cell(percent(rate.value), f"{interval(rate)}, {hits:,} of {rate.n:,}", rate.value)


def confusion(evidence: RunData) -> tuple[list[Pair], list[int]]:
    """Pairs of labels over the smallest successful change of each image, and the labels that a matrix of them needs.

    No labels when there are too many classes for a matrix.
    """
    pairs = metrics.label_pairs(metrics.nearest_examples(evidence.tables, evidence.norm))
    occurring = {label for pair in pairs for label in (pair.original, pair.adversarial)}
    known = len(evidence.manifest.data.classes)
    labels = set(range(known)) | occurring if 0 < known <= MATRIX else occurring
    return pairs, sorted(labels) if len(labels) <= MATRIX else []


def pair_table(evidence: RunData, pairs: list[Pair]) -> Table:
    """The pairs of labels by frequency."""
    total = sum(pair.count for pair in pairs)
    rows = [
        (
            Cell(evidence.label(pair.original), "", pair.original),
            Cell(evidence.label(pair.adversarial), "", pair.adversarial),
            Cell(f"{pair.count:,}", "", pair.count),
        )
        for pair in pairs[: 10 * OPEN_ROWS]
    ]
    left = len(pairs) - len(rows)
    note = f"{plural(len(pairs), 'pair')} over {plural(total, 'broken image')}."
    return Table(
        ("Before", "After", "Images"), tuple(rows), note + (f" The last {left:,} are left out." if left else "")
    )
