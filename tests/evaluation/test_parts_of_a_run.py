"""The parts of an audit in any order and by several processes: the same rows, pictures and findings lie there."""

import dataclasses
import os
import signal
import time
from pathlib import Path

import pytest
from crew_work import COLUMNS, Watch
from forked import begun, ended, ending, kill

from brittle import files
from brittle.engine.engine import LocalEngine, ignore_part
from brittle.evaluation.audit import audit
from brittle.evaluation.gallery import Gallery
from brittle.runs.schema import PICTURES
from brittle.runs.store import RunFolder

ASKED = {"attacks": ["noise:draws=2", "fgsm"], "eps": 0.1, "max_images": 45}
BLOCKS = 6
pytestmark = pytest.mark.usefixtures("small_parts")


class Reversed(LocalEngine):
    """Does the last part first."""

    def run(self, parts, leases, elsewhere=ignore_part):
        return super().run(parts[::-1], leases, elsewhere)


def content(folder):
    """All rows with their pictures, but the times; how many rows of each part have any; and what the checks found."""
    tables = folder.tables(COLUMNS)
    pictures = {
        (key, block): folder.part(key, block, ["adversarial"])["adversarial"].drop_null().to_pylist()
        for key in tables
        for block in folder.blocks(key)
    }
    findings = [dataclasses.asdict(one) if dataclasses.is_dataclass(one) else one for one in folder.health().findings]
    return {key: table.to_pylist() for key, table in tables.items()}, pictures, findings


def test_parts_done_in_another_order_lie_there_as_in_order(whole, tmp_path, monkeypatch):
    superfluous = []
    settle = Gallery.settle
    monkeypatch.setattr(Gallery, "settle", lambda self: (superfluous.append(self.superfluous()), settle(self)))
    assert content(audit("digits-lenet", "digits", tmp_path, engine=Reversed(), **ASKED)) == content(whole)
    assert superfluous, "a part that was done before earlier ones had kept pictures that are no extremes"
    assert not (tmp_path / "leases").exists()


def test_a_picture_is_kept_only_where_it_is_among_the_extremes_so_far(whole):
    assert len(whole.blocks("fgsm")) == BLOCKS
    assert not Gallery(whole).superfluous()
    counts = [
        sum(value is not None for value in whole.part("fgsm", block, None)["adversarial"].to_pylist())
        for block in range(BLOCKS)
    ]
    assert counts[0] == sum(whole.part("fgsm", 0)["success"].to_pylist()) > 4
    assert 0 < sum(counts) < 8 * BLOCKS
    table = whole.part("fgsm", 0, None)
    assert PICTURES == ("original", "adversarial", "field")
    assert table["original"].is_valid() == table["adversarial"].is_valid()


def test_two_processes_share_the_parts_of_a_run(whole, tmp_path):
    log, written = tmp_path / "log", files._replace

    def processes():
        return {line.split()[0] for line in log.read_text().splitlines()}

    def work():
        def noted(path, data):
            if path.suffix == ".parquet":
                with log.open("a") as file:
                    file.write(f"{os.getpid()} {path.parent.name} {path.stem}\n")
                while len(processes()) < 2:  # a part is claimed by each, however fast one of them is
                    time.sleep(0.01)
            written(path, data)

        files._replace = noted
        watch = Watch()
        audit("digits-lenet", "digits", tmp_path / "run", watch=watch, **ASKED)
        assert watch.images == watch.total == 2 * ASKED["max_images"]

    copies = [begun(work), begun(work)]
    assert [ended(copy) for copy in copies] == [0, 0]
    assert content(RunFolder.open(tmp_path / "run")) == content(whole)
    parts = [tuple(line.split()[1:]) for line in log.read_text().splitlines()]
    assert {*parts} == {(key, f"{block:06d}") for key in whole.tables() for block in range(BLOCKS)}
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["health.json", "manifest.json", "parts"]


def test_what_a_killed_process_had_claimed_is_done_by_the_other(whole, tmp_path):
    def dies():
        def at_once(path, data):
            if path.name == "000001.parquet":
                kill()
            before(path, data)

        before, files._replace = files._replace, at_once
        audit("digits-lenet", "digits", tmp_path, **ASKED)

    assert ending(dies) == -signal.SIGKILL
    assert [path.name.partition("-")[2] for path in (tmp_path / "leases").iterdir()] == ["000001.lease"]
    assert content(audit("digits-lenet", "digits", Path(tmp_path), **ASKED))[:2] == content(whole)[:2]
    assert not (tmp_path / "leases").exists()
