"""What holds of every process that another one begins: how it begins, when it ends, and how it says what went wrong."""

import multiprocessing
import os
import threading

from brittle.errors import quoted

START = "spawn"
"""How a process begins: anew, since one that is forked off cannot use CUDA or the threads of torch any more."""
UNGUARDED = (
    "a process that was to work ended before it began, with what it printed above; a script that starts processes does "
    "so under `if __name__ == '__main__':` and lies in a file, since each of them begins by importing it"
)


def end_with_parent() -> None:
    """End this process when the one that began it is gone, whatever this one is at."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def portable_error(error: Exception) -> Exception:
    """Return an error as it can be sent, with where it was raised: one of Python's own, or one that repeats another."""
    import traceback

    own = type(error).__module__ == "builtins"
    sent = error if own else RuntimeError(f"{type(error).__name__}: {error}")
    sent.add_note(f"raised in a worker:\n{''.join(traceback.format_exception(error))}")
    return sent


def reason_of(error: Exception) -> str:
    """Return what Python said of a value that it cannot pickle, also where it was said inside another error."""
    return quoted(error.__cause__ or error.__context__ or error, 300)
