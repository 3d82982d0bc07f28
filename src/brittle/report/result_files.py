"""The files for machines that a command writes where it is asked to: JUnit and SARIF."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from brittle.addresses import is_address
from brittle.errors import OverLimit
from brittle.files import told, write_atomically
from brittle.identity.compare import fingerprint
from brittle.reading import read_bytes
from brittle.report.junit import junit
from brittle.report.sarif import sarif
from brittle.runs.kinds import JUNIT, SARIF
from brittle.runs.place import check_page
from brittle.runs.verdicts import Verdicts

RUN = re.compile(rb'"run_folder"(?: value=|: )"([0-9a-f]{64})"')
"""In both kinds of files, of which run folder they tell."""


@dataclass(frozen=True)
class ResultFiles:
    """Where verdicts go. A file that tells of the same run folder is replaced, so that a command may be given again.

    Attributes:
        folder: of the run that they tell of.
        junit: a JUnit XML file; None for none.
        sarif: a SARIF file; None for none.
        force: replace files of brittle that tell of other runs.
    """

    folder: Path
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
                check_page(path, kind, asked=not self._is_ours(path), force=self.force)

    def write(self, result: Verdicts) -> None:
        """Write them.

        Args:
            result: of the run.

        Raises:
            RunError: a file cannot be written, or something is there that stays.
        """
        self.check()
        if self.junit is not None:
            write_atomically(self.junit, junit([replace(result, folder=self._place(self.junit))]))
        if self.sarif is not None:
            write_atomically(self.sarif, sarif([replace(result, folder=self._place(self.sarif))]))

    def _place(self, file: Path) -> str:
        """Return by what a file knows the run folder: where it lies, without naming it."""
        if is_address(address := told(self.folder.resolve())):
            return fingerprint(address)
        return fingerprint(os.path.relpath(self.folder.resolve(), file.parent.resolve()))

    def _is_ours(self, file: Path) -> bool:
        """Whether a file tells of this run folder."""
        try:
            told = RUN.findall(read_bytes(file, "text"))
        except (OSError, OverLimit):
            return False
        return [one.decode() for one in told] == [self._place(file)]
