"""Messages quote what others wrote: shortly, on one line, and without anything that a terminal obeys."""

import copy
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from brittle.data import open_source
from brittle.errors import LONGEST, BadImage, BrittleError, MissingExtra, RunError, escaped, quoted
from brittle.models import open_network
from brittle.runs.read import read_manifest
from brittle.runs.same import AnotherRun
from brittle.universal_attacks.perturbation import Perturbation

EVIL = "\x1b[31m\u202e\n" * 200_000
"""About a megabyte that would colour a terminal, turn the direction of reading and begin new lines."""


def test_what_is_quoted_is_short_and_steers_nothing():
    assert len(quoted(EVIL)) == 160
    assert quoted(EVIL).isprintable()
    assert quoted(ValueError("two\nlines")) == "two lines"
    assert escaped("\u202f\u200d\ud800") == "\u202f\u200d\\ud800", "narrow spaces and joiners are text"
    said = str(RunError(EVIL))
    assert len(said) == LONGEST
    assert "\x1b" not in said
    assert "\n" in said, "a message may list what differs"
    assert len(str(BadImage("x" * 1_000_000, "why"))) < 300


def kinds(of):
    return [of, *(below for kind in of.__subclasses__() for below in kinds(kind))]


@pytest.mark.parametrize("kind", kinds(BrittleError), ids=lambda kind: kind.__name__)
def test_every_error_is_made_again_in_another_process(kind):
    made = {
        AnotherRun: (Path("runs/a"), ("seed: 0, now 1",)),
        BadImage: ("a.png", "no picture"),
        MissingExtra: ("ray", "cluster", "--engine ray"),
    }
    error = kind(*made.get(kind, ("said",)))
    again = copy.copy(error)  # as pickle makes it
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def named_columns(path):
    pq.write_table(pa.table({EVIL: ["a"]}), path)


def named_classes(path):
    cell = pa.array([{"bytes": b"x", "path": EVIL}])
    pq.write_table(pa.table({"image": cell, "label": [EVIL]}), path)


def named_arrays(path):
    np.savez(path, **{"x" * 60_000 + "\x1b": np.zeros(2)})


@pytest.mark.parametrize(
    ("name", "make", "read"),
    [
        ("manifest.json", lambda path: write(path, json.dumps({EVIL: 1})), read_manifest),
        ("manifest.json", lambda path: write(path, EVIL), read_manifest),
        ("a.parquet", lambda path: write(path, EVIL), lambda path: open_source(str(path))),
        ("a.parquet", named_columns, lambda path: open_source(str(path))),
        ("a.parquet", named_classes, lambda path: list(open_source(str(path)).blocks(1))),
        ("a.npz", lambda path: write(path, EVIL), lambda path: open_source(str(path))),
        ("a.npz", named_arrays, lambda path: open_source(str(path))),
        ("a.png", lambda path: write(path, EVIL), lambda path: list(open_source(str(path)).blocks(1))),
        ("a.pt2", lambda path: write(path, EVIL), lambda path: open_network(str(path))),
        ("a.safetensors", lambda path: write(path, EVIL), Perturbation.load),
        (
            "a.safetensors",
            lambda path: write(path, EVIL),
            lambda path: open_network("digits-lenet", weights=path),
        ),
    ],
)
def test_garbage_gives_short_messages(tmp_path, name, make, read):
    path = tmp_path / name
    make(path)
    with pytest.raises(BrittleError) as caught:
        read(path)
    assert len(str(caught.value)) <= 500 + len(str(path))
    assert str(caught.value).isprintable()
