"""The one rule of outputs: `--out` never destroys, and files with dots in their names share nothing."""

import os
import stat
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from brittle.errors import RunError, quoted
from brittle.files import check_names, path_of, regular_or_nothing
from brittle.runs.kinds import Kind, kind_in
from brittle.runs.lock import names_held, sweep

LONGEST = "n" * 99
"""As long as any name that is given within a folder of ours."""
ENDINGS = (".safetensors", ".training.json", ".png", ".html")
"""Endings that give way to that of a file beside; any other part of a name, such as the .1 of v-0.1, stays."""


def beside(path: Path, ending: str) -> Path:
    """Return the file of another ending that belongs to a file.

    Args:
        path: of the file.
        ending: with its dot.

    Example:
        >>> [beside(Path(name), ".html").name for name in ("v.safetensors", "v-0.1", "a.b.safetensors")]
        ['v.html', 'v-0.1.html', 'a.b.html']
    """
    stem = path.name
    for known in ENDINGS:
        if stem.endswith(known) and stem != known:
            stem = stem.removesuffix(known)
            break
    return path.with_name(stem + ending)


def files_named(*specs: object) -> list[Path]:
    """Return the files and folders among what a user named as model, data or weights; other words are passed over.

    Args:
        specs: a path, `FILE.py:FACTORY`, a word such as `digits`, an object in place of a word, or None.
    """
    found: list[Path] = []
    for spec in specs:
        if isinstance(spec, str | os.PathLike):
            text = str(spec)
            for name in dict.fromkeys((text, text.rpartition(":")[0])):
                try:
                    path = path_of(name)
                    found += [path] if name and path.exists() else []
                except (OSError, ValueError, RuntimeError):
                    continue
    return found


@dataclass(frozen=True)
class FilePlace:
    """Where a command shall write a file, with those beside it.

    Attributes:
        path: the file.
        kind: of the file; one of the same kind may be replaced with `force`, any other may not.
        sides: what is written beside it, by ending.
        inputs: what is being read, and is never written over.
        force: replace what is of the same kind.
    """

    path: Path
    kind: Kind
    sides: Mapping[str, Kind] = field(default_factory=dict[str, Kind])
    inputs: Iterable[Path] = ()
    force: bool = False

    def side(self, ending: str) -> Path:
        """Return the file beside of an ending."""
        return beside(self.path, ending)

    def check(self) -> None:
        """Refuse a place where something lies that is none of ours, whatever `force` says.

        Raises:
            RunError: a folder, a device, a link, a file of another kind, or one that is being read.
        """
        check_names(self.path, *map(self.side, self.sides))
        for path, kind in ((self.path, self.kind), *((self.side(ending), kind) for ending, kind in self.sides.items())):
            not_an_input(path, self.inputs)
            if regular_or_nothing(path) and not kind.ours(path):
                raise RunError(f"{path} exists and is not {kind.name} of brittle; it stays as it is, give another name")

    @contextmanager
    def held(self) -> Generator[None]:
        """Be the only one who writes there; looks again at what lies there.

        Raises:
            RunError: as `check`, or somebody else writes there.
        """
        names = [self.path.name, *(self.side(ending).name for ending in self.sides)]
        with names_held(self.path.parent, beside(self.path, "").name, names):
            self.check()
            yield

    def replace(self, what: str, others: Iterable[Path]) -> None:
        """Refuse to write over what another command made, unless that is asked for.

        Args:
            what: is there, in words.
            others: the files that belong to other work; none of them needs to exist.

        Raises:
            RunError: one of them exists, and `force` is False.
        """
        there = [path for path in others if path.exists()]
        if there and not self.force:
            raise RunError(
                f"{there[0]} holds {what}, which stays as it is; give another name, or --force to replace it"
            )


def not_an_input(path: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write over a file that is being read.

    Raises:
        RunError: the path is one of the inputs, under whatever name.
    """
    for given in inputs:
        if path.exists() and given.exists() and path.samefile(given):
            raise RunError(f"{path} is being read by this very command and would be written over; give another name")


def check_folder(folder: Path, kind: Kind, inputs: Iterable[Path] = ()) -> None:
    """Refuse a folder that holds something else than an earlier command of the same kind left.

    Args:
        folder: new, empty or ours.
        kind: of the folder.
        inputs: what is being read.

    Raises:
        RunError: it is no folder, is being read, or holds something else.
    """
    check_names(folder / LONGEST)
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        if folder.is_symlink():
            raise RunError(f"{folder} is a link to {folder.readlink()}, which is not there; give a folder") from None
        return
    except OSError as error:
        raise RunError(f"{folder} cannot be looked at: {error.strerror or error}; give another folder") from error
    if not stat.S_ISDIR(mode):
        raise RunError(f"{folder} is no folder but a file, which stays as it is; give a new or an empty folder")
    for written in (folder, *(folder / name for name in kind.files)):
        not_an_input(written, inputs)
    others = sorted(entry.name for entry in folder.iterdir() if not entry.name.endswith(".unfinished"))
    if others and not kind.ours(folder):
        if other := kind_in(folder):
            raise RunError(
                f"{folder} is not {kind.name} but holds work of another kind ({quoted(other, 20)}); it stays as it is, "
                "give a new or an empty folder"
            )
        raise RunError(
            f"{folder} is not {kind.name} of brittle but holds other files ({', '.join(others[:3])}); they stay as "
            "they are, give a new or an empty folder"
        )


def check_page(path: Path, kind: Kind, *, asked: bool, force: bool) -> None:
    """Refuse to write a page over a file that is no page of ours, or over another page that the user named.

    Args:
        path: where the page shall lie.
        kind: `PAGE`.
        asked: the user named this file; where brittle chose it, beside what the page shows, its own page gives way.
        force: replace a page of ours.

    Raises:
        RunError: something is there that stays.
    """
    place = FilePlace(path, kind, force=force or not asked)
    place.check()
    place.replace("another page", [path])
    if path.parent.is_dir():
        sweep(path.parent)
