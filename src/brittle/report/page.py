"""Assemble the report: one HTML file that opens from disk and asks nothing of the network."""

from pathlib import Path

from brittle.evaluation.store import RunFolder
from brittle.files import write_atomically
from brittle.report import figures, sections, trust
from brittle.report.checks import block
from brittle.report.evidence import Evidence, gather
from brittle.report.gallery import walls
from brittle.report.template import fill
from brittle.report.verdict import verdict

REPORT = "report.html"


def write_report(run: Path, out: Path | None = None) -> Path:
    """Write the report of a run folder.

    Args:
        run: the folder of an audit, finished or not.
        out: the file to write, or a folder to write ``report.html`` into; the run folder by default.

    Returns:
        The file written: about 5 MB, of which plotly's script is 4.8, and the pictures.

    Raises:
        RunError: there is no run, a part of it is damaged, nothing was measured yet, or the file cannot be written.
    """
    run = Path(run)
    page = render(gather(RunFolder.open(run)))
    target = Path(out) if out is not None else run
    if target.is_dir():
        target /= REPORT
    write_atomically(target, page.encode())
    return target


def render(evidence: Evidence) -> str:
    """The whole page as text."""
    pairs, labels = sections.confusion(evidence)
    drawn = {
        "security": figures.security_figure(evidence),
        "sizes": figures.size_figure(evidence),
        "confusion": figures.confusion_figure(evidence, pairs, labels) if pairs and labels else None,
    }
    return fill(
        "report.html",
        {name: figure for name, figure in drawn.items() if figure},
        evidence=evidence,
        manifest=evidence.manifest,
        verdict=verdict(evidence),
        cards=sections.cards(evidence),
        attack_heads=sections.attack_heads(evidence),
        attack_rows=sections.attack_rows(evidence),
        worst_case=sections.worst_case_row(evidence),
        curve_rows=figures.curve_rows(evidence),
        classes=sections.class_table(evidence),
        pairs=sections.pair_table(evidence, pairs),
        walls=walls(evidence),
        health=block(evidence.folder.health()),
        remarks=trust.remarks(evidence),
        settings=trust.settings(evidence),
        hyperparameters=sections.hyperparameters,
        command=trust.command(evidence),
        open_rows=sections.OPEN_ROWS,
        drawn=[name for name, figure in drawn.items() if figure],
    )
