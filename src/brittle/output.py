"""Whose words go where: standard output belongs to the command, what the user's own code prints goes beside it."""

import contextlib
import os
import sys
from collections.abc import Generator


@contextlib.contextmanager
def user_prints_aside() -> Generator[None]:
    """Send to standard error what is printed within, by Python or by a library below it.

    A factory, a network or a data set may print; what a command writes with `--json` must be JSON and nothing else.
    """
    sys.stdout.flush()
    try:
        own, aside = sys.stdout.fileno(), sys.stderr.fileno()
    except (OSError, ValueError):  # a stream that is no file, as in tests and notebooks
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    kept = os.dup(own)
    try:
        os.dup2(aside, own)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, own)
        os.close(kept)
