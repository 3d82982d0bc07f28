"""Progress: in a terminal, inside a block of images, and in a notebook."""

import sys
from types import SimpleNamespace

import pytest
import torch
from rich.progress import Progress

import brittle
from brittle import Bar, Classifier, Lp, bars
from brittle.bars import STILL, bar_html, speed_of


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def task():
    clock = Clock()
    progress = Progress(disable=True, get_time=clock)
    number = progress.add_task("<b>", total=8, completed=2, points=0, moved=clock())
    return SimpleNamespace(clock=clock, progress=progress, number=number, get=lambda: progress.tasks[0])


def test_a_block_that_takes_its_time_shows_what_the_network_has_seen(task):
    task.progress.update(task.number, points=1234)
    assert speed_of(task.get()) == ""
    task.clock.now += STILL + 0.1
    assert speed_of(task.get()) == "1,234 points seen"


def test_the_bar_of_a_notebook_is_escaped_html(task):
    html = bar_html(task.get())
    assert html.startswith('<progress value="2" max="8">')
    assert "&lt;b&gt;: 2 of 8 images" in html


@pytest.fixture
def notebook(monkeypatch):
    """What IPython would show: one place, which is replaced."""
    shown: list[str] = []

    def display(view, display_id):
        assert display_id
        shown.append(view)
        return SimpleNamespace(update=shown.append)

    module = SimpleNamespace(HTML=lambda text: text, display=display)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(bars, "console", bars.Console(stderr=True, force_jupyter=True))
    return shown


def test_a_notebook_gets_one_bar_that_ends_full(notebook):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    images = torch.rand(6, 1, 2, 2)
    with Bar(6) as bar:
        brittle.run(
            brittle.DeepFool(), Classifier(network), images, threat=Lp(2), batch=2, progress=bar, on_pass=bar.passed
        )
    assert '<progress value="6" max="6">' in notebook[-1]
    assert len(notebook) < 20


def test_quiet_is_quiet_in_a_notebook_too(notebook, capsys):
    with Bar(2, quiet=True) as bar:
        bar(2)
        bar.passed(3)
        bar.note("note")
    assert notebook == []
    assert capsys.readouterr() == ("", "")


def test_passes_inside_a_batch_are_told():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    told, done = [], []
    result = brittle.run(
        *(brittle.PGD(steps=3), Classifier(network), torch.rand(5, 1, 2, 2)),
        threat=Lp(2, 1e-3),
        progress=done.append,
        on_pass=told.append,
    )
    assert sum(told) == int(result.forward.sum())
    assert len(told) > len(done) == 1
