"""Audits ranked by their robust accuracy, as they lie in a folder: ``leaderboard.json``, a table and model cards."""

import csv
import io
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from brittle.runs.json_numbers import json_numbers
from brittle.runs.kinds import LEADERBOARD_FILE
from brittle.runs.manifest_info import Command, Name, Norm, Settings, Strict
from brittle.runs.printed import Origin
from brittle.runs.rate import Number, Rate
from brittle.runs.sealed_file import read_sealed, write_sealed

FORMAT = 1
"""Version of ``leaderboard.json``."""
TABLE, CARDS = "leaderboard.csv", "model_info"
"""The table for spreadsheets, and the folder of a file for each network in RobustBench's fields."""
MOST = 10_000
"""Audits of one leaderboard."""
CLEAR = 0.05
"""From this chance on (McNemar's exact test) two neighbours are not told apart."""


class About(Strict):
    """Who made a network, and where it is described: RobustBench's fields that no audit can know.

    Attributes:
        name: title of the paper, or of the network.
        link, authors, venue, architecture: of it; "" where nobody said.
        additional_data: whether it saw other images in training than the data set's.
        reported: robust accuracy in per cent that its authors report; "" where nobody said.
        footnote: what is to be told beside it.
    """

    name: Name = ""
    link: Name = ""
    authors: Name = ""
    venue: Name = ""
    architecture: Name = ""
    additional_data: bool | None = None
    reported: Name = ""
    footnote: Name = ""


class Ranked(Strict):
    """One audit of a table.

    Attributes:
        rank: from 1; None of an audit of which a check failed that may make it too robust.
        run: name of its folder.
        network: what the user wrote, with what stands before and around it.
        about: what the user says of it.
        identity, digest: of the run and of the network.
        parameters: number of them.
        clean, robust: its accuracies, each over all of its images.
        median: of the smallest change; None without a search.
        attacks: as they were written, and how the network was asked where that was not as it is.
        passes: forward plus backward passes of an image, the mean over all images.
        failed: titles of the checks that failed.
        autoattack: robust accuracy after AutoAttack's standard version alone; None where it was not among the attacks.
        lead: how likely the images that it and the next better one have in common would be split as unevenly by chance
            (McNemar's exact test); None of the first.
    """

    rank: int | None
    run: Name
    network: Name
    about: About
    identity: str
    digest: str
    parameters: int
    clean: Rate
    robust: Rate
    median: Rate | None
    attacks: list[Name]
    passes: Number
    failed: list[Name]
    autoattack: float | None
    lead: float | None = None

    @property
    def title(self) -> str:
        """What it is called: by its user's words, or by the network."""
        return self.about.name or self.network

    @property
    def tied(self) -> bool:
        """Whether it is not told apart from the next better one."""
        return self.lead is not None and self.lead >= CLEAR


class Board(Strict):
    """Audits of one question about the same images, the most robust first.

    Attributes:
        data, images: what was attacked; `content`: sha256 of it.
        norm, radius, settings: the question.
        span: greatest less least value of a pixel.
        rows: the audits.
    """

    data: Name
    content: str
    images: int = Field(gt=0)
    norm: Norm
    radius: float | None
    settings: Settings
    span: float
    rows: list[Ranked] = Field(min_length=1, max_length=MOST)

    def ties(self) -> list[tuple[Ranked, Ranked]]:
        """Return the neighbours that are not told apart, each with the better one first."""
        return [(better, row) for better, row in pairwise(self.rows) if row.tied]


class Leaderboard(Strict):
    """A table for each question.

    Attributes:
        created: ISO 8601 in UTC.
        command: the command line, word by word; empty from Python.
        versions: package name to version.
        tables: by question.
    """

    format: Literal[1] = FORMAT
    created: str
    command: Command
    versions: dict[str, str]
    tables: list[Board] = Field(min_length=1, max_length=MOST)

    @property
    def identities(self) -> set[str]:
        """Of all runs."""
        return {row.identity for board in self.tables for row in board.rows}

    @property
    def origin(self) -> Origin:
        """What the audits were made from."""
        networks = [{"spec": row.network, "digest": row.digest} for board in self.tables for row in board.rows]
        data = [{"spec": one.data, "digest": one.content, "images": one.images} for one in self.tables]
        return Origin(networks, data, None, None, self.created, self.created, self.versions)

    def plain(self) -> dict[str, Any]:
        """Return what JSON can say beside its origin; see `brittle.runs.json_numbers` for what is infinite."""
        return json_numbers(self.model_dump(exclude={"format", "created", "command", "versions"}))

    def csv(self) -> str:
        """Return one line for each audit."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        for board in self.tables:
            for row in board.rows:
                table.writerow(_cells(board, row))
        return text.getvalue()


COLUMNS = (
    *("data", "images", "norm", "radius", "rank", "run", "name", "network", "parameters"),
    *("clean", "clean_low", "clean_high", "robust", "robust_low", "robust_high", "median", "chance_of_lead"),
    *("passes", "failed_checks", "attacks"),
)
"""Of the table for spreadsheets."""


def _cells(board: Board, row: Ranked) -> list[object]:
    median = "" if row.median is None else row.median.value
    return [
        *(board.data, board.images, board.norm, board.radius, row.rank, row.run, row.about.name, row.network),
        *(row.parameters, row.clean.value, row.clean.low, row.clean.high),
        *(row.robust.value, row.robust.low, row.robust.high, median, row.lead, row.passes),
        *("; ".join(row.failed), "; ".join(row.attacks)),
    ]


def is_leaderboard(folder: Path) -> bool:
    """Say whether the folder of a leaderboard is there."""
    return (folder / LEADERBOARD_FILE).is_file()


def write_leaderboard(folder: Path, board: Leaderboard) -> None:
    """Write ``leaderboard.json``; errors as of `write_sealed`."""
    write_sealed(folder / LEADERBOARD_FILE, board)


def read_leaderboard(folder: Path) -> Leaderboard:
    """Read the leaderboard in a folder; errors as of `read_sealed`."""
    return read_sealed(folder / LEADERBOARD_FILE, Leaderboard, "a leaderboard")
