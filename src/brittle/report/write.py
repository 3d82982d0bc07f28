"""`write_report`: the page of whatever brittle has left on disk, recognised by what it holds."""

from pathlib import Path
from typing import TypedDict, overload

from brittle.addresses import is_address
from brittle.errors import RunError, quoted
from brittle.files import told
from brittle.remote import at
from brittle.report.attack_page import attack_page
from brittle.report.compare_page import compare_page
from brittle.report.content import OTHER_JSON, folder_of, kind_of, object_of, placed, shown, story_of
from brittle.report.corruptions_page import corruptions_page
from brittle.report.defence_page import defence_page
from brittle.report.depth_page import depth_page
from brittle.report.leaderboard_page import leaderboard_page
from brittle.report.overview_page import write_overview
from brittle.report.page import REPORT, run_page
from brittle.report.photograph_page import photograph_page
from brittle.report.segmentation_page import segmentation_page
from brittle.report.study_page import PAGE, render_study
from brittle.report.substitute_page import write_substitute
from brittle.report.titles import check_title
from brittle.report.training_page import write_training
from brittle.report.universal_page import write_universal
from brittle.runs.defence import is_defence_folder
from brittle.runs.kinds import (
    COMPARISON_FILE,
    CORRUPTIONS,
    DEPTH,
    INDEX,
    LEADERBOARD_FILE,
    PHOTOGRAPHS,
    SEGMENTATION,
    SUBSTITUTE_FILE,
    TRAINING,
    UNIVERSAL,
    kind_in,
)
from brittle.runs.place import beside
from brittle.runs.store import MANIFEST
from brittle.studies.bench.kept import STUDY, read_study
from brittle.studies.bench.overview import read_overview, studies_in

EXPECTED = "expected the folder of an audit, of a study, or of what another command has made"
"""What a page can be written of."""
KNOWN_BY = {
    INDEX: attack_page,
    PHOTOGRAPHS: photograph_page,
    COMPARISON_FILE: compare_page,
    LEADERBOARD_FILE: leaderboard_page,
}
"""Pages of folders without a kind, by the file that such a folder is known by."""
ROWS, COURSE = ".rows.parquet", ".training.json"
"""Ends of the names of files that earlier versions wrote beside a perturbation and beside weights."""


class Asked(TypedDict):
    """What every way to write a page takes, see `write_report`."""

    force: bool
    title: str | None


@overload
def write_report(run: Path, out: Path | None = None, *, force: bool = False, title: str | None = None) -> Path: ...


@overload
def write_report(run: str, out: Path | None = None, *, force: bool = False, title: str | None = None) -> Path | str: ...


def write_report(
    run: Path | str, out: Path | None = None, *, force: bool = False, title: str | None = None
) -> Path | str:
    """Write the page of an audit, a study or of what another command has made, from what lies on disk alone.

    What is read need not be trusted. The same files give the same page, byte for byte.

    Args:
        run: the folder of an audit, finished or not, of a study or of all studies, or of what another command has made,
            or a file in it; or the address of a folder, such as ``s3://bucket/run``. Of earlier
            versions also weights with their NAME.training.json, and a perturbation with its
            rows.
        out: the file to write, or a folder for it; by default ``report.html`` or ``study.html`` in the folder, or
            NAME.html beside the file of an earlier version. There a page replaces the one before.
        force: replace another page at `out`; what is no page of brittle always stays.
        title: of the page, in place of brittle's own, which then stands below it; one line of 120 characters at most.
            By default the page keeps the title of the one that lies where it lies by default; "" takes brittle's own
            again.

    Returns:
        The file written; its address, where it lies in a folder at one.

    Raises:
        InputError: the title is too long.
        RunError: there is nothing of brittle's, a part of it is damaged or missing, nothing was measured yet, or the
            page cannot be written. One line says what was seen and what is expected.

    Example:
        >>> import tempfile
        >>> from brittle.evaluation.audit import audit
        >>> run = audit("digits-lenet", "digits", tempfile.mkdtemp(), attacks=["fgsm"], eps=0.1, max_images=20)
        >>> write_report(run.path).name
        'report.html'
    """
    asked = Asked(force=force, title=None if title is None else check_title(title))
    with at(run) as place:
        page = _written(place.path, out, asked)
        return told(page) if is_address(run) and out is None else page


def _written(run: Path, out: Path | None, asked: Asked) -> Path:
    try:
        if run.is_dir():
            return _folder(run, out, asked)
        if not run.exists():
            raise RunError(f"there is nothing at {run}; {EXPECTED}")
        if not run.is_file():
            raise RunError(f"{run} is a pipe, a device or a socket; {EXPECTED}")
        return _file(run, out, asked)
    except (OSError, ValueError) as error:  # a name that no file can have, or a folder that may not be read
        said = quoted(getattr(error, "strerror", None) or error)
        raise RunError(f"{quoted(run)} cannot be read ({said}); {EXPECTED}") from error


def _folder(run: Path, out: Path | None, asked: Asked) -> Path:
    kind = kind_in(run)
    if kind is None and is_defence_folder(run):
        return placed(defence_page(run), run / REPORT, out, **asked)
    pages = {"corruptions": corruptions_page, "segmentation": segmentation_page, "depth": depth_page}
    if kind in pages:
        return placed(pages[kind](run), run / REPORT, out, **asked)
    writers = {"training": write_training, "substitute": write_substitute, "universal": write_universal}
    if kind in writers:
        return writers[kind](run, out, **asked)
    return _folder_without_kind(run, out, asked)


def _folder_without_kind(run: Path, out: Path | None, asked: Asked) -> Path:
    for name, known in KNOWN_BY.items():
        if (run / name).is_file():
            return placed(known(run), run / REPORT, out, **asked)
    if (run / MANIFEST).exists() and not (run / STUDY).exists():
        return placed(run_page(run), run / REPORT, out, **asked)
    if (run / STUDY).exists():
        with shown(run / STUDY, "the table of a study"):
            page = render_study(read_study(run))
        return placed(page, run / PAGE, out, **asked)
    if studies_in(run):
        with shown(run, "a folder of studies"):
            overview = read_overview(run)
        return write_overview(overview, out, **asked)
    names = sorted(entry.name for entry in run.iterdir())
    if "cells" in names and "table.md" in names:
        raise RunError(f"{run} is a study of an older version, which kept no {STUDY}; run it again: its cells are kept")
    seen = f"holds {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}" if names else "is an empty folder"
    inside = [str(run / name) for name in names if any((run / name / known).is_file() for known in (MANIFEST, STUDY))]
    mend = f"give one of the folders in it: {quoted(', '.join(inside), 400)}" if inside else EXPECTED
    raise RunError(f"{run} is no run folder: it {seen}, and neither {MANIFEST} nor {STUDY}; {mend}")


def _file(run: Path, out: Path | None, asked: Asked) -> Path:
    if run.name in (MANIFEST, STUDY, SUBSTITUTE_FILE, *KNOWN_BY) or any(
        folder_of(run, kind) for kind in (CORRUPTIONS, DEPTH, SEGMENTATION, TRAINING, UNIVERSAL)
    ):
        return _folder(run.parent, out, asked)
    if run.name.endswith(ROWS):
        plain = run.with_name(run.name.removesuffix(ROWS))
        run = plain if plain.is_file() else plain.with_name(plain.name + ".safetensors")
        if not run.exists():
            raise RunError(f"there is no perturbation {run} beside its rows; {EXPECTED}")
    story = story_of(run) or {}
    if "made" in story:
        return write_universal(run, out, **asked)
    if "architecture" in story:
        course = beside(run, COURSE)
        if not course.is_file():
            raise RunError(f"{run} are weights whose course, {course.name}, does not lie beside them; {EXPECTED}")
        return write_training(course, out, **asked)
    kind = kind_of(run)
    if run.name.endswith(COURSE) or (kind == OTHER_JSON and "epochs" in _json(run)):
        return write_training(run, out, **asked)
    raise RunError(f"{run} is {kind}; {EXPECTED}")


def _json(path: Path) -> dict[str, object]:
    """What a JSON file holds, nothing where it cannot be read."""
    try:
        return object_of(path)
    except (OSError, ValueError, RecursionError):
        return {}
