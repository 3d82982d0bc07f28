"""Functions that write a folder, at an address as on a disk."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from brittle.addresses import is_address
from brittle.remote.place import at

P = ParamSpec("P")
R = TypeVar("R")


def out_at_address(function: Callable[P, R]) -> Callable[P, R]:
    """Let `out` of a function be an address: it works in a copy on this disk, which what it returns keeps.

    Args:
        function: has a parameter `out`, a folder, and writes by `brittle.files` alone.

    Example:
        >>> from brittle.files import write_atomically
        >>> class Made: ...
        >>> @out_at_address
        ... def make(out):
        ...     write_atomically(out / "manifest.json", b"{}")
        ...     return Made()
        >>> made = make("memory://example/made")
        >>> import fsspec
        >>> fsspec.filesystem("memory").cat("/example/made/manifest.json")
        b'{}'
    """
    signature = inspect.signature(function)

    @wraps(function)
    def there(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        out = bound.arguments.get("out")
        if not is_address(out):
            return function(*args, **kwargs)
        with at(out) as place:
            bound.arguments["out"] = place.path
            made = function(*bound.args, **bound.kwargs)
            place.keep_for(made)
        return made

    return there
