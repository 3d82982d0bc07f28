"""What an oracle has answered, kept on disk by the image's digest, so that no answer is ever paid for twice."""

import sqlite3
import struct
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from brittle.endpoint.protocol import Answer
from brittle.errors import OracleError, RunError, quoted

FORMAT = 1
AT_ONCE: Final = 500
"""Digests in one statement."""
WAIT = 30.0
"""Seconds to wait for another process that writes."""
TABLES = """
CREATE TABLE IF NOT EXISTS about (format INTEGER NOT NULL, oracle TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS questions (
  digest TEXT PRIMARY KEY, purpose TEXT NOT NULL, label INTEGER, scores BLOB
) STRICT, WITHOUT ROWID;
"""


class Answers:
    """The answers of one oracle in an SQLite database, which several processes may use at the same time.

    A question is written down before it is asked and its answer when it comes, each in a transaction of its own, which
    a killed process leaves behind whole (kill -9 included; after a loss of power the last ones may be missing). So the
    number of questions never falls behind what was asked, and what a kill leaves without an answer is what was in
    flight: it is asked again, with the same digest, and counts once.

    Args:
        path: of the file; made where it does not exist.
        oracle: what names the oracle, such as its URL or the digest of a network.

    Raises:
        RunError: the file cannot be read or written, is no such database, or holds another oracle's answers.

    Example:
        >>> import tempfile
        >>> answers = Answers(Path(tempfile.mkdtemp()) / "answers.sqlite", "http://127.0.0.1:8000/")
        >>> answers.intend(["a" * 64], "training", budget=1)
        >>> answers.keep({"a" * 64: Answer(label=3)})
        >>> [one.chosen for one in answers.known(["a" * 64, "b" * 64]).values()], answers.spent()
        ([3], {'training': 1})
    """

    def __init__(self, path: Path, oracle: str):
        self.path = path
        with self._telling():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
            for setting in ("trusted_schema = OFF", "journal_mode = WAL", "synchronous = NORMAL"):
                self._database.execute(f"PRAGMA {setting}").close()
            with self._transaction():
                for statement in filter(str.strip, TABLES.split(";")):
                    self._database.execute(statement)
                found = self._database.execute("SELECT format, oracle FROM about").fetchone()
                if found is None:
                    found = (FORMAT, oracle)
                    self._database.execute("INSERT INTO about VALUES (?, ?)", found)
        if found != (FORMAT, oracle):
            self.close()
            raise RunError(
                f"{path} keeps the answers of {quoted(found[1], 120)} (format {found[0]}), not those of "
                f"{quoted(oracle, 120)}; give the same oracle, or another folder"
            )

    def known(self, digests: Iterable[str]) -> dict[str, Answer]:
        """Return the answers that are kept, by digest."""
        wanted, found = list(digests), dict[str, Answer]()
        with self._telling():
            for first in range(0, len(wanted), AT_ONCE):
                some = wanted[first : first + AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = self._database.execute(
                    f"SELECT digest, label, scores FROM questions WHERE label IS NOT NULL AND digest IN ({marks})", some
                )
                found |= {digest: Answer(label=label, scores=_numbers(scores)) for digest, label, scores in rows}
        return found

    def asked(self, digests: Iterable[str]) -> set[str]:
        """Return those digests that count as asked, answered or not."""
        wanted, found = list(digests), set[str]()
        with self._telling():
            for first in range(0, len(wanted), AT_ONCE):
                some = wanted[first : first + AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = self._database.execute(f"SELECT digest FROM questions WHERE digest IN ({marks})", some)
                found |= {digest for (digest,) in rows}
        return found

    def intend(self, digests: Iterable[str], purpose: str, budget: int | None) -> None:
        """Write down that images are about to be asked about; those that were before count no second time.

        Args:
            digests: of the images.
            purpose: what they are asked for; the first one of an image counts.
            budget: most images in all, those of other purposes and processes included; None for no end.

        Raises:
            OracleError: they would be more; then nothing is written.
        """
        with self._telling(), self._transaction():
            self._database.executemany(
                "INSERT OR IGNORE INTO questions (digest, purpose) VALUES (?, ?)", [(one, purpose) for one in digests]
            )
            (count,) = self._database.execute("SELECT count(*) FROM questions").fetchone()
            if budget is not None and count > budget:
                raise OracleError(f"the budget of {budget:,} queries is spent; expected a larger one for more")

    def keep(self, answers: Mapping[str, Answer]) -> None:
        """Write answers down, by digest; each was intended before."""
        rows = [(one.chosen, _bytes(one.scores), digest) for digest, one in answers.items()]
        with self._telling(), self._transaction():
            self._database.executemany("UPDATE questions SET label = ?, scores = ? WHERE digest = ?", rows)

    def spent(self) -> dict[str, int]:
        """Return how many distinct images were asked about, by what for."""
        with self._telling():
            rows = self._database.execute("SELECT purpose, count(*) FROM questions GROUP BY purpose ORDER BY purpose")
            return dict(rows.fetchall())

    def close(self) -> None:
        """Let go of the file; harmless when done twice."""
        self._database.close()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        """All or nothing, and nobody else writes meanwhile."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextmanager
    def _telling(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, struct.error) as error:
            raise RunError(
                f"the answers in {self.path} cannot be read or written ({quoted(error, 120)}); make room, or let it be "
                "a file that you may write to and that no other program has changed"
            ) from error


def _bytes(scores: list[float] | None) -> bytes | None:
    return None if scores is None else struct.pack(f"<{len(scores)}d", *scores)


def _numbers(stored: bytes | None) -> list[float] | None:
    return None if stored is None else list(struct.unpack(f"<{len(stored) // 8}d", stored))
