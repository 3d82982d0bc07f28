"""Blocks of images read one ahead, so that whoever works on one does not wait for the next to be decoded."""

from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from threading import Thread

from brittle.data.source import Block, Source


@dataclass(eq=False)
class Ahead:
    """Reads the blocks of a source, and after each the one that follows, while the first is worked on.

    The block that was asked for last is kept, so that two are in memory. Sources of the user's own objects, which may
    belong to one thread, are read when they are asked for.

    Attributes:
        source: the images.
        size: images of a block.
        following: to each block the one that is asked for after it; none where that is not known.

    Example:
        >>> from brittle.data import open_source
        >>> Ahead(open_source("digits", max_images=30), 20, {0: 1}).block(1).images.shape
        torch.Size([10, 1, 28, 28])
    """

    source: Source
    size: int
    following: Mapping[int, int] = field(default_factory=dict[int, int])
    _last: tuple[int, Block] | None = field(default=None, init=False)
    _reading: "_Reading | None" = field(default=None, init=False)

    def block(self, number: int) -> Block:
        """Return a block, by its number from 0, and begin to read the next.

        Raises:
            DataError: as of `Source.blocks`.
        """
        if self._last is not None and self._last[0] == number:
            return self._last[1]
        reading, self._reading, self._last = self._reading, None, None
        if reading is not None:
            reading.join()
        if reading is None or reading.number != number:
            reading = _Reading(self.source, self.size, number)
            reading.run()
        self._last = number, reading.result()
        following = self.following.get(number)
        if following is not None and self.source.ahead:
            self._reading = _Reading(self.source, self.size, following)
            self._reading.start()
        return self._last[1]


class _Reading(Thread):
    """One block that is read, in the context of who began it."""

    def __init__(self, source: Source, size: int, number: int):
        super().__init__(daemon=True)
        self.number = number
        self._source, self._size, self._context = source, size, copy_context()
        self._found: Block | BaseException | None = None

    def run(self) -> None:
        try:
            self._found = self._context.run(self._read)
        except BaseException as error:
            self._found = error

    def _read(self) -> Block:
        return next(self._source.blocks(self._size, start=self.number * self._size))

    def result(self) -> Block:
        """Return what was read, or raise what was raised."""
        assert self._found is not None, "it is asked for once it has ended"
        if isinstance(self._found, BaseException):
            raise self._found
        return self._found
