"""How long work tells that it goes on, without printing anything itself."""

from typing import Protocol


class Progress(Protocol):
    """Receives progress."""

    def begin(self, total: int, done: int) -> None:
        """Learn how many image-attack pairs there are in all, and how many of them an earlier run has finished."""
        ...

    def advance(self, attack: str, images: int) -> None:
        """Advance by `images`."""
        ...

    def passed(self, points: int) -> None:
        """Learn, inside a block of images, that the network was shown so many points."""
        ...

    def note(self, text: str) -> None:
        """Learn in one line what was found when rows of an earlier run were used again."""
        ...


class NullProgress:
    """A watch that does not look."""

    def begin(self, total: int, done: int) -> None:
        """Do nothing."""

    def advance(self, attack: str, images: int) -> None:
        """Do nothing."""

    def passed(self, points: int) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""
