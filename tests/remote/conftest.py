import fsspec
import pytest
from frail import Frail

from brittle.remote import asking


@pytest.fixture(autouse=True)
def afresh(monkeypatch, tmp_path):
    """Empty file systems and an empty cache, and no pause before another try."""
    memory = fsspec.filesystem("memory")
    for system in (memory, Frail()):
        system.store.clear()
        system.pseudo_dirs[:] = [""]
    for name, value in (("errors", []), ("fails", ""), ("listed", []), ("fetched", [])):
        monkeypatch.setattr(Frail, name, value)
    monkeypatch.setattr(asking, "PAUSES", (0.0, 0.0))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def memory():
    return fsspec.filesystem("memory")
