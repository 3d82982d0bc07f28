"""`train` distils: teacher and student at a temperature, in one folder, and goes on where it was killed."""

import json

import pytest
from typer.testing import CliRunner

from brittle.cli.app import app
from brittle.errors import BrittleError, InputError
from brittle.evaluation.train import train
from brittle.models import open_network
from brittle.report import write_report

ASKED = {"epochs": 2, "max_images": 200, "settings": "batch=20, rate=3e-3, optimiser=adam"}


@pytest.fixture(scope="module")
def distilled(tmp_path_factory):
    return train("digits-lenet", "digits:train", tmp_path_factory.mktemp("d") / "out", distil=20.0, **ASKED)


def test_the_course_tells_of_teacher_and_student(distilled):
    story = json.loads(distilled.course.read_text())
    assert [len(story[who]) for who in ("teacher", "epochs")] == [2, 2]
    assert story["settings"]["temperature"] == 20
    assert "--distil 20" in story["command"]
    assert {path.name for path in distilled.folder.iterdir()} >= {"weights.safetensors", "training.json"}
    assert not list(distilled.folder.glob("checkpoint*"))
    page = write_report(distilled.folder).read_text()
    assert "by the answers of a teacher at temperature 20, which was trained on them for 2 epochs before" in page


def test_the_command_says_whose_epochs_are_shown(tmp_path):
    words = ["train", "digits-lenet", "--data", "digits:train", "--max-images", "40", "--epochs", "1", "--distil", "20"]
    said = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")], catch_exceptions=False)
    told = [line for line in said.output.splitlines() if line.startswith(("the ", "epoch"))]
    assert [line[:11] for line in told] == ["the teacher", "epoch   1  ", "the student", "epoch   1  "]


@pytest.mark.parametrize("epochs_done", [1, 2, 3])
def test_killed_it_goes_on_and_gives_the_same_weights(distilled, tmp_path, epochs_done):
    class Killed(BaseException): ...

    told = []

    def killed(epoch):
        told.append(epoch)
        if len(told) == epochs_done:
            raise Killed

    with pytest.raises(Killed):
        train("digits-lenet", "digits:train", tmp_path / "out", distil=20.0, progress=killed, **ASKED)
    told.clear()
    again = train("digits-lenet", "digits:train", tmp_path / "out", distil=20.0, progress=told.append, **ASKED)
    assert len(told) == 4 - epochs_done
    digests = [open_network("digits-lenet", weights=one.folder).digest for one in (again, distilled)]
    assert digests[0] == digests[1]
    assert not list(again.folder.glob("checkpoint*"))


def test_the_folder_is_not_that_of_a_training_at_the_temperature_alone(distilled):
    hot = {**ASKED, "settings": f"{ASKED['settings']}, temperature=20"}
    with pytest.raises(BrittleError):
        train("digits-lenet", "digits:train", distilled.folder, **hot)


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"distil": 0.0}, "temperature is 0"), ({"distil": 20.0, "attack": "fgsm"}, "beside an attack")],
)
def test_what_makes_no_sense_is_refused(tmp_path, asked, said):
    with pytest.raises(InputError, match=said):
        train("digits-lenet", "digits:train", tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_the_command_distils(tmp_path):
    words = ["train", "digits-lenet", "--data", "digits:train", "--max-images", "64", "--epochs", "1", "--quiet"]
    found = CliRunner().invoke(app, [*words, "--distil", "10", "--out", str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    assert "teacher" in json.loads((tmp_path / "out" / "training.json").read_text())
