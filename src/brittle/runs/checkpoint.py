"""What an interrupted search or training goes on from: tensors and a header in one file, sealed by one checksum."""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors.torch import save
from torch import Tensor, uint8

from brittle.errors import RunError, quoted
from brittle.files import write_atomically
from brittle.identity.compare import differing
from brittle.reading import open_tensors, own_header

FORMAT = 2
"""Version of the layout; a file of another version is refused."""
Of = Literal["training", "search", "substitute"]
"""What goes on from a checkpoint; one of the other kind is refused."""


@dataclass(frozen=True)
class Kept:
    """What a checkpoint holds.

    Attributes:
        header: whatever JSON can hold.
        tensors: by name, on the CPU.
    """

    header: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def checksum(content: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> str:
    """Return the sha256, in hexadecimal, of all that a file says: its words, and names, types, shapes and bytes.

    Args:
        content: whatever JSON can hold.
        tensors: by name, on the CPU and contiguous.

    Example:
        >>> checksum({"a": 1})[:8]
        'f9d86028'
    """
    seen = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name, tensor in sorted((tensors or {}).items()):
        plain = tensor.detach().contiguous().cpu()
        about = f"{name} {plain.dtype} {tuple(plain.shape)}".encode()
        seen.update(struct.pack("<q", len(about)) + about)
        seen.update(plain.flatten().view(uint8).numpy().tobytes() if plain.numel() else b"")
    return seen.hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with the checksum of all of it; `broken_seal` looks at it when it is read."""
    plain = json.loads(json.dumps(content))  # as it will be read
    plain.pop("checksum", None)
    return {**plain, "checksum": checksum(plain)}


def broken_seal(content: Mapping[str, Any]) -> bool:
    """Whether a mapping is not what `sealed` made.

    Example:
        >>> broken_seal(sealed({"rate": 0.5})), broken_seal({**sealed({"rate": 0.5}), "rate": 0.7})
        (False, True)
    """
    rest = {name: value for name, value in content.items() if name != "checksum"}
    return content.get("checksum") != checksum(rest)


def write_checkpoint(
    path: Path, of: Of, identity: str, header: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write a checkpoint whole or not at all.

    Args:
        path: the file.
        of: what goes on from it.
        identity: of the work, as `stated` text, so that an error can say what differs.
        header: whatever else JSON can hold.
        tensors: by name, on any device.

    Raises:
        RunError: the file cannot be written.
    """
    separate = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    content = {**header, "format": FORMAT, "of": of, "identity": identity}
    words = json.dumps({**content, "checksum": checksum(content, separate)}, sort_keys=True)
    write_atomically(path, save(separate, {"brittle": words}))


def read_checkpoint(path: Path, of: Of, identity: str | None = None) -> Kept:
    """Read what `write_checkpoint` wrote, if it is whole and belongs to the same work.

    Args:
        path: the file.
        of: what goes on.
        identity: of the work that goes on; None takes that of any work.

    Raises:
        RunError: it is no checkpoint, is not as it was written, or is of other work; the message says what to do.
    """
    begin = "remove it to start again"
    try:
        with open_tensors(path) as file:
            header = own_header(file, path)
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        seen, found, whose, seal = header["format"], header["of"], header["identity"], header.pop("checksum")
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{str(path)!r} is not a checkpoint of brittle ({quoted(error)}); {begin}") from error
    if seen != FORMAT:
        raise RunError(f"the checkpoint {str(path)!r} has format {seen!r}, this version writes {FORMAT}; {begin}")
    if seal != checksum(header, tensors):
        raise RunError(
            f"the checkpoint {str(path)!r} is damaged: its checksum is not that of its content; "
            f"{begin}, or put back a copy"
        )
    if found != of or identity not in (None, whose):
        differ = "everything" if found != of or identity is None else differing(whose, identity)
        raise RunError(
            f"the checkpoint {str(path)!r} is of another {found}; what differs: {differ}; give the same again, name "
            f"another file, or {begin}"
        )
    return Kept(header, tensors)
