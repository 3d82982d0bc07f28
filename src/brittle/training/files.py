"""Writing a file so that a reader sees either the old one or the new one, never a part."""

import os
import tempfile
from pathlib import Path

from brittle.errors import RunError


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: a temporary file in the same folder, flushed to disk, then renamed.

    Args:
        path: where the file shall lie; its folder is made where it is missing.
        content: all of its bytes.

    Raises:
        RunError: the folder cannot be written, or the disk is full; an older file stays as it was.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_atomically(folder / "note", b"whole")
        >>> (folder / "note").read_bytes()
        b'whole'
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise RunError(f"cannot write {str(path)!r}: {error}; choose another folder") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_creation_mask())  # noqa: PTH101 (mkstemp makes files that only their owner can read)
        os.replace(name, path)  # noqa: PTH105 (the call whose atomicity is promised)
    except OSError as error:
        raise RunError(f"cannot write {str(path)!r}: {error}; free some space or choose another folder") from error
    finally:
        Path(name).unlink(missing_ok=True)


def _creation_mask() -> int:
    """The process's mask for new files; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
