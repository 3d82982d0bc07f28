"""Folders and files at addresses of fsspec, such as ``s3://bucket/run``: a working copy on this disk, and a cache."""

from brittle.remote.fetch import fetched, made_at
from brittle.remote.out import out_at_address
from brittle.remote.place import Place, at

__all__ = ["Place", "at", "fetched", "made_at", "out_at_address"]
