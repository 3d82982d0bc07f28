"""Copies of the process of the tests, to be killed: all is imported in them, which takes a new process seconds."""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

LONGEST = 60
"""Seconds after which a copy that hangs is ended."""


def begun(work: Callable[[], object], out: Path | None = None, err: Path | None = None) -> int:
    """Begin some work in a copy of this process, whose output goes into files, and return its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which newer Pythons see and the copy lacks
        copy = os.fork()
    if copy:
        return copy
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.alarm(LONGEST)
        for number, name, path in ((1, "stdout", out), (2, "stderr", err)):
            if path is not None:
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
                setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115  # for good
        work()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(copy: int) -> int:
    """Wait for a copy, and return how it ended: with its exit status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])


def ending(work: Callable[[], object], **files: Path) -> int:
    """Do some work in a copy of this process, and return how that ended."""
    return ended(begun(work, **files))


def kill(*_: object) -> None:
    """End this process as `kill -9` does: nothing is tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)
