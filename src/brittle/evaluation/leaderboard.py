"""`leaderboard`: audits ranked by their robust accuracy, a table for each question."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from pydantic import ValidationError

from brittle.arguments.numbers import levels_text
from brittle.errors import InputError, OverLimit, RunError, quoted
from brittle.files import write_atomically
from brittle.metrics import paired_rates
from brittle.names import plain_name, restored, stored_within, told_apart, without_folders
from brittle.reading import read_json
from brittle.remote import at
from brittle.runs.base import threat_fields
from brittle.runs.comparable import finished_runs, on_shared_images
from brittle.runs.kinds import LEADERBOARD, MODEL_INFO
from brittle.runs.leaderboard import (
    CARDS,
    TABLE,
    About,
    Board,
    Leaderboard,
    Ranked,
    is_leaderboard,
    read_leaderboard,
    write_leaderboard,
)
from brittle.runs.manifest import Manifest
from brittle.runs.network_words import worded
from brittle.runs.place import check_folder
from brittle.runs.rate import Rate
from brittle.runs.store import RunFolder
from brittle.runs.summary import Summary, summarise
from brittle.runs.surroundings import now, versions_of
from brittle.runs.verdicts import placeless

AUTOATTACK = "autoattack"
"""The attack whose robust accuracy RobustBench calls by a field of its own."""


def leaderboard(
    *runs: str | Path | RunFolder, out: str | Path | None = None, force: bool = False, command: Sequence[str] = ()
) -> Leaderboard:
    """Rank audits by their robust accuracy, those of one question about the same images in one table.

    An audit of which a check failed that may make the network look too robust comes last and has no rank. Beside each
    of the others stands how likely chance alone would put it below the next better one, image by image.

    Args:
        runs: run folders of finished audits, or their addresses. A file ``model_info.json`` in one of them says who
            made the network and where it is described: an object with any of RobustBench's fields name, link, authors,
            venue, architecture, additional_data, reported and footnote.
        out: a folder, or its address, for ``leaderboard.json``, ``leaderboard.csv`` and ``model_info/NAME.json``
            for each network, of which `write_report` makes a page; None to write nothing.
        force: replace another leaderboard that lies in `out`.
        command: the command line, to be kept with it.

    Raises:
        InputError: no runs, or one twice.
        RunError: a folder holds no finished audit, a ``model_info.json`` cannot be read, or `out` holds something else.

    Example:
        >>> import tempfile
        >>> from brittle.evaluation.audit import audit
        >>> run = audit("digits-lenet", "digits", tempfile.mkdtemp(), attacks=["fgsm"], eps=0.1, max_images=20)
        >>> [row.network for row in leaderboard(run).tables[0].rows]
        ['digits-lenet']
    """
    folders = finished_runs(runs)
    if not folders:
        raise InputError("no run is given; expected run folders of audits")
    tables: dict[str, dict[str, RunFolder]] = {}
    for name, folder in zip(told_apart([one.path.resolve() for one in folders]), folders, strict=True):
        tables.setdefault(_question(folder.manifest), {})[name] = folder
    boards = [_board(some) for some in tables.values()]
    made = Leaderboard(created=now(), command=[*command], versions=versions_of(), tables=boards)
    if out is not None:
        with at(out) as place:
            _write(made, place.path, force)
    return made


def _question(manifest: Manifest) -> str:
    """Return what audits of one table have in common, as text."""
    asked = [threat_fields(manifest.threat), manifest.quantization, manifest.budget, manifest.network.bounds]
    return json.dumps([asked, manifest.data.digest, manifest.data.images], sort_keys=True)


def _board(folders: Mapping[str, RunFolder]) -> Board:
    found = [(name, folder, summarise(folder)) for name, folder in folders.items()]
    found.sort(key=lambda each: (bool(_flattering(each[2])), -each[2].robust.value, -each[2].clean.value))
    first = found[0][1].manifest
    leads = [None, *(_lead(better[1], each[1]) for better, each in pairwise(found))]
    rows = [
        _ranked(*each, None if _flattering(each[2]) else rank, lead)
        for rank, (each, lead) in enumerate(zip(found, leads, strict=True), start=1)
    ]
    return Board(
        data=placeless(restored(first.data.spec)),
        content=first.data.digest,
        images=found[0][2].images,
        norm=first.threat.norm,
        radius=first.threat.radius,
        settings=first.threat.settings,
        span=first.network.bounds[1] - first.network.bounds[0],
        rows=rows,
    )


def _flattering(summary: Summary) -> list[str]:
    """Return the checks that failed and may make a network look too robust, by their titles."""
    return [] if summary.health is None else [restored(one.title) for one in summary.health.flattering]


def _lead(better: RunFolder, folder: RunFolder) -> float:
    one, other = on_shared_images([better, folder])
    return paired_rates(one.standing, other.standing).chance


def _ranked(name: str, folder: RunFolder, summary: Summary, rank: int | None, lead: float | None) -> Ranked:
    manifest, failed = folder.manifest, [] if summary.health is None else summary.health.ordered("fail")
    searched = f" ({manifest.search.text})" if manifest.search else ""
    return Ranked(
        rank=rank,
        run=name,
        network=worded(manifest.network),
        about=_about(folder.path / MODEL_INFO),
        identity=manifest.identity,
        digest=manifest.network.digest,
        parameters=manifest.network.parameters,
        clean=Rate.of(summary.clean),
        robust=Rate.of(summary.robust),
        median=None if summary.median is None else Rate.of(summary.median),
        attacks=[placeless(restored(one.spec)) + searched for one in summary.attacks],
        passes=sum(one.forward + one.backward for one in summary.attacks),
        failed=[restored(one.title) for one in failed],
        autoattack=_autoattack(manifest, summary),
        lead=None if rank is None else lead,
    )


def _autoattack(manifest: Manifest, summary: Summary) -> float | None:
    """Return the robust accuracy after AutoAttack's standard version alone, at the radius of the question."""
    for info, line in zip(manifest.attacks, summary.attacks, strict=True):
        asked = info.radius_in(manifest.threat.norm) == manifest.threat.radius is not None
        standard = info.name == AUTOATTACK and info.settings.get("version") == "standard"
        if standard and asked and line.success is not None:
            return summary.clean.value * (1 - line.success.value)
    return None


def _about(path: Path) -> About:
    if not path.exists():
        return About()
    try:
        found: object = read_json(path)
        return About.model_validate_json(json.dumps(found))
    except (OSError, OverLimit, ValueError, ValidationError) as error:
        fields = ", ".join(About.model_fields)
        raise RunError(
            f"{path} cannot be read ({quoted(error)}); expected an object with any of the fields {fields}"
        ) from error


def _write(made: Leaderboard, folder: Path, force: bool) -> None:
    check_folder(folder, LEADERBOARD)
    if is_leaderboard(folder) and not force and not read_leaderboard(folder).identities <= made.identities:
        raise RunError(
            f"{folder} holds a leaderboard with other audits, which stays as it is; give another folder, or "
            "--force to replace it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / TABLE, made.csv().encode())
    taken: list[str] = []
    for board in made.tables:
        for row in board.rows:
            name = plain_name(row.run)
            taken.append(name)
            name += "" if taken.count(name) == 1 else f"-{taken.count(name)}"
            card = json.dumps(stored_within(model_info(board, row)), indent=2, ensure_ascii=False) + "\n"
            write_atomically(folder / CARDS / f"{name}.json", card.encode())
    write_leaderboard(folder, made)


def model_info(board: Board, row: Ranked) -> dict[str, object]:
    """Return what RobustBench keeps of a network, under its names; accuracies are per cent as text.

    `autoattack_acc` is AutoAttack's own figure, where its standard version was among the attacks. `external`, which is
    RobustBench's field for evaluations by others, is the worst case over all attacks.
    """
    about, radius = row.about, board.radius
    own = {} if row.autoattack is None else {"autoattack_acc": f"{100 * row.autoattack:.2f}"}
    eps = None if radius is None else levels_text(radius / board.span) or f"{radius:g}"
    return {
        "link": about.link,
        "name": row.title,
        "authors": about.authors,
        "additional_data": about.additional_data,
        "number_forward_passes": 1,
        "dataset": without_folders(board.data),
        "venue": about.venue,
        "architecture": about.architecture or without_folders(row.network),
        "eps": eps,
        "clean_acc": f"{100 * row.clean.value:.2f}",
        "reported": about.reported,
        **own,
        "external": f"{100 * row.robust.value:.2f}",
        "footnote": about.footnote,
        "unreliable": bool(row.failed),
    }
