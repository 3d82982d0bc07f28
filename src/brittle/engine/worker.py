"""The process of a worker, whoever started it: what it holds, and what it returns."""

import platform
from pathlib import Path
from typing import Any, cast

from brittle.engine.portable import Bench, Recipe
from brittle.errors import BrittleError, RunError, quoted
from brittle.plugins.own_code import telling_of_own_code
from brittle.processes.memory import keep_freed_memory


class Worker:
    """Does parts by their names. Errors that are ours come back as values, without the traceback of another process."""

    def __init__(self):
        self._bench: Bench | None = None
        self._threads = 1

    def open(self, recipe: Recipe, mark: Path, threads: int) -> BrittleError | None:
        """Open what the parts need, with so many threads; return what is wrong with it."""
        self._threads = threads
        _limit_threads(threads)
        keep_freed_memory()
        try:
            self._bench = recipe.open(mark)
        except BrittleError as error:
            return RunError(
                f"the worker on {platform.node()} cannot open what is asked for: {error}. Every machine needs the "
                "same brittle, and the same files under the same names"
            )
        return None

    def do(self, name: str) -> tuple[Any, BrittleError | None]:
        """Do a part; return its result, or its error."""
        _limit_threads(self._threads)
        try:
            with telling_of_own_code():
                return cast("Bench", self._bench).do(name), None
        except BrittleError as error:
            return None, error

    def points(self) -> int:
        """Return how many points the network was shown since the last call."""
        return 0 if self._bench is None else self._bench.points()

    def close(self) -> None:
        """Leave nothing behind."""
        if self._bench is not None:
            self._bench.close()


def _limit_threads(threads: int) -> None:
    """Calculate with so many threads, in the calling thread: torch goes by that."""
    import torch

    torch.set_num_threads(threads)


def unpickled_elsewhere(cause: BaseException) -> RunError:
    """Return what is said where a worker cannot make what was sent to it."""
    return RunError(
        f"a worker cannot use what was sent to it ({type(cause).__name__}: {quoted(cause, 300)}); every worker needs "
        "the same brittle and the modules that network, images and attacks come from"
    )
