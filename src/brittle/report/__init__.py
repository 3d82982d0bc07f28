"""The report: one self-contained HTML file from what lies on disk, and nothing else."""

from brittle.report.write import write_report

__all__ = ["write_report"]
