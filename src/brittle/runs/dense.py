"""The folder of an audit of a dense network: one row and, of the first images, pictures for each image."""

import json
import math
import re
from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

from pydantic import Field

from brittle.errors import OverLimit, RunError
from brittle.files import write_atomically
from brittle.reading import read_json
from brittle.runs.checkpoint import broken_seal, sealed
from brittle.runs.dense_manifests import DenseManifest
from brittle.runs.manifest_info import BadImageInfo, Name, Strict
from brittle.runs.results import ResultFolder

PICTURES = ("image", "changed", "before", "after")
"""Of an image: as it is and as changed, and what is said of its pixels before and after, as colours."""
OURS = re.compile(rf"[0-9]{{6,}}(\.json|-({'|'.join(PICTURES)})\.png)")
"""Names of rows and of pictures."""


class DenseImage(Strict, ABC):
    """What an attack came to on one image; the columns of `run_dense`.

    Attributes:
        index, name: position in the source, and name there.
        success, already: whether the share is reached, and whether it was before.
        size: of the change by the threat; None where none was found.
        sizes: of what is returned, by every norm.
        clean_share, share: which part of the pixels is otherwise than in the clean image, before and after.
        margin: by how much the last pixel that is needed is beyond its boundary; None where that is no number.
        forward, backward, iterations, seconds: what it cost.
        nonfinite_outputs, nonfinite_gradients: points at which the network said NaN or infinity, and such gradients.
    """

    index: int = Field(ge=0)
    name: Name
    success: bool
    already: bool
    size: float | None
    sizes: dict[str, float | None]
    clean_share: float = Field(ge=0, le=1)
    share: float = Field(ge=0, le=1)
    margin: float | None
    forward: int = Field(ge=0)
    backward: int = Field(ge=0)
    iterations: int = Field(ge=0)
    seconds: float
    nonfinite_outputs: int = Field(ge=0)
    nonfinite_gradients: int = Field(ge=0)

    @property
    def smallest(self) -> float:
        """The size of its change; infinite where none was found."""
        return math.inf if self.size is None else self.size


M = TypeVar("M", bound=DenseManifest)
R = TypeVar("R", bound=DenseImage)


class DenseFolder(ResultFolder[M], ABC, Generic[M, R]):
    """The folder of an audit of a dense network; an image is kept as soon as it is attacked.

    Attributes:
        row: what is kept of an image.
        parts: name of the folder of rows and pictures.
    """

    row: ClassVar[type[DenseImage]]
    parts: ClassVar[str]

    def image(self, index: int) -> R | None:
        """Return an image's row; None where it is not there, damaged, or of another audit."""
        try:
            found: object = read_json(self._path(index, ".json"))
            plain = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
            if broken_seal(plain) or plain.get("identity") != self.manifest.identity:
                return None
            image = self._row(plain["image"])
        except (OSError, OverLimit, ValueError, LookupError):
            return None
        return image if image.index == index else None

    def write_image(self, image: R, pictures: Mapping[str, bytes]) -> None:
        """Keep a row, and pictures by the names of `PICTURES`."""
        for name, png in pictures.items():
            write_atomically(self.picture(image.index, name), png)
        content = {"identity": self.manifest.identity, "image": image.model_dump(mode="json")}
        write_atomically(self._path(image.index, ".json"), _json(content))

    def picture(self, index: int, name: str) -> Path:
        """Return where one of the `PICTURES` of an image lies, if it was kept."""
        return self._path(index, f"-{name}.png")

    def kept(self) -> dict[int, R]:
        """Return the rows of the images that are attacked so far, by their positions in the source."""
        found = ((index, self.image(index)) for index in range(self.manifest.data.images))
        return {index: image for index, image in found if image is not None}

    def write_all(self, images: Sequence[R]) -> None:
        """Write the file of all rows."""
        rows = [image.model_dump(mode="json") for image in images]
        (name,) = self.kind.files
        write_atomically(self.path / name, _json({"identity": self.manifest.identity, "images": rows}))

    def images(self) -> list[R]:
        """Return all rows of an audit; of one that is not finished those that are there.

        Raises:
            RunError: it is damaged, or not one image is attacked yet.
        """
        if self.manifest.status != "finished":
            rows = [*self.kept().values()]
            if not rows:
                raise RunError(
                    f"{self.path} holds {self.title} that is not finished, and not one image is done; give the command "
                    "that made it again: it goes on"
                )
            return rows
        (name,) = self.kind.files
        path = self.file(name)
        try:
            rows = [self._row(plain) for plain in read_json(path)["images"]]
        except (OverLimit, ValueError, LookupError, TypeError) as error:
            raise RunError(
                f"{path} does not hold the rows of its audit; give the command that made it again"
            ) from error
        if not rows:
            raise RunError(f"{path} holds no rows; give the command that made it again")
        return rows

    def note_bad(self, bad: Sequence[BadImageInfo]) -> None:
        """Record images that could not be read and were left out."""
        self.change_manifest(lambda manifest: {"data": manifest.data.model_copy(update={"bad": [*bad]})})

    def files_of_work(self) -> Iterable[Path]:
        """The file of all rows, the rows and pictures of images, of whichever audit lies there."""
        parts = (file for file in (self.path / self.parts).glob("*") if OURS.fullmatch(file.name))
        return (*super().files_of_work(), *parts)

    def _path(self, index: int, ending: str) -> Path:
        return self.path / self.parts / f"{index:06d}{ending}"

    def _row(self, plain: object) -> R:
        return cast("R", self.row.model_validate_json(json.dumps(plain)))


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(sealed(content), indent=1) + "\n").encode()
