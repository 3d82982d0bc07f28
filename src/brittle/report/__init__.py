"""The report: one self-contained HTML file from a run folder, and nothing else."""

from brittle.report.page import write_report

__all__ = ["write_report"]
