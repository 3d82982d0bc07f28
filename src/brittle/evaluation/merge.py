"""`merge`: the folders in which shards did their parts of one audit, joined into one finished run."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brittle.engine.shard import ShardEngine
from brittle.errors import BrittleError, InputError, RunError, quoted
from brittle.evaluation.audit import audit
from brittle.evaluation.kept_words import network_again, threat_again, words_of_images
from brittle.evaluation.progress import Progress
from brittle.files import told, write_atomically
from brittle.names import restored
from brittle.remote import at
from brittle.runs.command import without_option
from brittle.runs.comparable import opened_runs
from brittle.runs.kinds import RUN_FOLDER
from brittle.runs.manifest import Manifest
from brittle.runs.place import check_folder
from brittle.runs.same import AnotherRun
from brittle.runs.schema import NUMBERS, PICTURES
from brittle.runs.store import MANIFEST, RunFolder
from brittle.specs import DataSpec, Effort, Question
from brittle.words import plural

ROWS = [name for name in NUMBERS if name != "seconds"]
"""Columns in which a part that lies in two folders must be the same; the time that it took differs."""
NAMED = 3
"""Missing parts that are named."""
Place = tuple[str, int]
"""Key of an attack, and number of a block of images."""


def merge(
    out: Path | str,
    *runs: Path | str | RunFolder,
    thorough: bool = False,
    force: bool = False,
    watch: Progress | None = None,
) -> RunFolder:
    """Join the folders of the shards of one audit into one finished run, the same as that of an undivided audit.

    Nothing is written before all folders are known to be of one run and to hold every part of it. The checks of the
    audit are made then, for which the network and the images open by the words in the run folders. Killed at any
    moment and called again, it goes on.

    Args:
        out: the folder of the whole run, or its address; new, empty, or that of an earlier call.
        runs: the folders of the shards, or their addresses, finished or not; parts may lie in several of them.
        thorough: as of `audit`.
        force: replace another run that `out` holds.
        watch: who is told of the progress.

    Returns:
        The finished run folder.

    Raises:
        InputError: no folder is given, one twice, `out` among them, or `out` is that of a shard.
        RunError: a folder holds no run, or one with other settings than the first (the message names them); parts are
            missing (it names the shards); a part is not the same in two folders; `out` holds something else; or all
            parts are in `out` and its checks could not be made, as network or images do not open here.

    Example:
        >>> import tempfile
        >>> from brittle.evaluation.audit import audit
        >>> place, asked = Path(tempfile.mkdtemp()), {"attacks": ["fgsm"], "eps": 0.1, "max_images": 80}
        >>> shards = [audit("digits-lenet", "digits", place / one[0], shard=one, **asked) for one in ("1/2", "2/2")]
        >>> merge(place / "whole", *shards).table("fgsm").num_rows
        80
    """
    folders = opened_runs(runs)
    with at(out) as place:
        whole = _merged(place.path, folders, thorough, force, watch)
        place.keep_for(whole)
    return whole


def _merged(path: Path, folders: Sequence[RunFolder], thorough: bool, force: bool, watch: Progress | None) -> RunFolder:
    if not folders:
        raise InputError("no run folder is given; expected those of the shards of an audit")
    if told(path.resolve()) in [told(folder.path.resolve()) for folder in folders]:
        raise InputError(f"{told(path)} is among the folders that are merged; give a new one for the whole run")
    check_folder(path, RUN_FOLDER)
    _check_no_shard(path)
    for folder in folders[1:]:
        _check_same(folders[0], folder)
    sources = _sources(folders)
    with RunFolder.create(path, _joined(path, folders), force=force) as whole:
        for (key, block), source in sources.items():
            if not whole.has_part(key, block):
                write_atomically(whole.part_path(key, block), source.part_path(key, block).read_bytes())
        manifest = whole.manifest
    try:
        return audit(**_asked_again(manifest), out=path, thorough=thorough, watch=watch)
    except BrittleError as error:
        why = f"what opens here is another run: {'; '.join(error.lines)}" if isinstance(error, AnotherRun) else error
        raise RunError(
            f"all parts of the run are in {told(path)}, and its checks could not be made: {quoted(why, 600)}. Where "
            f"all opens that the audit is made of, this command again makes them, or that of the audit with --out "
            f"{told(path)}, or in Python the same call with that folder; none of them attacks anything anew"
        ) from error


def _check_no_shard(path: Path) -> None:
    """Refuse the folder of a shard in the place of that of the whole run."""
    shards = RunFolder.open(path).manifest.shards if (path / MANIFEST).is_file() else []
    if shards:
        raise InputError(
            f"{path} comes first and so is taken for OUT, the folder of the whole run, but is itself that of shard "
            f"{', '.join(shards)}; give a new folder before those of the shards: brittle merge OUT FOLDER... "
            "(merge(out, *runs) in Python)"
        )


def _check_same(first: RunFolder, other: RunFolder) -> None:
    """Refuse a folder of another run than the first."""
    before, after = first.manifest, other.manifest
    lines = before.differences(after.without_late(before)) if before.identity != after.identity else []
    if lines:
        listed = "".join(f"\n  {line}" for line in lines)
        raise RunError(
            f"{told(first.path)} and {told(other.path)} hold different runs, whose parts do not belong "
            f"together; give folders of shards that were asked for alike:{listed}"
        )


def _sources(folders: Sequence[RunFolder]) -> dict[Place, RunFolder]:
    """Return for each part a folder that holds it whole.

    Raises:
        RunError: a part is in no folder, or is not the same in two of them.
    """
    found = dict[Place, RunFolder]()
    manifest = folders[0].manifest
    places = [(one.key, block) for one in manifest.attacks for block in range(manifest.blocks)]
    for place in places:
        for folder in folders:
            if not folder.has_part(*place):
                continue
            first = found.setdefault(place, folder)
            if not _alike(first, folder, place):
                raise RunError(
                    f"{told(first.part_path(*place))} and {told(folder.part_path(*place))} hold different rows of the "
                    "same part; one of them was made by another machine or version of a library, or changed since: "
                    "leave one of the folders out, and do its part again"
                )
    if len(found) < len(places):
        missing = [place for place in places if place not in found]
        named = ", ".join(f"{key}-{block:06d}" for key, block in missing[:NAMED])
        named += ", ..." if len(missing) > NAMED else ""
        raise RunError(
            f"{len(missing):,} of {plural(len(places), 'part')} of the run are missing or damaged in all folders "
            f"({named}): {_why_missing(folders)}"
        )
    return found


def _alike(first: RunFolder, other: RunFolder, place: Place) -> bool:
    """Whether a part says the same in two folders, which may have kept pictures of different images."""
    if first is other or first.part_path(*place).read_bytes() == other.part_path(*place).read_bytes():
        return True
    one, two = (folder.part(*place, None) for folder in (first, other))
    pictures = [
        pair
        for name in PICTURES
        for pair in zip(one[name].to_pylist(), two[name].to_pylist(), strict=True)
        if None not in pair
    ]
    same = str(one.select(ROWS).to_pylist()) == str(two.select(ROWS).to_pylist())  # NaN as well is as it is written
    return same and all(mine == theirs for mine, theirs in pictures)


def _why_missing(folders: Sequence[RunFolder]) -> str:
    """Say which shards there are not, as far as the folders say of which they are, and what to do."""
    shards = [(ShardEngine.of(shard), folder) for folder in folders for shard in folder.manifest.shards]
    counts = sorted({shard.count for shard, _ in shards})
    if len(counts) > 1:
        said = ", ".join(f"{told(folder.path)} of {shard.text}" for shard, folder in shards)
        return f"the folders are of divisions by {' and '.join(map(str, counts))} ({said}), which do not add up"
    lacking = [f"{number}/{counts[0]}" for number in range(1, counts[0] + 1)] if counts else []
    lacking = [text for text in lacking if text not in [shard.text for shard, _ in shards]]
    if lacking:
        return (
            f"{'shard' if len(lacking) == 1 else 'shards'} {', '.join(lacking)} not among them; give those folders too"
        )
    return "give the commands of the shards again, which go on where they stopped"


def _joined(path: Path, folders: Sequence[RunFolder]) -> Manifest:
    """Return what is known of the whole run before it is checked."""
    first = folders[0].manifest
    bad = {one.index: one for folder in folders for one in folder.manifest.data.bad}
    command = without_option(first.command, "--out")
    return first.model_copy(
        update={
            "created": min(folder.manifest.created for folder in folders),
            "status": "running",
            "finished": None,
            "shards": [],
            "notes": [],
            "files": {name: digest for folder in folders for name, digest in folder.manifest.files.items()},
            "data": first.data.model_copy(update={"bad": [bad[index] for index in sorted(bad)]}),
            "command": [*command, "--out", told(path)] if command else [],
        }
    )


def _asked_again(manifest: Manifest) -> dict[str, Any]:
    """Return what an audit was asked, in the words that its run folder keeps.

    Raises:
        RunError: it was asked with values that have no words.
    """
    return {
        "model": network_again(manifest.network),
        "data": DataSpec(**words_of_images(manifest.data), max_images=manifest.max_images),
        "question": Question(
            threat_again(manifest.threat),
            quantization=manifest.quantization,
            radius=manifest.threat.radius,
            confidence=manifest.confidence,
        ),
        "attacks": [restored(one.spec) for one in manifest.attacks],
        "effort": Effort(
            *(manifest.budget, manifest.eot_samples, manifest.batch, manifest.seed, manifest.device),
            **asdict(manifest.search),
        ),
    }
