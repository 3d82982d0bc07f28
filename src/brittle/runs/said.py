"""The folder of an audit in a few lines, and with pictures where there is a notebook."""

from typing import cast

from brittle.files import told
from brittle.metrics.formats import Units, estimate_text
from brittle.metrics.rows import flags
from brittle.notebook import EXAMPLES, Example
from brittle.runs.manifest import AttackInfo
from brittle.runs.schema import pixels_in
from brittle.runs.store import RunFolder
from brittle.words import plural


def headline(folder: RunFolder) -> str:
    """Return what was audited, and by what; of an evaluation that failed a check, that first."""
    manifest = folder.manifest
    asked, health = manifest.threat, folder.health()
    size = "of any size" if asked.radius is None else f"up to {units_of(folder).text(asked.radius, asked.norm)}"
    attacks = ", ".join(one.spec for one in manifest.attacks)
    named = f"{manifest.network.spec} on {manifest.data.spec}, {asked.norm} {size}, {attacks}"
    return named if health is None or health.reliable else f"{health.headline} {named}"


def lines(folder: RunFolder) -> list[tuple[str, str]]:
    """Return the accuracies, the median change and the folder, each with its name; of an unfinished run, that first."""
    place = ("folder", told(folder.path))
    if not set[int].intersection(*({*folder.blocks(one.key)} for one in folder.manifest.attacks)):
        return [("nothing yet", "no image was attacked in every way so far"), place]
    found = folder.summary()
    said = [("clean accuracy", estimate_text(found.clean)), ("robust accuracy", estimate_text(found.robust))]
    if folder.manifest.status != "finished":
        done, parts = folder.progress()
        return [("not finished", f"{done:,} of {plural(parts, 'part')} done; so far:"), *said, place]
    if found.median is not None:
        said.append(("median change", units_of(folder).estimate(found.median, found.norm)))
    return [*said, place]


def examples(folder: RunFolder) -> list[Example]:
    """Return changed images of the first attack that has kept some."""
    found = (_examples(folder, one) for one in folder.manifest.attacks)
    return next((some for some in found if some), [])


def units_of(folder: RunFolder) -> Units:
    """Return how sizes of a run are written."""
    lower, upper = folder.manifest.network.bounds
    return Units(upper - lower)


def _examples(folder: RunFolder, attack: AttackInfo) -> list[Example]:
    made: list[Example] = []
    lower, upper = folder.manifest.network.bounds
    for block in folder.blocks(attack.key):
        part = folder.part(attack.key, block, None)
        rows = part.filter(flags(part, "success")).to_pylist()
        for row in (row for row in rows if row["original"] is not None and row["adversarial"] is not None):
            pair = [(pixels_in(row, name) - lower) / (upper - lower) for name in ("original", "adversarial")]
            size = units_of(folder).text(cast("float", row["size"]), attack.norm)
            says = " → ".join(folder.manifest.data.class_name(row[name]) for name in ("clean_prediction", "prediction"))
            made.append(Example(f"{attack.spec}, {row['name']}: {says}, {attack.norm} {size}", pair[0], pair[1]))
            if len(made) == EXAMPLES:
                return made
    return made
