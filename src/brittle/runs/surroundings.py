"""Where and when something is made, as every manifest tells it."""

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from brittle.version import __version__

STATED = ("brittle", "torch", "numpy", "pyarrow", "pillow", "python")
"""Packages whose versions every manifest tells."""


def now() -> str:
    """Return the time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine() -> str:
    """Return what the machine is, in words, such as "x86_64, 2 cores"."""
    return f"{platform.machine()}, {os.cpu_count()} cores"


def versions_of(packages: Iterable[str] = STATED) -> dict[str, str]:
    """Return the versions of packages, of Python too, by their names; "unknown" for one that is not installed.

    Example:
        >>> versions_of(["no-such-package"])
        {'no-such-package': 'unknown'}
    """
    return {name: _version(name) for name in packages}


@cache  # the code that is loaded stays of one version
def _version(package: str) -> str:
    if package == "python":
        return platform.python_version()
    if package == "brittle":
        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
