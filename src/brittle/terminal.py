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

from brittle.arguments.numbers import levels_text
from brittle.bars import console
from brittle.names import shown, shown_lines
from brittle.words import plural

if TYPE_CHECKING:  # what failed is said without waiting for torch, also where Ctrl-C ended its import
    from brittle.evaluation.attack import Saved
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


def show_summary(summary: Summary) -> None:
    """Print a run's figures as a table, after what makes them unreliable."""
    unreliable = summary.health is not None and not summary.health.reliable
    if summary.health is not None and unreliable:
        say((summary.health.headline, "bold red"))
        say((summary.health.ordered("fail")[0].remedy, "red"))
    table = Table(
        title_justify="left", title=f"{plural(summary.images, 'image')}, {summary.norm} {radius_text(summary.radius)}"
    )
    table.add_column("attack", overflow="fold")
    for name in ("success", "as 8 bits", "median", "forward", "backward", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in summary.attacks:
        table.add_row(*_cells(line))
    console.print(table)
    means = "the rest: mean over the images right before"
    console.print(f"[dim]as 8 bits: success after rounding; median: of the smallest change; {means}[/]")
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
        console.print(f"median change    {percent(summary.median, '.4g')}, smallest per image", soft_wrap=True)
    if summary.health is not None:
        _show_health(summary.health)
    for note in summary.notes:
        tell(f"images           {note}")
    if summary.bad:
        console.print(f"[yellow]{summary.bad} images could not be read and were left out; the report lists them[/]")


def show_defence(both: DefenceSummary) -> None:
    """Print what a careless evaluation of a defended network would report, what is left of it, and what told."""
    question = f"{both.adaptive.norm} {radius_text(both.adaptive.radius)}"
    table = Table(title_justify="left", title=f"{both.defence}, {both.adaptive.images:,} images, {question}")
    table.add_column("robust accuracy", overflow="fold")
    for name in ("naive", "adaptive"):
        table.add_column(name, justify="right", no_wrap=True)
    for naive, adaptive in zip(both.naive.attacks, both.adaptive.attacks, strict=True):
        table.add_row(line_of(naive.spec), _stood(naive), _stood(adaptive))
    table.add_row("all, of all images", *(f"{one.robust.value:.1%}" for one in (both.naive, both.adaptive)))
    console.print(table)
    console.print("[dim]by attack: of the images that are right without one; median: of the smallest change[/]")
    console.print(f"clean accuracy   {percent(both.adaptive.clean)}")
    if both.adaptive.false_alarms is not None:
        say(f"false alarms     {percent(both.adaptive.false_alarms)}, clean images refused: not right")
    console.print(f"naive            {percent(both.naive.robust)}")
    console.print(f"adaptive         {percent(both.adaptive.robust)}")
    say(f"                 {100 * both.difference:+.1f} points naively; adaptively {both.attacked}")
    if both.told_by:
        say(f"told by          {', '.join(one.check for one in both.told_by)}: passed adaptively, not naively")
    if both.adaptive.health is not None:
        _show_health(both.adaptive.health)
    for note in both.adaptive.notes:
        tell(f"images           {note}")


def _stood(line: AttackSummary) -> str:
    """What an attack left right at its radius; of one that searches the smallest change its median."""
    if line.kind == "minimum":
        return "median –" if line.median is None else f"median {line.median.value:.4g}"
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
        say((finding.status.upper(), f"bold {colour}"), f" {finding.title}: {finding.text}")
        say("     ", (finding.remedy, "dim"))


def show_failures(health: Health | None) -> None:
    """Print the checks that failed, which is said however quiet a command is to be."""
    if health is not None and not health.reliable:
        say((health.headline, "bold red"))
        _show_findings(health.ordered("fail"))


def _costs(summary: Summary) -> str:
    costs = [(line.spec, line.quantization_cost) for line in summary.attacks]
    said = ", ".join(f"{spec} {cost.value:+.1%}" for spec, cost in costs if cost is not None) or "none broken"
    below = any(cost is not None and cost.value < 0 for _, cost in costs)
    return f"{said} ({BELOW_ZERO})" if below else said


def _cells(line: AttackSummary) -> list[str | Text]:
    means = (f"{line.forward:,.1f}", f"{line.backward:,.1f}", f"{line.seconds:.4f}")
    return [
        line_of(line.spec),
        "–" if line.success is None else f"{line.success.value:.1%}",
        "–" if line.rounded is None else f"{line.rounded.value:.1%}",
        "" if line.median is None else f"{line.median.value:.4g}",
        *("–" if math.isnan(line.forward) else mean for mean in means),
    ]


def show_saved(saved: Sequence[Saved]) -> None:
    """Print what became of each image: two lines for one that was broken."""
    from brittle.threats import described

    for one in saved:
        name = (one.source, "bold")
        if one.path is None:
            why = "nothing found that 8 bits can hold" if one.lost else "nothing found"
            say(name, f"  {one.before}: {'wrong already' if one.already else why}")
            continue
        sizes = f"linf {one.linf * 255:.0f}/255, l2 {one.l2:.3g}"
        if one.norm is not None and one.size is not None:
            sizes += f", {one.norm} {one.size:.3g} {described(one.norm).unit}".rstrip()
        sizes = sizes if one.flow is None else f"no pixel moved by more than {one.flow:.3g} pixels"
        say(name, f"  {one.before} → {one.after} ({one.confidence:.0%})  {sizes}")
        note = "as found" if one.cost is None else f"rounding to 8 bits: size {one.cost:+.1%}"
        say(f"    {one.path}  ", (note, "dim") if one.success else ("not adversarial when read back", "red"))
    if any(one.cost is not None and one.cost < 0 for one in saved):
        say((f"sizes {BELOW_ZERO}", "dim"))
    found = sum(one.success for one in saved)
    console.print(
        f"{found} of {plural(len(saved), 'image')} have an adversarial PNG that is still adversarial when read back"
    )


def show_listing(rows: Sequence[Listed]) -> None:
    """Print what there is to choose from."""
    from brittle.plugins.names import OWN

    for kind in dict.fromkeys(row.kind for row in rows):
        table = Table(title=kind, title_justify="left", show_header=False, box=None, padding=(0, 2))
        for row in rows:
            if row.kind == kind:
                meaning = line_of(row.meaning, *([] if row.origin == OWN else [(f"  from {row.origin}", "italic")]))
                meaning = Text("\n").join([meaning, line_of((row.options, "dim"))]) if row.options else meaning
                table.add_row(line_of((row.name, "bold")), meaning)
        Console(highlight=False).print(table)


def show_trained(made: Trained) -> None:
    """Print what a training gave, and where it lies."""
    say(f"weights          {made.path}")
    if made.accuracy is not None:
        console.print(f"test accuracy    {percent(made.accuracy)}")
    threat = getattr(made.history.adversarial, "threat", None)
    if made.robust is not None and threat is not None:
        console.print(f"robust accuracy  {percent(made.robust)}, {threat.name} {radius_text(float(threat.radius))}")
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
    value, low, high = (f"{number:{style}}" for number in (estimate.value, estimate.low, estimate.high))
    ends = f"95 % interval {low} to {high}" if estimate.has_interval else "no interval"
    return f"{value}  ({ends}, n = {estimate.n})"


def radius_text(radius: float | None) -> str:
    """Write a radius as k/255 where it is one.

    Example:
        >>> radius_text(4 / 255), radius_text(0.5)
        ('4/255', '0.5')
    """
    if radius is None or not math.isfinite(radius):
        return "without limit"
    return levels_text(radius, most=254) or f"{radius:g}"


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
    say(line) if fraction is None else say((f"{fraction:4.0%}", "dim"), f" {line}")
