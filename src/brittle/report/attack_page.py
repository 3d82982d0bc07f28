"""The page of adversarial images: what was done, and each image beside its original, with the change made visible."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brittle.metrics.estimate import proportion
from brittle.metrics.formats import Units, interval, percent, significant
from brittle.pictures import amplification, data_uri, picture_of
from brittle.report.content import object_of, picture_in, shown
from brittle.report.formats import command_text, subject
from brittle.report.gallery import SMALL, reduced
from brittle.report.template import fill
from brittle.runs.kinds import INDEX

SHOWN = 12
"""Images of an attack that the page shows, so that it stays small; the table names all."""


@dataclass(frozen=True)
class Shot:
    """An adversarial image as the page shows it: data URIs, and text."""

    file: str
    caption: str
    size: str
    scale: str
    original: str
    change: str
    changed: str
    small: bool


def attack_page(run: Path) -> str:
    """Return the page of a folder of `brittle attack`.

    Raises:
        RunError: the folder is damaged.
    """
    with shown(run, "a folder of `brittle attack`"):
        return render(run)


def render(path: Path) -> str:
    """The whole page as text."""
    index = object_of(path / INDEX)
    attacks: list[dict[str, Any]] = index["attacks"]
    return fill(
        "attack.html",
        {},
        network=subject(str(attacks[0]["network"])) if attacks else "a network",
        data=subject(str(attacks[0]["data"])) if attacks else "images",
        created=str(index.get("created", "")),
        version=str(index.get("versions", {}).get("brittle", "")),
        command=command_text(map(str, index.get("command", []))),
        attacks=[
            (one, _lead(one["images"]), one["images"], _shots(path, one), len(_with_files(one))) for one in attacks
        ],
    )


def _lead(images: list[dict[str, Any]]) -> tuple[str, str]:
    tried = [one for one in images if not one["already"]]
    if not tried:
        return "–", "no image was tried: each met the goal from the start"
    rate = proportion(sum(bool(one["success"]) for one in tried), len(tried))
    already = len(images) - len(tried)
    wrong = f"; {already:,} more met the goal from the start" if already else ""
    return percent(rate.value), f"of {rate.n:,} images have an adversarial file; {interval(rate)}{wrong}"


def _shots(path: Path, attack: dict[str, Any]) -> list[Shot]:
    return [_shot(path, one) for one in _with_files(attack)[:SHOWN]]


def _with_files(attack: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in attack["images"] if one["file"] and one["original"]]


def _shot(path: Path, one: dict[str, Any]) -> Shot:
    original, changed = (picture_in(_inside(path, str(one[name])).read_bytes()) for name in ("original", "file"))
    before, after = (np.asarray(picture, dtype=np.float64) / 255 for picture in (original, changed))
    factor = amplification(float(np.abs(after - before).max(initial=0.0)))
    change = 0.5 + factor * (after - before)
    drawn = picture_of(change[None] if change.ndim == 2 else change.transpose(2, 0, 1))
    units = Units(1.0)
    size = f"{units.size(float(one['linf']), 'linf')} in L∞, {units.size(float(one['l2']), 'l2')} in L2"
    flow = one["flow"]
    return Shot(
        file=str(one["file"]),
        caption=f"{one['label_name']} → {one['after_name']} ({percent(float(one['confidence']))})",
        size=size if flow is None else f"no pixel moved by more than {units.size(float(flow), 'flow')}",
        scale=f"change ×{factor:g}, grey ± {significant(127.5 / factor)}/255",
        original=data_uri(reduced(original)),
        change=data_uri(reduced(drawn)),
        changed=data_uri(reduced(changed)),
        small=max(changed.size) <= SMALL,
    )


def _inside(path: Path, name: str) -> Path:
    """Return a file of the folder, or of a folder in it; no other is read, whatever the list says."""
    parts = Path(name).parts
    if not 1 <= len(parts) <= 2 or ".." in parts or Path(name).is_absolute():
        raise ValueError("the list names a file that is not in the folder")
    file = path / name
    if any(one.is_symlink() for one in (file, file.parent)) and file.parent != path:
        raise ValueError("the list names a link")
    return file
