"""The files for machines that a command writes where it is asked to: JUnit and SARIF."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brittle.files import write_atomically
from brittle.report.junit import junit
from brittle.report.sarif import sarif
from brittle.runs.kinds import JUNIT, SARIF
from brittle.runs.place import check_page
from brittle.runs.verdicts import Verdicts


@dataclass(frozen=True)
class ResultFiles:
    """Where verdicts go.

    Attributes:
        junit: a JUnit XML file; None for none.
        sarif: a SARIF file; None for none.
        force: replace files of brittle that lie there.
    """

    junit: Path | None = None
    sarif: Path | None = None
    force: bool = False

    @property
    def asked(self) -> bool:
        """Whether there is anything to write."""
        return self.junit is not None or self.sarif is not None

    def check(self) -> None:
        """Refuse, before any work is done, names at which something lies that stays.

        Raises:
            RunError: with the name.
        """
        for path, kind in ((self.junit, JUNIT), (self.sarif, SARIF)):
            if path is not None:
                check_page(path, kind, asked=True, force=self.force)

    def write(self, results: Sequence[Verdicts]) -> None:
        """Write them.

        Args:
            results: one or several runs.

        Raises:
            RunError: a file cannot be written, or something is there that stays.
        """
        self.check()
        if self.junit is not None:
            write_atomically(self.junit, junit(results))
        if self.sarif is not None:
            write_atomically(self.sarif, sarif(results))
