"""The version, said once: by the version control system when the package is built."""

from importlib.metadata import PackageNotFoundError, version

UNINSTALLED = "0.1.0"
"""Of sources that are imported without having been installed; `pyproject.toml` names the same."""


def installed(package: str = "brittle") -> str:
    """Return the version that a package was built with, `UNINSTALLED` where it was not.

    Example:
        >>> installed("a package that nobody has")
        '0.1.0'
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return UNINSTALLED


__version__ = installed()
