"""What all tests share: helpers lie beside the tests; `make test-shapes` checks shapes at run time."""

import gc
import os
import sys
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest
import typer.main

os.environ.setdefault("OMP_NUM_THREADS", "1")
for folder in (Path(__file__).parent, Path(__file__).parent / "contract", Path(__file__).parent / "untrusted"):
    sys.path.insert(0, str(folder))

if os.environ.get("BRITTLE_SHAPES"):
    from jaxtyping import install_import_hook

    install_import_hook(["brittle.core", "brittle.maths", "brittle.attacks"], "checked.checker")

typer.main.get_command = cache(typer.main.get_command)  # the commands are built once, not for every line that is typed
gc.disable()


def pytest_collection_finish() -> None:
    """Leave the modules and the tests, which stay, out of every later search for what is garbage, and search seldom."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Let the networks that a module of tests makes as it is imported be the same whatever was imported before it."""
    import torch  # in the processes that run tests, and not in the one that hands them out

    if isinstance(collector, pytest.Module):
        torch.default_generator.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let a test draw the same random numbers whatever ran before it, on whichever worker."""
    import torch

    torch.default_generator.manual_seed(0)


@pytest.fixture
def few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an audit make two checks in place of all, in tests of what it does before and after: half of its time."""
    from brittle.health import examine

    monkeypatch.setattr(examine, "CHECKS", examine.CHECKS[:1])


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Begin processes by forks, which need not import everything once more, and with one thread, as these must have."""
    import torch

    from brittle.processes import child

    monkeypatch.setattr(child, "START", "fork")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
