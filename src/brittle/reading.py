"""The one door to files that somebody else made: ordinary files alone, within the limits, and no surprise inside.

Whatever is wrong with a file as a file comes out as OSError, with JSON as ValueError, with an archive as BadZipFile;
what is too large as OverLimit. So every reader says in its own words what the file should have been.
"""

import errno
import io
import json
import os
import re
import stat
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError, safe_open

from brittle.limits import check_limit

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
"""What lies under a name and is no ordinary file."""
HEADER = 8
"""Bytes in which a safetensors file says how long its header is."""
RECORDS = 100_000
"""Members that an archive may have."""
STORED_OR_DEFLATED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compressions of archives that are inflated piece by piece; of others one piece may be of any size."""
BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


def check_ordinary(path: Path) -> os.stat_result:
    """Refuse what is no ordinary file, also behind a link, without opening it; return what is known of the file.

    Raises:
        OSError: it is a named pipe, a device, a socket or a folder, or there is nothing.

    >>> check_ordinary(Path(__file__)).st_size > 0
    True
    """
    return _ordinary(path.stat(), path)


def open_ordinary(path: Path) -> BinaryIO:
    """Open an ordinary file for reading; nothing else is opened, so that nothing waits for a pipe's other end.

    Raises:
        OSError: as `check_ordinary`, or the file cannot be read.
    """
    check_ordinary(path)
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # it may have changed since
    file = os.fdopen(handle, "rb")
    try:
        _ordinary(os.fstat(handle), path)
    except OSError:
        file.close()
        raise
    return file


def _ordinary(found: os.stat_result, path: Path) -> os.stat_result:
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"it is {KINDS.get(kind, 'something else')}, not an ordinary file", str(path))
    return found


def read_bytes(path: Path, limit: str = "record") -> bytes:
    """Read an ordinary file whole.

    Args:
        path: the file.
        limit: the name of the limit that its size must keep.

    Raises:
        OSError: it is no ordinary file, or cannot be read.
        OverLimit: it is too large.
    """
    with open_ordinary(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_limit(limit, size, str(path))
        return file.read(size)


def read_text(path: Path) -> str:
    """Read an ordinary file of text in UTF-8 whole; raises ValueError for other bytes, and as `read_bytes`."""
    return read_bytes(path, "text").decode("utf-8")


def read_json(path: Path, limit: str = "text") -> Any:
    """Read a file of JSON; arguments as of `read_bytes`, raises as it does and as `parse_json`."""
    return parse_json(read_bytes(path, limit), str(path), limit)


def parse_json(text: str | bytes, what: str = "JSON", limit: str = "text") -> Any:
    """Take a text in JSON apart, however it is nested.

    Args:
        text: in UTF-8 where it is bytes.
        what: what to call it in an error.
        limit: the name of the limit that its length must keep.

    Raises:
        ValueError: it is no JSON, or holds text that UTF-8 cannot write.
        OverLimit: it is too long, or nested too deep.

    >>> parse_json('{"a": [1, 2]}')
    {'a': [1, 2]}
    """
    check_limit(limit, len(text), what)
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    check_limit("depth", _depth(text), what)
    parsed = json.loads(text)
    if r"\u" in text:
        json.dumps(parsed, ensure_ascii=False).encode()  # half a letter, which cannot be written: UnicodeEncodeError
    return parsed


def _depth(text: str) -> int:
    """How deep brackets lie within each other, those within strings aside."""
    depth = deepest = 0
    for found in BRACKETS.finditer(text):
        bracket = found[0]
        if bracket in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in "]}":
            depth -= 1
    return deepest


@contextmanager
def named_in_text(path: Path) -> Generator[str]:
    """Give a name of a file, while it is opened, that is text: Arrow and safetensors take no other.

    Example:
        >>> with named_in_text(Path("images.parquet")) as name:
        ...     print(name)
        images.parquet
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        handle = os.open(path, os.O_RDONLY)
        try:
            yield f"/dev/fd/{handle}"
        finally:
            os.close(handle)
    else:
        yield str(path)


@contextmanager
def open_tensors(path: Path, framework: str = "pt") -> Generator[Any]:
    """Open a safetensors file; whatever is wrong with it or its tensors becomes a ValueError, if it is no OSError.

    Args:
        path: the file.
        framework: what its tensors shall be, "pt" or "np".

    Yields:
        What `safetensors.safe_open` gives.

    Raises:
        OSError: it is no ordinary file, or cannot be read.
        ValueError: it is no safetensors file, or a damaged one.
        OverLimit: it, or its header, is too large.
    """
    with open_ordinary(path) as file:
        size, header = os.fstat(file.fileno()).st_size, int.from_bytes(file.read(HEADER), "little")
        check_limit("record", size, str(path))
        if header > size:
            raise ValueError(f"no whole safetensors file: it has {size:,} bytes and its header alone {header:,}")
        check_limit("text", header, f"the header of {path}")
    try:
        with named_in_text(path) as name, safe_open(name, framework=framework) as opened:
            yield opened
    except (SafetensorError, AttributeError, RuntimeError, OverflowError) as error:
        raise ValueError(f"no whole safetensors file: {error}") from error


def own_header(file: Any, path: Path) -> Any:
    """Return what brittle wrote into the header of a safetensors file: an object, unless somebody else wrote it.

    Args:
        file: from `open_tensors`.
        path: what to call it in an error.

    Raises:
        KeyError: there is nothing of brittle's.
        ValueError, OverLimit: as `parse_json`.
    """
    return parse_json((file.metadata() or {})["brittle"], f"the header of {path}")


@contextmanager
def open_zip(given: Path | bytes, what: str) -> Generator[zipfile.ZipFile]:
    """Open an archive whose directory is plain: not too many members, none twice, none of a rare compression.

    Args:
        given: the file, or all of its bytes.
        what: what to call it in an error.

    Raises:
        OSError: it is no ordinary file, or cannot be read.
        zipfile.BadZipFile: it is no archive, a damaged one, or one whose directory is not plain.
    """
    with io.BytesIO(given) if isinstance(given, bytes) else open_ordinary(given) as file:
        try:
            archive = zipfile.ZipFile(file)
        except (ValueError, NotImplementedError, OverflowError, RuntimeError) as error:
            raise zipfile.BadZipFile(f"its directory cannot be read ({error})") from error
        with archive:
            members = archive.infolist()
            check = {member.filename for member in members}
            if len(check) != len(members) or len(members) > RECORDS:
                raise zipfile.BadZipFile(f"{what} has {len(members):,} members of {len(check):,} names")
            for member in members:
                if member.compress_type not in STORED_OR_DEFLATED:
                    raise zipfile.BadZipFile(f"its member {member.filename!r} is compressed in a way that is not read")
            yield archive


def read_member(archive: zipfile.ZipFile, name: str, limit: str, what: str) -> bytes:
    """Read a member of an archive whole.

    Args:
        archive: from `open_zip`.
        name: of the member.
        limit: the name of the limit that its declared size must keep; no more than declared is ever inflated.
        what: what to call the archive in an error.

    Raises:
        OverLimit: it declares too much.
        zipfile.BadZipFile: it is damaged.
    """
    check_limit(limit, archive.getinfo(name).file_size, f"the member {name!r} of {what}")
    with archive.open(name) as member:
        return member.read()
