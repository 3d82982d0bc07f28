"""Data and networks at addresses: fetched once, whole, and said by their address without what is secret in it."""

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from frail import Frail
from safetensors.torch import save

from brittle import DataError, ModelError, audit, open_network, open_source
from brittle.bars import Bar
from brittle.data import Digits
from brittle.remote import fetched
from brittle.remote.fetch import TELL


@pytest.fixture
def shards():
    """Two Parquet files of 8 digits each, and one that is nobody's business."""
    (block,) = Digits("test", max_images=16).blocks(16)
    pixels = [{"bytes": one} for one in map(png, (block.images * 255).byte().numpy()[:, 0])]
    for number in range(2):
        rows = slice(8 * number, 8 * number + 8)
        table = pa.table({"image": pixels[rows], "label": block.labels.tolist()[rows]})
        with Frail().open(f"/data/test-{number}.parquet", "wb") as file:
            pq.write_table(table, file)
    Frail().pipe("/data/notes.bin", b"x")


def png(levels):
    from PIL import Image

    from brittle.pictures import png_of

    return png_of(Image.fromarray(levels))


def test_a_folder_of_parquet_files_is_fetched_once(shards):
    source = open_source("frail://data")
    assert (len(source), source.spec) == (16, "frail://data")
    assert sorted(Frail.fetched) == ["/data/test-0.parquet", "/data/test-1.parquet"]
    assert len(open_source("frail://data/test-1.parquet")) == 8
    assert open_source("frail://data").digest() == source.digest()
    assert len(Frail.fetched) == 3


def test_a_pattern_is_fetched_as_far_as_it_fits(shards):
    assert len(open_source("frail://data/test-*1.parquet")) == 8
    assert Frail.fetched == ["/data/test-1.parquet"]


def test_what_changed_is_fetched_anew(memory):
    memory.pipe("/words.txt", b"first")
    first = fetched("memory://words.txt")
    assert first.read_bytes() == b"first"
    memory.pipe("/words.txt", b"other")
    assert fetched("memory://words.txt").read_bytes() == b"other"


def test_nothing_at_an_address_is_told_so(tmp_path):
    with pytest.raises(DataError, match=r"^memory://nothing/val\.parquet does not exist"):
        open_source("memory://nothing/val.parquet")
    assert not (tmp_path / "cache").exists()


def test_a_failed_fetch_leaves_nothing(monkeypatch, tmp_path):
    Frail().pipe("/words.txt", b"first")
    monkeypatch.setattr(Frail, "get_file", lambda *_, **__: 1 / 0)
    with pytest.raises(Exception, match="cannot be fetched"):
        fetched("frail://words.txt")
    assert not [one for one in (tmp_path / "cache").rglob("*") if one.is_file()]


def test_secrets_are_written_nowhere(memory, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1), dtype=np.uint8)
    np.savez(tmp_path / "few.npz", images=pixels, labels=np.arange(8))
    memory.put_file(str(tmp_path / "few.npz"), "/me:word@bucket/few.npz")
    made = audit(
        "digits-lenet",
        "memory://me:word@bucket/few.npz",
        tmp_path / "run",
        attacks=["noise"],
        eps=0.1,
        command=["brittle", "audit", "digits-lenet", "--data", "memory://me:word@bucket/few.npz"],
    )
    assert made.manifest.data.spec == made.manifest.command[-1] == "memory://bucket/few.npz"
    assert not [one for one in (tmp_path / "run").rglob("*") if one.is_file() and b"word@" in one.read_bytes()]


def test_weights_come_from_an_address(memory):
    state = open_network("digits-lenet").module.state_dict()
    memory.pipe("/bucket/lenet.safetensors", save({name: one * 0.5 for name, one in state.items()}))
    network = open_network("digits-lenet", weights="memory://bucket/lenet.safetensors")
    name, first = next(iter(state.items()))
    assert (network.module.state_dict()[name] == first * 0.5).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("memory://bucket/net.py:build", "is a program, which is not fetched to be run"),
        ("memory://bucket/net.pth", "is a pickle"),
    ],
)
def test_programs_and_pickles_are_not_fetched(memory, spec, message):
    memory.pipe("/bucket/net.py", b"raise SystemExit")
    memory.pipe("/bucket/net.pth", b"x")
    with pytest.raises(ModelError, match=message):
        open_network(spec)
    with pytest.raises(ModelError, match=message):
        open_network("digits-lenet", weights=spec)


def test_a_watch_sees_how_far_it_is(memory):
    memory.pipe("/bucket/large.bin", bytes(3_000_000))
    told = []
    with Bar(quiet=True) as bar:
        assert TELL.get() == bar.fetching
        with bar.fetching("memory://bucket/large.bin", 3_000_000) as advance:
            advance(2_000_000)
            told = [(one.completed, one.total, one.fields["unit"]) for one in bar._progress.tasks]
    assert told == [(2, 3, "MB")]
    assert fsspec.filesystem("memory").exists("/bucket/large.bin")
