"""A network is trained behind a defence that shows it an encoding, and opened with it again."""

import json

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from brittle import audit
from brittle.cli.app import app
from brittle.errors import BrittleError, InputError, ModelError
from brittle.evaluation.train import train
from brittle.metrics import clean_accuracy
from brittle.models import ARCHITECTURES, open_network
from brittle.models.wider import wider


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "out"
    return train("digits-lenet", "digits:train", out, test="digits", epochs=6, max_images=600, defence="thermometer")


def test_the_folder_says_which_defence_and_holds_the_bare_network(trained):
    story = json.loads(trained.course.read_text())
    assert (story["defence"], story["input_channels"]) == ("thermometer", 16)
    assert "--defence thermometer" in story["command"]
    assert json.loads((trained.folder / "manifest.json").read_text())["network"]["defence"] == "thermometer"
    network = open_network("digits-lenet", weights=trained.folder)
    assert network.input_shape == (16, 28, 28)
    assert list(network.module.state_dict()) == list(ARCHITECTURES["digits-lenet"].build().state_dict())


def test_it_is_audited_behind_the_defence_with_the_accuracy_measured(trained):
    run = audit(
        "digits-lenet", "digits", weights=trained.folder, defence="thermometer", attacks=["pgd:steps=2"], eps=0.05
    )
    table = run.table(run.manifest.attacks[0].key)
    assert clean_accuracy(table).value == pytest.approx(trained.accuracy.value)
    assert trained.accuracy.value > 0.5


@pytest.mark.parametrize("asked", [{}, {"defence": "thermometer:levels=5"}])
def test_opened_otherwise_it_is_refused_with_what_to_do(trained, asked):
    with pytest.raises(BrittleError, match="channels"):
        audit("digits-lenet", "digits", weights=trained.folder, attacks=["fgsm"], max_images=4, **asked)


def test_a_network_of_plain_images_is_refused_behind_it():
    with pytest.raises(InputError, match=r"takes 1 channels; expected a multiple of 16"):
        audit("digits-lenet", "digits", defence="thermometer", attacks=["fgsm"], max_images=4)


def test_an_attack_while_training_sees_through_the_defence(tmp_path):
    asked = {"epochs": 1, "max_images": 128, "defence": "thermometer:levels=4", "attack": "fgsm", "eps": 0.3}
    found = train("digits-lenet", "digits:train", tmp_path / "out", **asked)
    (epoch,) = found.history.epochs
    assert epoch.adversarial_loss > epoch.clean_loss


def test_a_training_behind_a_defence_goes_on_and_gives_the_same_file(tmp_path, trained):
    class Killed(BaseException): ...

    def killed(_):
        raise Killed

    asked = {"epochs": 2, "max_images": 200, "defence": "thermometer"}
    with pytest.raises(Killed):
        train("digits-lenet", "digits:train", tmp_path / "a", progress=killed, **asked)
    again = train("digits-lenet", "digits:train", tmp_path / "a", **asked)
    whole = train("digits-lenet", "digits:train", tmp_path / "b" / "a", **asked)
    assert again.history.resumed == 1
    one, other = (open_network("digits-lenet", weights=found.folder).digest for found in (again, whole))
    assert one == other


def test_the_same_folder_is_not_that_of_another_defence(trained):
    with pytest.raises(BrittleError):
        train("digits-lenet", "digits:train", trained.folder, test="digits", epochs=6, max_images=600)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name not in ("vgg16-cifar", "nin-cifar")])
def test_every_architecture_can_read_more_channels(name: str):
    design = wider(ARCHITECTURES[name], ARCHITECTURES[name].input_shape[0] * 4)
    module: nn.Module = design.build().eval()
    assert module(torch.rand(1, *design.input_shape)).shape == (1, 10)


@pytest.mark.parametrize("channels", [4, 0, 3 * 257])
def test_other_numbers_of_channels_are_refused(channels: int):
    with pytest.raises(ModelError, match="multiple of 3"):
        wider(ARCHITECTURES["lenet-cifar"], channels)


def test_the_command_takes_a_defence(tmp_path):
    words = ["train", "digits-lenet", "--data", "digits:train", "--max-images", "64", "--epochs", "1", "--quiet"]
    found = CliRunner().invoke(app, [*words, "--defence", "thermometer", "--out", str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    assert open_network("digits-lenet", weights=tmp_path / "out").input_shape == (16, 28, 28)
