"""What a gate said of a run or a comparison, as it lies in its folder: ``gate.json``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from brittle.errors import RunError
from brittle.names import stored
from brittle.runs.manifest_info import Name, Strict
from brittle.runs.sealed_file import read_sealed, write_sealed
from brittle.runs.surroundings import now

GATE_FILE = "gate.json"


class KeptGate(Strict):
    """What the gate of a command said.

    Attributes:
        of: identity of what it judged.
        line: whether that passed, and why.
        command: the command line, word by word.
        created: ISO 8601 in UTC.
        least: the robust accuracy that passes; None of a comparison.
        ignore_health: whether it passes whatever the checks found.
    """

    format: Literal[1] = 1
    of: str
    line: Name
    command: list[Name]
    created: str
    least: float | None = None
    ignore_health: bool = False


def keep_gate(
    folder: Path,
    of: str,
    line: str,
    command: Sequence[str],
    *,
    least: float | None = None,
    ignore_health: bool = False,
) -> None:
    """Keep what a gate said, so that a page which is written later says it too.

    Args:
        folder: of the run or the comparison.
        of: identity of what was judged.
        line: whether it passed, and why.
        command: the command line.
        least: see `KeptGate`.
        ignore_health: see `KeptGate`.

    Raises:
        RunError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> keep_gate(folder, "0f", "gate passed: it is at least 80.0%", ["brittle", "audit"])
        >>> kept_gate(folder, "0f").line, kept_gate(folder, "another run")
        ('gate passed: it is at least 80.0%', None)
    """
    command = [stored(word) for word in command]
    kept = KeptGate(of=of, line=stored(line), command=command, created=now(), least=least, ignore_health=ignore_health)
    write_sealed(folder / GATE_FILE, kept)


def kept_gate(folder: Path, of: str) -> KeptGate | None:
    """Return what the last gate said; None where there was none, or it judged something else than `of`."""
    try:
        found = read_sealed(folder / GATE_FILE, KeptGate, "what a gate said")
    except RunError:
        return None
    return found if found.of == of else None
