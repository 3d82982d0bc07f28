"""Addresses such as ``s3://bucket/run``: told from paths, and written down without what is secret in them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeGuard

WRITTEN = re.compile(r"(?:[a-z][a-z0-9+-]+::)*[a-z][a-z0-9+-]+://", re.ASCII | re.IGNORECASE)
"""How an address begins: a protocol, which others may stand before, as in ``dir::file://``."""
COLLAPSED = re.compile(r"(?:[a-z][a-z0-9+-]+::)*[a-z][a-z0-9+-]+:/(?!/)", re.ASCII | re.IGNORECASE)
"""What a path makes of it, which takes two strokes for one."""
USER = re.compile(r"(://)[^/@]*@")
QUERY = re.compile(r"[?#].*", re.DOTALL)
OPTION = re.compile(r"(-[\w-]+=)?(.*)", re.DOTALL)
"""A word of a command line: an option with its value, or a value."""


def is_address(text: object) -> TypeGuard[str]:
    """Whether a user wrote an address and no path.

    Example:
        >>> is_address("s3://bucket/run"), is_address("runs/first"), is_address("hf:uoft-cs/cifar10")
        (True, False, False)
    """
    return isinstance(text, str) and WRITTEN.match(text) is not None


def looks_collapsed(path: object) -> bool:
    """Whether a path is what is left of an address that was taken for one.

    Example:
        >>> from pathlib import Path
        >>> looks_collapsed(Path("s3://bucket/run")), looks_collapsed(Path("runs/s3"))
        (True, False)
    """
    return COLLAPSED.match(str(path)) is not None


def plain_address(text: str) -> str:
    """Return an address without user, password and query, where tokens are; whatever is no address stays.

    A question mark that stands for a letter, as in ``test-0?.parquet``, stays too.

    Example:
        >>> plain_address("https://me:word@host/val.parquet?token=abc"), plain_address("val.parquet")
        ('https://host/val.parquet', 'val.parquet')
    """
    if not is_address(text):
        return text
    whole = USER.sub(r"\1", text)
    return QUERY.sub("", whole) if "=" in whole.partition("?")[2] or "#" in whole else whole


def plain_words(words: Sequence[str]) -> list[str]:
    """Return a command line with its addresses as of `plain_address`.

    Example:
        >>> plain_words(["audit", "net.pt2", "--data=s3://key:word@bucket/val.parquet"])
        ['audit', 'net.pt2', '--data=s3://bucket/val.parquet']
    """
    parts = [OPTION.fullmatch(word) for word in words]
    return [(found[1] or "") + plain_address(found[2]) if found else "" for found in parts]


def path_or_address(text: str) -> Path | str:
    """Return what a user wrote as a path, unless it is an address.

    Example:
        >>> path_or_address("runs/first"), path_or_address("s3://bucket/run")
        (PosixPath('runs/first'), 's3://bucket/run')
    """
    return text if is_address(text) else Path(text)


def protocol_of(address: str) -> str:
    """Return by which protocol an address is asked, the last one of a chain.

    Example:
        >>> protocol_of("S3://bucket/run"), protocol_of("dir::file:///work/run")
        ('s3', 'file')
    """
    return address.partition("://")[0].rpartition("::")[2].lower()


def in_small_letters(address: str) -> str:
    """Return an address with its protocol as file systems know it.

    Example:
        >>> in_small_letters("File:///Data")
        'file:///Data'
    """
    protocol, strokes, place = address.partition("://")
    return protocol.lower() + strokes + place


def last_name(address: str) -> str:
    """Return the last part of an address, as the name of a file or a folder.

    Example:
        >>> last_name("s3://bucket/data/val.parquet")
        'val.parquet'
    """
    return plain_address(address).rpartition("://")[2].rstrip("/").rpartition("/")[2]
