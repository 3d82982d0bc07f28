"""How a command ends before its time: signals that become an interruption, and the traceback that is kept in a file."""

import contextlib
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Generator
from types import FrameType

SOON = 0.05
"""Seconds after which an interruption that was dropped is raised again; here and now it would be dropped again."""


@contextlib.contextmanager
def interruptions() -> Generator[None]:
    """Let SIGTERM end a command as Ctrl-C does, and let no interruption be lost.

    Python drops an exception that is raised while it tidies up an object. An interruption that falls there is raised
    once more. A signal that arrives within an operation of torch is heard when that operation ends.
    """
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread alone
        yield
        return
    before, hook = signal.signal(signal.SIGTERM, _interrupt), sys.unraisablehook

    def heard(lost: "sys.UnraisableHookArgs") -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            again = threading.Timer(SOON, signal.pthread_kill, (threading.main_thread().ident, signal.SIGTERM))
            again.daemon = True
            again.start()
        else:
            hook(lost)

    sys.unraisablehook = heard
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def keep_traceback(error: BaseException) -> str:
    """Write an error's traceback, and the command's words, into a file of its own in the temporary folder.

    Args:
        error: that nobody foresaw.

    Returns:
        The file's path; "" where none can be written.
    """
    words = [f"{' '.join(map(repr, sys.argv))}\n\n", *traceback.format_exception(error)]
    try:
        handle, path = tempfile.mkstemp(prefix="brittle-", suffix=".traceback.txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(words)
    except OSError:
        return ""
    return path
