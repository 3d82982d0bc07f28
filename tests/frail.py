"""A file system of fsspec that fails when it is told to: in memory, and its files do not come whole by themselves."""

from typing import Any, ClassVar

import fsspec
from fsspec.implementations.memory import MemoryFileSystem


class Frail(MemoryFileSystem):
    protocol = "frail"
    store: ClassVar[dict[str, Any]] = {}  # pyright: ignore[reportIncompatibleVariableOverride]
    pseudo_dirs: ClassVar[list[str]] = [""]
    errors: ClassVar[list[Exception]] = []
    """Raised one after the other, by whatever writes a file of `fails`."""
    fails: ClassVar[str] = ""
    listed: ClassVar[list[dict[str, Any]]] = []
    """What a server says lies in each folder, beside what does."""
    fetched: ClassVar[list[str]] = []

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("frail://", "memory://"))

    def put_file(self, lpath, rpath, **kwargs):
        if self.fails in str(lpath) and self.errors:
            self.pipe_file(rpath, b"half")
            raise self.errors.pop(0)
        super().put_file(lpath, rpath, **kwargs)

    def get_file(self, rpath, lpath, **kwargs):
        self.fetched.append(rpath)
        super().get_file(rpath, lpath, **kwargs)

    def ls(self, path, detail=True, **kwargs):
        return [*super().ls(path, detail=detail, **kwargs), *self.listed]


fsspec.register_implementation("frail", Frail, clobber=True)
