"""How long work tells that it goes on, without printing anything itself."""

from typing import Protocol, runtime_checkable


class Progress(Protocol):
    """Receives progress."""

    def begin(self, total: int, done: int) -> None:
        """Learn how many image-attack pairs there are in all, and how many of them an earlier run has finished."""
        ...

    def advance(self, attack: str, images: int) -> None:
        """Advance by `images`."""
        ...

    def note(self, text: str) -> None:
        """Learn in one line what was found when rows of an earlier run were used again."""
        ...


@runtime_checkable
class BlockProgress(Protocol):
    """Receives progress inside a block of images too; a watch need not."""

    def passed(self, points: int) -> None:
        """Learn that the network was shown so many points."""
        ...


class NullProgress:
    """A watch that does not look."""

    def begin(self, total: int, done: int) -> None:
        """Do nothing."""

    def advance(self, attack: str, images: int) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""
