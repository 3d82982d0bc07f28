"""The command by several processes: the figures of one, told of, refused before a folder, and opened anew by words."""

import json
import os
import pickle
import sys

import pytest
import torch
from typer.testing import CliRunner

from brittle import InputError
from brittle.cli import app
from brittle.evaluation import universal_workers
from brittle.evaluation.universal import universal
from brittle.evaluation.universal_workers import Reopened

ASKED = {"attack": "ascent:passes=2,batch=20", "eps": 0.5, "norm": "l2", "max_images": 60, "held_out": 20, "batch": 20}


pytestmark = pytest.mark.usefixtures("forked")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return universal("digits-lenet", "digits", tmp_path_factory.mktemp("alone") / "v", **ASKED, seeds=2)


def test_two_processes_make_what_one_makes(alone, tmp_path):
    """By two seeds, which the same processes go through; the number is none of what the folder is known by."""
    shown = sys.excepthook
    both = universal("digits-lenet", "digits", tmp_path / "v", **ASKED, seeds=2, workers=2)
    assert sys.excepthook is shown, "torch's own writes a rank before tracebacks"
    assert both.seeds == alone.seeds
    for one, other in zip(both.perturbation.every, alone.perturbation.every, strict=True):
        torch.testing.assert_close(one.tensor, other.tensor, rtol=0, atol=1e-4)
    assert (both.plain()["workers"], alone.plain()["workers"]) == (2, 1)
    assert "--workers 2" in both.perturbation.made["command"]
    assert "--workers" not in alone.perturbation.made["command"]
    again = universal("digits-lenet", "digits", tmp_path / "v", **ASKED, seeds=2)
    assert again.plain() == both.plain()


def test_a_network_that_cannot_be_sent_is_opened_anew_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(universal_workers, "_goes_along", lambda classifier: False)
    opens, note = Reopened.__call__, tmp_path / "opened"

    def noted(one, device):
        note.write_text(f"{one.model.spec} on {device}, by another process: {os.getpid() != parent}")
        return opens(one, device)

    parent = os.getpid()
    monkeypatch.setattr(Reopened, "__call__", noted)
    words = "universal digits-lenet --data digits --max-images 24 --attack ascent:passes=1 --eps 0.2 --workers 2 --json"
    ran = CliRunner().invoke(app, [*words.split(), "--out", str(tmp_path / "v")])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["workers"] == 2
    assert note.read_text() == "digits-lenet on cpu, by another process: True"


def test_what_goes_along_is_what_pickles():
    module = torch.nn.Flatten()
    assert universal_workers._goes_along(module)
    module.hook = lambda: None
    assert not universal_workers._goes_along(module)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(module)


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("uap:passes=1", "UniversalDeepFool makes each step in one process"),
        ("gd-uap:iterations=5", "GDUAP makes each step in one process"),
        ("ascent:passes=1,batch=3", "each needs two of the 3 images of a step; leave workers out"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_a_folder(tmp_path, attack, said):
    asked = {**ASKED, "norm": "linf", "attack": attack}
    with pytest.raises(InputError, match=said):
        universal("digits-lenet", "digits", tmp_path / "v", **asked, workers=2)
    assert not (tmp_path / "v").exists()
