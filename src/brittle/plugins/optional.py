"""Optional packages: what is to be installed where one is missing, or does not fit torch."""

import importlib
from typing import Any

from brittle.errors import BrittleError, MissingExtra, ModelError, quoted

INDEX = "https://download.pytorch.org/whl/"
"""Where builds of torch for a processor or a version of CUDA come from, by their tag."""
AGAIN = "install it again, in a version that fits the packages that it needs"
"""What helps where nothing else is known."""
DEEPEST = 20
"""Errors behind an error that are looked at."""


def optional(package: str, extra: str, purpose: str, error: type[BrittleError] = ModelError) -> Any:
    """Import an optional package; one that is there and built for another torch is told apart from one that is missing.

    Args:
        package: such as "torchvision.models".
        extra: of brittle that brings it, such as "vision".
        purpose: what it is for, such as "a network of torchvision".
        error: is raised where it cannot be imported.

    Raises:
        MissingExtra: it is not installed, or a package that it needs.
        BrittleError: of that kind; it is installed, and cannot be imported.

    Example:
        >>> optional("json.decoder", "vision", "a list").JSONDecoder().decode("[1]")
        [1]
    """
    root = package.partition(".")[0]
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as missing:
        raise MissingExtra((missing.name or root).partition(".")[0], extra, purpose) from missing
    except Exception as failed:
        raise error(
            f"{purpose} needs {root}, which is installed but cannot be imported ({type(failed).__name__}: "
            f"{quoted(failed)}); {advice(failed)}"
        ) from failed


def advice(failed: BaseException, otherwise: str = AGAIN) -> str:
    """Return what to install where a package fails.

    Args:
        failed: what was raised. Where torchvision is in its words, or in those of what caused it, torchvision is
            missing or built for another torch.
        otherwise: what to say where it is not.

    Example:
        >>> advice(ImportError("cannot import name 'x' from 'numpy'"))
        'install it again, in a version that fits the packages that it needs'
    """
    from torch import __version__ as torch

    cause: BaseException | None = failed
    said: list[str] = []
    while cause is not None and len(said) < DEEPEST:
        said.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    if not any("torchvision" in one.lower() for one in said):
        return otherwise
    version, _, tag = str(torch).partition("+")
    where = f" --index-url {INDEX}{tag}" if tag.isalnum() else ""
    return (
        f"torchvision is missing, or not the one that belongs to torch {torch}: install both in one command from one "
        f"source, pip install --force-reinstall torch=={version} torchvision{where}"
    )
