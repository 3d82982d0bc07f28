"""The folder of adversarial images: what every file in it is, so that a killed attack goes on and mixes nothing up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from brittle.errors import RunError
from brittle.evaluation.saved_pictures import FIELD, MOVING, VECTORS
from brittle.files import remove_file, write_atomically
from brittle.identity.compare import differing, fingerprint, stated
from brittle.identity.sources import digest_of_file
from brittle.names import restored, stored, stored_within
from brittle.runs.checkpoint import broken_seal, sealed
from brittle.runs.kinds import ATTACK, json_of
from brittle.runs.place import beside as with_ending
from brittle.runs.printed import Origin
from brittle.runs.surroundings import now

BLOCK = 16
"""Images that are attacked and saved together."""
FORMAT = 1
"""Version of `attack.json`."""


@dataclass(frozen=True)
class Saved:
    """An adversarial PNG.

    Attributes:
        source: the name of the image attacked.
        path: the PNG; None where nothing adversarial was found.
        label: the class it had: the true one where it is known, otherwise the one predicted.
        before, after: predicted classes of the clean image and of the PNG as read back.
        confidence: of `after`.
        linf, l2: norms of the change in the PNG.
        cost: fraction by which rounding to the levels of the PNG made the change larger, by the attack's norm; negative
            where the search on them found a smaller one, None without a PNG and for deformations.
        success: whether the PNG, read back from disk, meets the goal.
        already: the clean image met the goal before any change.
        flow: longest vector of the deformation, in pixels; None for other changes.
        lost: the attack succeeded, but no image on the levels of a PNG was found that does.
        norm, size: of a threat of another kind than the usual norms, its name and the size of the change in the PNG by
            it, such as the side of a patch or the width of a frame in pixels; None for other changes.
        original: the image attacked, as the network sees it, beside the PNG; None without one.
    """

    source: str
    path: Path | None
    label: int
    before: int
    after: int
    confidence: float
    linf: float
    l2: float
    cost: float | None
    success: bool
    already: bool
    flow: float | None = None
    lost: bool = False
    norm: str | None = None
    size: float | None = None
    original: Path | None = None


@dataclass
class ImageFolder:
    """A folder of adversarial images, which only the process that holds it writes to.

    Attributes:
        path: the folder.
        identity: of the call that fills it, as `stated` text.
        blocks: what is there, block by block: the images as plain values, and the digests of their files by name.
        announced: names of files that are about to be written.
        about: by which words network and images opened, for whoever reads the folder.
        created: when its first image was begun, ISO 8601 in UTC; "" in a folder of an older version.
        command: the command line that began it, word by word; empty from Python.
    """

    path: Path
    identity: str
    blocks: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    announced: list[str] = field(default_factory=list[str])
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    created: str = ""
    command: Sequence[str] = ()

    @classmethod
    def open(
        cls,
        path: Path,
        identity: str,
        *,
        force: bool,
        about: Mapping[str, Any] | None = None,
        command: Sequence[str] = (),
    ) -> Self:
        """Begin in an empty folder, or go on in that of the same call.

        Args:
            path: of the folder, which holds nothing or images of ours.
            identity: of the call.
            force: remove the images of another call.
            about: what shall be kept beside the identity.
            command: the command line, which is kept of the call that began the folder.

        Raises:
            RunError: the images are of another call, and `force` is False; the message says what differs.
        """
        kept = json_of(path / ATTACK)
        found = cls(path, identity, about=about or {}, created=now(), command=[*map(stored, command)])
        if not kept:
            return found
        if broken_seal(kept):
            raise RunError(f"{path / ATTACK} is damaged: its checksum is not that of its content; give another folder")
        if json.dumps(kept["identity"], sort_keys=True) == _in_file(identity):
            found.blocks = found._whole(kept.get("blocks", []))
            found.announced = [*kept.get("announced", [])]
            found.created, found.command = _made(kept)
            return found
        if kept.get("blocks") and not force:
            differ = differing(json.dumps(kept["identity"]), _in_file(identity))
            raise RunError(
                f"{path} holds the images of another attack, which stay as they are (what differs: {differ}); give "
                "another folder, or --force to replace them"
            )
        for name in {name for block in kept.get("blocks", []) for name in block["files"]} | {
            *kept.get("announced", [])
        }:
            if Path(name).name == name:
                remove_file(path / name)
        return found

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a folder that nothing is added to.

        Raises:
            RunError: it holds no images of ours, or files that are not as they were written.
        """
        kept = json_of(path / ATTACK)
        if not isinstance(kept.get("identity"), dict) or not isinstance(kept.get("blocks"), list):
            raise RunError(f"{path} is no folder of adversarial images; expected one that `brittle attack` made")
        if broken_seal(kept):
            raise RunError(f"{path / ATTACK} is damaged: its checksum is not that of its content; make them again")
        about = kept.get("about", {})
        created, command = _made(kept)
        found = cls(path, stated(kept["identity"]), about=about, created=created, command=command)
        found.blocks = found._whole(kept["blocks"])
        if len(found.blocks) < len(kept["blocks"]):
            raise RunError(
                f"an image of {path} is missing or not as it was written; give the command that made it again"
            )
        return found

    @property
    def stated(self) -> dict[str, Any]:
        """What the identity says."""
        return json.loads(self.identity)

    @property
    def origin(self) -> Origin:
        """What the images were made from."""
        said, specs = self.stated, {name: str(one.get("spec", "")) for name, one in self.about.items()}
        return Origin(
            [{"spec": specs.get("model", ""), "digest": said["network"]}],
            [{"spec": specs.get("data", ""), "digest": said["images"], "images": len(self.saved)}],
            said["seed"],
            said["device"],
            self.created or None,
            versions=said["versions"],
        )

    @property
    def id(self) -> str:
        """The fingerprint of the identity."""
        return fingerprint(self.identity)

    @property
    def next(self) -> int:
        """Number of the first image that is not done."""
        return len(self.blocks) * BLOCK

    @property
    def saved(self) -> list[Saved]:
        """All images that are done, in order."""
        rows = [Saved(**image) for block in self.blocks for image in block["images"]]
        rows = [replace(row, source=restored(row.source)) for row in rows]
        return [
            row if row.path is None else replace(row, path=self.path / row.path, original=self._within(row.original))
            for row in rows
        ]

    def _within(self, name: Path | str | None) -> Path | None:
        return None if name is None else self.path / name

    def announce(self, names: Sequence[str], deformed: bool, beside: Sequence[str] = ()) -> None:
        """Say which files are about to be written, so that nobody takes one that a killed process left for another."""
        endings = (".png", VECTORS, MOVING, FIELD) if deformed else (".png",)
        self.announced = [with_ending(Path(name), ending).name for name in names for ending in endings] + [*beside]
        self._write()

    def add(self, rows: Sequence[Saved]) -> None:
        """Keep a block whose files are all written."""
        images = [
            {
                **asdict(row),
                "source": stored(row.source),
                "path": row.path and row.path.name,
                "original": row.original and row.original.name,
            }
            for row in rows
        ]
        files = {name: digest_of_file(self.path / name) for name in self.announced}
        self.blocks.append({"images": images, "files": files})
        self.announced = []
        self._write()

    def _whole(self, blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the blocks up to the first whose files are not as they were written."""
        for number, block in enumerate(blocks):
            for name, digest in block["files"].items():
                path = self.path / name
                if Path(name).name != name or path.is_symlink() or not path.is_file() or digest_of_file(path) != digest:
                    return [*blocks[:number]]
        return [*blocks]

    def _write(self) -> None:
        identity = json.loads(_in_file(self.identity))
        words = {
            "format": FORMAT,
            "id": self.id,
            "identity": identity,
            "created": self.created,
            "command": [*self.command],
            "about": dict(self.about),
            "announced": self.announced,
            "blocks": self.blocks,
        }
        write_atomically(self.path / ATTACK, (json.dumps(sealed(words), indent=1) + "\n").encode())


def _made(kept: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return when and by which command a folder was begun; nothing of one of an older version."""
    return str(kept.get("created", "")), [str(word) for word in kept.get("command", [])]


def _in_file(identity: str) -> str:
    """Return an identity as a file can hold it."""
    return json.dumps(stored_within(json.loads(identity)), sort_keys=True)
