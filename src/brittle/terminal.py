"""What the commands show in a terminal: progress, tables, errors."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from brittle.bars import console
from brittle.files import told
from brittle.names import shown, shown_lines
from brittle.sentences import put_sentence
from brittle.tables import table_lines
from brittle.words import plural

if TYPE_CHECKING:  # what failed is said without waiting for torch, also where Ctrl-C ended its import
    from brittle.evaluation.substitute_result import Substitute
    from brittle.evaluation.train import Trained
    from brittle.listing import Listed
    from brittle.metrics import Estimate
    from brittle.runs.defence import DefenceSummary
    from brittle.runs.finding import Finding, Health
    from brittle.runs.printed import Kind, Origin
    from brittle.runs.summary import AttackSummary, Summary

Part = str | tuple[str, str]
"""A piece of a line: text, or text with its style."""

HEADS = ("attack", "success", "8 bits", "median", "forward", "backward", "seconds")
"""Of the table of an audit: so short that the default attacks fit beside their figures in 80 columns."""
BELOW_ZERO = "below zero where the search on the grid found a smaller change than the attack had"
"""Why what rounding costs can be negative."""


def line_of(*parts: Part) -> Text:
    r"""Return a line in which names stay text: no markup, no emoji, no control characters.

    Example:
        >>> print(line_of("saved as ", ("[bold]\x1b.png", "bold")))
        saved as [bold]\x1b.png
    """
    return Text.assemble(*((shown(part), "") if isinstance(part, str) else (shown(part[0]), part[1]) for part in parts))


def say(*parts: Part) -> None:
    """Print one line on standard error."""
    console.print(line_of(*parts), soft_wrap=True)


def explain(*parts: Part) -> None:
    """Print a sentence or two on standard error, in a terminal broken between words."""
    put_sentence(console, line_of(*parts))


def show_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str | Text]], note: str = "") -> None:
    """Print a table on standard error, its first column names that are never broken, with what it says below."""
    say((title, "italic"))
    put_table(console, heads, rows)
    if note:
        console.print(line_of((note, "dim")))


def put_table(out: Console, heads: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Print a table as wide as there is room for."""
    for line in table_lines(heads, rows, out.width):
        out.print(line, soft_wrap=True)


def show_summary(summary: Summary) -> None:
    """Print a run's figures as a table, after what makes them unreliable."""
    unreliable = summary.health is not None and not summary.health.reliable
    if summary.health is not None and unreliable:
        explain((summary.health.headline, "bold red"))
        explain((summary.health.ordered("fail")[0].remedy, "red"))
    show_table(
        f"{plural(summary.images, 'image')}, {summary.norm} {radius_text(summary.radius, summary.norm)}",
        HEADS,
        [_cells(line, summary.norm) for line in summary.attacks],
        "8 bits: success after rounding; median: of the smallest change; the rest: means over the images that are "
        "right before the attack",
    )
    if summary.quantization is not None:
        say(f"on the grid of {summary.quantization} levels; cost of rounding in the median: {_costs(summary)}")
    if summary.budget is not None:
        costs = ", ".join(f"{one.spec} {one.median_queries:g} / {one.most_queries}" for one in summary.attacks)
        say(f"queries of an image, median / most over all images, of {summary.budget}: {costs}")
    console.print(f"clean accuracy   {percent(summary.clean)}")
    _show_refusals(summary)
    mark = "  [bold red]✕ not reliable[/]" if unreliable else ""
    console.print(f"robust accuracy  {percent(summary.robust)}{mark}")
    if summary.median is not None:
        from brittle.metrics.formats import Units

        say(f"median change    {Units(1.0).estimate(summary.median, summary.norm)}, smallest per image")
    if summary.health is not None:
        _show_health(summary.health)
    for note in summary.notes:
        tell(f"images           {note}")
    if summary.bad:
        console.print(f"[yellow]{summary.bad} images could not be read and were left out; the report lists them[/]")


def show_defence(both: DefenceSummary) -> None:
    """Print what a careless evaluation of a defended network would report, what is left of it, and what told."""
    norm = both.adaptive.norm
    rows = [
        (line_of(naive.spec), _stood(naive, norm), _stood(adaptive, norm))
        for naive, adaptive in zip(both.naive.attacks, both.adaptive.attacks, strict=True)
    ]
    show_table(
        f"{both.defence}, {both.adaptive.images:,} images, {norm} {radius_text(both.adaptive.radius, norm)}",
        ("robust accuracy", "naive", "adaptive"),
        [*rows, ("all, of all images", *(f"{one.robust.value:.1%}" for one in (both.naive, both.adaptive)))],
        "by attack: of the images that are right without one; median: of the smallest change",
    )
    console.print(f"clean accuracy   {percent(both.adaptive.clean)}")
    if both.adaptive.false_alarms is not None:
        say(f"false alarms     {percent(both.adaptive.false_alarms)}, clean images refused: not right")
    console.print(f"naive            {percent(both.naive.robust)}")
    console.print(f"adaptive         {percent(both.adaptive.robust)}")
    say(f"                 {100 * both.difference:+.1f} points naively; adaptively {both.attacked}")
    if both.difference <= 0:
        explain(f"                 {both.conclusion}")
    if both.told_by:
        say(f"told by          {', '.join(one.check for one in both.told_by)}: passed adaptively, not naively")
    if both.adaptive.health is not None:
        _show_health(both.adaptive.health)
    for note in both.adaptive.notes:
        tell(f"images           {note}")


def _stood(line: AttackSummary, norm: str) -> str:
    """What an attack left right at its radius; of one that searches the smallest change its median."""
    if line.kind == "minimum":
        return f"median {_median(line, norm) or '–'}"
    return "–" if line.success is None else f"{1 - line.success.value:.1%}"


def _show_refusals(summary: Summary) -> None:
    """Print what a detector did, where there is one: success is to be misclassified and not refused."""
    if summary.false_alarms is None:
        return
    say(f"false alarms     {percent(summary.false_alarms)}, clean images refused: not right")
    rates = ", ".join(f"{one.spec} {one.refused.value:.1%}" for one in summary.attacks if one.refused is not None)
    say(f"refused          success is misclassified and not refused; misclassified and refused: {rates or 'none'}")


def _show_health(health: Health) -> None:
    """Print how many checks passed, and each that did not with its remedy."""
    counts = ", ".join(f"{health.count(status)} {status}" for status in ("pass", "warn", "fail"))
    console.print(f"health           {counts}  [dim]({health.fraction:.1%} of the audit's passes)[/]")
    _show_findings(health.ordered("fail", "warn"))


def _show_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        colour = "red" if finding.status == "fail" else "yellow"
        explain((finding.status.upper(), f"bold {colour}"), f" {finding.title}: {finding.text}")
        explain("     ", (finding.remedy, "dim"))


def show_failures(health: Health | None) -> None:
    """Print the checks that failed, which is said however quiet a command is to be."""
    if health is not None and not health.reliable:
        explain((health.headline, "bold red"))
        _show_findings(health.ordered("fail"))


def _costs(summary: Summary) -> str:
    costs = [(line.spec, line.quantization_cost) for line in summary.attacks]
    said = ", ".join(f"{spec} {cost.value:+.1%}" for spec, cost in costs if cost is not None) or "none broken"
    below = any(cost is not None and cost.value < 0 for _, cost in costs)
    return f"{said} ({BELOW_ZERO})" if below else said


def _median(line: AttackSummary, norm: str) -> str:
    from brittle.metrics.formats import Units

    return "" if line.median is None else Units(1.0).text(line.median.value, norm)


def _cells(line: AttackSummary, norm: str) -> list[str | Text]:
    means = (f"{line.forward:,.1f}", f"{line.backward:,.1f}", f"{line.seconds:.4f}")
    return [
        line_of(line.spec),
        "–" if line.success is None else f"{line.success.value:.1%}",
        "–" if line.rounded is None else f"{line.rounded.value:.1%}",
        _median(line, norm),
        *("–" if math.isnan(line.forward) else mean for mean in means),
    ]


def show_listing(rows: Sequence[Listed]) -> None:
    """Print what there is to choose from, group by group, on standard output."""
    out = Console(highlight=False)
    for kind, group in dict.fromkeys((row.kind, row.group) for row in rows):
        out.print(line_of((f"{kind}: {group}" if group else kind, "bold italic")))
        table = Table(show_header=False, box=None, padding=(0, 2))
        table.add_column(no_wrap=True, overflow="ignore")
        for row in rows:
            if (row.kind, row.group) == (kind, group):
                table.add_row(line_of((row.name, "bold")), _meaning(row))
        out.print(table)


def _meaning(row: Listed) -> Text:
    from brittle.plugins.names import OWN

    meaning = line_of(row.meaning, *([] if row.origin == OWN else [(f"  from {row.origin}", "italic")]))
    return Text("\n").join([meaning, line_of((row.defaults, "dim"))]) if row.options else meaning


def show_trained(made: Trained) -> None:
    """Print what a training gave, and where it lies."""
    say(f"weights          {told(made.path)}")
    if made.accuracy is not None:
        console.print(f"test accuracy    {percent(made.accuracy)}")
    threat = getattr(made.history.adversarial, "threat", None)
    if made.robust is not None and threat is not None:
        radius = f"{threat.name} {radius_text(float(threat.radius), threat.name)}"
        console.print(f"robust accuracy  {percent(made.robust)}, {radius}")
    for line in made.history.remarks:
        tell(f"training         {line}")
    for line in made.said:
        tell(f"images           {line}")


def show_substitute(made: Substitute) -> None:
    """Print what a substitute is like, what transfers from it, what it cost, and where it lies."""
    for head, text in made.lines(percent):
        say(f"{head:16} {text}")


def percent(estimate: Estimate, style: str = ".1%") -> str:
    """Write a rate, or a number in another style, with its interval and n."""
    from brittle.metrics.formats import estimate_text

    return estimate_text(estimate, style)


def radius_text(radius: float | None, norm: str) -> str:
    """Write a radius in the unit of the sizes beside it, and as it is given where that is another.

    Example:
        >>> radius_text(4 / 255, "linf"), radius_text(0.1, "linf"), radius_text(0.5, "l2")
        ('4/255', '25.5/255 (0.1)', '0.5')
    """
    from brittle.metrics.formats import Units

    if radius is None or not math.isfinite(radius):
        return "without limit"
    text = Units(1.0).text(radius, norm)
    if not text.endswith("/255"):
        return f"{radius:g}"
    return text if text.removesuffix("/255").isdigit() else f"{text} ({radius:g})"


def print_json(kind: Kind, figures: Mapping[str, Any], origin: Origin) -> None:
    """Print a result as JSON on standard output; names as `stored`, so that it is UTF-8 to every reader.

    Args:
        kind: of the result.
        figures: its own keys.
        origin: what it was made from.
    """
    from brittle.runs.printed import printed

    found = printed(kind, figures, origin, ["brittle", *sys.argv[1:]])
    sys.stdout.write(json.dumps(found, indent=2, default=str, allow_nan=False) + "\n")


def fail(message: str) -> None:
    """Print an error without a traceback."""
    console.print(Text.assemble(("error: ", "bold red"), shown_lines(message)), soft_wrap=True)


def tell(line: str, fraction: float | None = None) -> None:
    """Print a line of progress, with the fraction of the whole that is done."""
    explain(line) if fraction is None else say((f"{fraction:4.0%}", "dim"), f" {line}")
