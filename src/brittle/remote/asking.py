"""Asking a remote file system: again where the network fails, and whatever fails in one sentence without secrets."""

import errno
import time
from collections.abc import Callable
from typing import Any, TypeVar

from brittle.addresses import plain_address
from brittle.errors import BrittleError, RunError, quoted

T = TypeVar("T")
PAUSES = (0.5, 2.0, 8.0)
"""Seconds before what failed for reasons of the network is tried again; then it has failed."""
PATIENCE = 30.0
"""Seconds from the first try after which there is no other: some packages try for minutes on their own."""
FINAL = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError, NotImplementedError)
"""Errors that another try does not mend."""


def asked(what: str, address: str, call: Callable[[], T], missing: Any = RunError) -> T | Any:
    """Ask a file system, several times where the network fails.

    Args:
        what: is done, as messages say it.
        address: of the folder.
        call: asks.
        missing: what is returned where nothing is there; an error by default.

    Raises:
        RunError: it fails. It says what stands and what to do.

    Example:
        >>> asked("read", "memory://run", lambda: b"some")
        b'some'
    """
    begun = time.monotonic()
    for pause in (*PAUSES, None):
        try:
            return call()
        except BrittleError:
            raise
        except Exception as error:
            if isinstance(error, FileNotFoundError) and missing is not RunError:
                return missing
            over = time.monotonic() - begun > PATIENCE
            if pause is None or over or isinstance(error, FINAL) or _refused(error):
                raise _failed(what, address, error) from error
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _failed(what: str, address: str, error: Exception) -> RunError:
    cannot, why = f"{plain_address(address).rstrip('/')} cannot be {what}", reason(error, address)
    if isinstance(error, FileNotFoundError):
        return RunError(f"{cannot}: nothing is there ({why}); make the bucket, or mend its name")
    if isinstance(error, PermissionError) or _refused(error):
        return RunError(f"{cannot}: access is denied ({why}); give credentials that may do it")
    return RunError(f"{cannot} ({why}); what lies there is whole, and the same command goes on from it")


def _refused(error: Exception) -> bool:
    """Whether a service says that nobody, or the wrong one, asks; its errors are of its own kinds."""
    code = getattr(error, "errno", None) in (errno.EACCES, errno.EPERM)
    return code or any(
        word in type(error).__name__ for word in ("Credential", "Forbidden", "Unauthorized", "AccessDenied")
    )


def reason(error: Exception, address: str) -> str:
    """Return what was said, without what is secret in the address.

    Args:
        error: of another library.
        address: as the user wrote it.

    Example:
        >>> reason(OSError("no answer to me:word"), "s3://me:word@bucket/run")
        'OSError: no answer to ...'
    """
    said = str(error).replace(address, plain_address(address))
    secret = address.partition("://")[2].rpartition("@")[0] if "@" in address else ""
    query = address.partition("?")[2] if plain_address(address) != address else ""
    for one in (part for part in (secret, query, *secret.split(":")) if part):
        said = said.replace(one, "...")
    return quoted(f"{type(error).__name__}: {said}" if said else type(error).__name__)
