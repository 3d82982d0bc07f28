"""Assemble the report: one HTML file that opens from disk and asks nothing of the network."""

from pathlib import Path

from brittle.report import figures, sections, trust
from brittle.report.checks import block
from brittle.report.content import shown
from brittle.report.gallery import walls
from brittle.report.run_data import RunData, load_run_data
from brittle.report.template import fill
from brittle.report.verdict import verdict
from brittle.runs.kept_gate import kept_gate
from brittle.runs.store import REPORT, RunFolder

__all__ = ["REPORT", "render", "run_page"]


def run_page(run: Path) -> str:
    """Return the report of a run folder, with what a gate said of it, if there was one.

    Raises:
        RunError: there is no run, a part of it is damaged, or nothing was measured yet.
    """
    folder = RunFolder.open(run)
    with shown(run, "the run folder of an audit"):
        return render(load_run_data(folder))


def render(evidence: RunData) -> str:
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
        gate=kept_gate(evidence.folder.path, evidence.manifest.identity),
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
        beyond=figures.sizes_beyond(evidence),
    )
