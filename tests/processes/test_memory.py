"""Memory that is freed and kept: how often the kernel must clear a page, counted, beside a process left as it is."""

import os
import subprocess
import sys

import pytest

from brittle.processes import memory

COUNTED = """
import resource
from brittle.processes.memory import keep_freed_memory


def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        b"x" * (64 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


apart = faults()
kept = keep_freed_memory()
faults()
print(kept, apart, faults())
"""


def counted(**chosen: str) -> tuple[str, int, int]:
    words, env = [sys.executable, "-c", COUNTED], {**os.environ, **chosen}
    ran = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
    kept, apart, later = ran.stdout.split()
    return kept, int(apart), int(later)


def test_pages_are_cleared_once_where_memory_is_kept():
    kept, apart, later = counted()
    if kept == "False":
        pytest.skip("this system's C library is not GNU's")
    assert later < apart / 20


def test_what_the_environment_chooses_stays():
    kept, apart, later = counted(MALLOC_MMAP_THRESHOLD_="33554432")
    assert kept == "False"
    assert later > apart / 2


@pytest.mark.parametrize("name", memory.CHOSEN)
def test_every_such_variable_is_known(name, monkeypatch):
    monkeypatch.setenv(name, "1")
    assert not memory.keep_freed_memory()


def test_commands_and_workers_keep_theirs(monkeypatch):
    from typer.testing import CliRunner

    from brittle.cli import app
    from brittle.engine import worker

    asked = []
    monkeypatch.setattr(memory, "keep_freed_memory", lambda: asked.append("command"))
    assert CliRunner().invoke(app, ["list", "threats"]).exit_code == 0
    monkeypatch.setattr(worker, "keep_freed_memory", lambda: asked.append("worker"))

    class Nothing:
        def open(self, mark):
            return None

    assert worker.Worker().open(Nothing(), None, 1) is None
    assert asked == ["command", "worker"]
