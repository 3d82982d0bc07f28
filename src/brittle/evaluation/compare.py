"""`compare`: what changed from one audit to others of the same question about the same images."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brittle.arguments import fitted
from brittle.errors import InputError, RunError
from brittle.evaluation.lost_images import keep_pictures
from brittle.evaluation.progress import NullProgress, Progress
from brittle.files import told
from brittle.metrics import (
    clean_accuracy,
    least_drop,
    median_smallest,
    most_drop,
    paired_rates,
    robust_accuracy,
    size_ratio,
)
from brittle.metrics.estimate import LEVEL, Flags
from brittle.metrics.rows import changes, integers
from brittle.names import restored, stored, told_apart
from brittle.remote import at
from brittle.runs.comparable import ComparedRows, differing_settings, finished_runs, side_by_side
from brittle.runs.comparison import (
    ChangedImage,
    ComparedAudit,
    ComparedClass,
    Comparison,
    Difference,
    Paired,
    Side,
    is_comparison,
    read_comparison,
    write_comparison,
)
from brittle.runs.kinds import COMPARISON
from brittle.runs.network_words import worded
from brittle.runs.place import check_folder
from brittle.runs.rate import Rate
from brittle.runs.store import RunFolder
from brittle.runs.surroundings import now, versions_of
from brittle.runs.verdicts import placeless
from brittle.words import plural

SHOWN = 6
"""Images that another audit lost of which pictures are kept."""


def compare(
    *runs: str | Path | RunFolder,
    out: str | Path | None = None,
    pictures: int = SHOWN,
    force: bool = False,
    command: Sequence[str] = (),
    watch: Progress | None = None,
) -> Comparison:
    """Compare audits of the same question about the same images with the first of them, image by image.

    What two networks get right or wrong on the same images they mostly have in common, so that a difference shows with
    far fewer images than two intervals side by side would need.

    Args:
        runs: at least two run folders of finished audits, or their addresses; the others are compared with the first.
        out: a folder, or its address, for ``comparison.json`` and pictures, of which `write_report` makes a page;
            None to write nothing.
        pictures: of how many images that newly fall pictures are kept in it, of each audit. What the audit itself did
            not keep is attacked once more, as long as its network opens by the words in its run folder.
        force: replace another comparison that lies in `out`.
        command: the command line, to be kept with it.
        watch: sees the progress of pictures that are made once more.

    Returns:
        All figures. The one-sided ends of a drop hold with a probability of 95 % for all audits together.

    Raises:
        RunError: a folder holds no finished audit, two audits cannot be compared (the message names what differs), or
            `out` holds something else.
        InputError: less than two runs, or one twice.

    Example:
        >>> import tempfile
        >>> from brittle.evaluation.audit import audit
        >>> old, new = (
        ...     audit("digits-lenet", "digits", tempfile.mkdtemp(), attacks=["pgd"], eps=0.1, max_images=20, seed=seed)
        ...     for seed in (0, 1)
        ... )
        >>> compare(old, new).images, len(compare(old, new).others)
        (20, 1)
    """
    pictures = fitted("pictures", pictures, int)
    if pictures < 0:
        raise InputError(f"pictures is {pictures}; expected a number of images, 0 for none")
    folders = finished_runs(runs)
    if len(folders) < 2:
        raise InputError(f"{len(folders)} run is given; expected at least two: the one before, and those after it")
    rows = side_by_side(folders)
    level = 1 - (1 - LEVEL) / (len(rows) - 1)
    first = rows[0].manifest
    names = told_apart([folder.path.resolve() for folder in folders])
    changes = [None, *(_difference(rows[0], one, level) for one in rows[1:])]
    audits = [_audit(*each) for each in zip(names, rows, changes, strict=True)]
    made = Comparison(
        created=now(),
        command=[*command],
        versions=versions_of(),
        norm=first.threat.norm,
        radius=first.threat.radius,
        settings=first.threat.settings,
        data=placeless(restored(first.data.spec)),
        content=first.data.digest,
        images=len(rows[0].index),
        attacks=[placeless(restored(info.spec)) for info in first.attacks],
        bounds=first.network.bounds,
        level=level,
        audits=audits,
        notes=_left_out(rows),
    )
    if out is None:
        return made
    with at(out) as place:
        return _kept(made, rows, place.path, pictures, force, watch or NullProgress())


def _kept(
    made: Comparison, rows: Sequence[ComparedRows], folder: Path, pictures: int, force: bool, watch: Progress
) -> Comparison:
    """Write a comparison into a folder that is empty or holds one of the same runs."""
    check_folder(folder, COMPARISON)
    if is_comparison(folder) and not force:
        there = [one.identity for one in read_comparison(folder).audits]
        if there != [one.identity for one in made.audits]:
            raise RunError(
                f"{folder} holds the comparison of other audits, which stays as it is; give another folder, or --force "
                "to replace it"
            )
    folder.mkdir(parents=True, exist_ok=True)
    notes = keep_pictures(made, rows, folder, pictures, watch)
    made = made.model_copy(update={"notes": [*made.notes, *(stored(note) for note in notes)]})
    write_comparison(folder, made)
    return made


def _left_out(rows: Sequence[ComparedRows]) -> list[str]:
    """Say which audits have more images than those that are compared."""
    shared = len(rows[0].index)
    more = [f"{told(one.folder.path)} has {plural(one.images, 'image')}" for one in rows if one.images > shared]
    return [f"{'; '.join(more)}: the {shared:,} in common are compared"] if more else []


def _audit(name: str, rows: ComparedRows, difference: Difference | None) -> ComparedAudit:
    manifest, health, curve = rows.manifest, rows.folder.health(), rows.curve()
    network, threat, median = manifest.network, manifest.threat, median_smallest(rows.outcomes, manifest.threat.norm)
    return ComparedAudit(
        name=name,
        network=worded(network),
        spec=placeless(restored(network.spec)),
        digest=network.digest,
        identity=manifest.identity,
        seed=manifest.seed,
        clean=Rate.of(clean_accuracy(rows.tables[0])),
        robust=Rate.of(robust_accuracy(rows.tables, threat.norm, threat.radius)),
        median=None if median is None else Rate.of(median),
        failed=[] if health is None else [restored(one.title) for one in health.ordered("fail")],
        flattering=[] if health is None else [restored(one.title) for one in health.flattering],
        radii=curve.radii.tolist(),
        accuracy=[one.value for one in curve.accuracy],
        difference=difference,
    )


def _difference(first: ComparedRows, other: ComparedRows, level: float) -> Difference:
    before, after = first.standing, other.standing
    return Difference(
        robust=Paired.of(paired_rates(before, after)),
        clean=Paired.of(paired_rates(first.correct, other.correct)),
        least_drop=least_drop(before, after, level),
        most_drop=most_drop(before, after, level),
        factor=_factor(first, other),
        changed=_changed(first, other),
        classes=_classes(first, other),
        differs=differing_settings(first.manifest, other.manifest),
    )


def _factor(first: ComparedRows, other: ComparedRows) -> Rate | None:
    """Compare the smallest changes of the images that both have right."""
    old, new, right = first.smallest, other.smallest, first.correct & other.correct
    found = None if old is None or new is None else size_ratio(old[right], new[right])
    return None if found is None else Rate.of(found)


def _changed(first: ComparedRows, other: ComparedRows) -> list[ChangedImage]:
    places = np.flatnonzero(first.standing != other.standing).tolist()
    return [
        _changed_image(other, place, "lost") if first.standing[place] else _changed_image(first, place, "gained")
        for place in places
    ]


def _changed_image(rows: ComparedRows, place: int, side: Side) -> ChangedImage:
    """Describe an image by the audit in which it does not stand."""
    first, index, wrong = rows.tables[0], int(rows.index[place]), not rows.correct[place]
    attack, size, prediction = "", 0.0, int(first["clean_prediction"][place].as_py())
    if not wrong:
        row = rows.nearest.slice(int(np.searchsorted(integers(rows.nearest, "index"), index)), 1)
        attack, prediction = restored(row["attack"][0].as_py()), int(row["prediction"][0].as_py())
        size = float(changes(row, rows.manifest.threat.norm)[0])
    return ChangedImage(
        index=index,
        name=restored(first["name"][place].as_py()),
        label=rows.label(int(first["label"][place].as_py())),
        side=side,
        wrong=wrong,
        attack=attack,
        size=size,
        prediction=rows.label(prediction),
    )


def _classes(first: ComparedRows, other: ComparedRows) -> list[ComparedClass]:
    labels = integers(first.tables[0], "label")

    def standing(rows: ComparedRows, here: Flags) -> int:
        return int(rows.standing[here].sum())

    found = [
        ComparedClass(
            name=first.label(number),
            images=int(here.sum()),
            before=standing(first, here),
            after=standing(other, here),
        )
        for number in np.unique(labels).tolist()
        for here in [labels == number]
    ]
    return sorted(found, key=lambda one: (one.after - one.before, one.name))
