"""`train` of a generative model: the folder it leaves, and what opens it."""

import json

import pytest
import torch

from brittle.defences.defense_gan import DefenseGAN
from brittle.defences.pixeldefend import PixelDefend
from brittle.errors import InputError
from brittle.evaluation.train import train
from brittle.models.generative.files import pixelcnn_of
from brittle.report.training_page import write_training

FEW = {"epochs": 2, "max_images": 24}


@pytest.fixture(scope="module")
def pixelcnn(tmp_path_factory):
    return train("pixelcnn", "digits", tmp_path_factory.mktemp("t") / "p", settings="width=4, depth=1, size=10", **FEW)


def test_a_defence_takes_the_folder_as_the_file(pixelcnn):
    images = torch.rand(1, 1, 5, 5)
    by_folder, by_file = (PixelDefend(weights=str(path)).transform(images) for path in (pixelcnn.folder, pixelcnn.path))
    assert torch.equal(by_folder, by_file)
    assert pixelcnn_of(str(pixelcnn.folder)).width == 4


def test_the_story_tells_command_design_and_objective(pixelcnn):
    story = json.loads(pixelcnn.course.read_text())
    assert story["command"] == (
        "brittle train pixelcnn --data digits --out p --set 'width=4, depth=1, size=10' --epochs 2 --max-images 24"
    )
    assert story["design"]["width"] == 4
    assert story["objective"] == "bits a value"
    manifest = json.loads((pixelcnn.folder / "manifest.json").read_text())
    assert (manifest["settings"]["depth"], manifest["network"]["input_shape"]) == (1, [1, 10, 10])


def test_the_page_shows_the_loss_and_no_accuracy(pixelcnn):
    page = write_training(pixelcnn.folder, pixelcnn.folder.parent / "page.html").read_text()
    assert "bits a value" in page
    assert ">Accuracy<" not in page
    assert ">Loss<" in page


def test_called_again_it_reads_what_it_made(pixelcnn):
    again = train("pixelcnn", "digits", pixelcnn.folder, settings="width=4, depth=1, size=10", **FEW)
    assert again.history.epochs == pixelcnn.history.epochs
    assert again.history.resumed == 2


def test_other_sizes_are_another_training(pixelcnn):
    with pytest.raises(Exception, match="depth"):
        train("pixelcnn", "digits", pixelcnn.folder, settings="width=4, depth=2, size=10", **FEW)


def test_a_generator_defends_images_of_its_size(tmp_path):
    made = train("wgan", "digits", tmp_path / "g", settings="latent=4,features=4,size=12", **FEW)
    defence = DefenseGAN(weights=str(made.folder), steps=2)
    assert defence.image_shape(None) == (1, 12, 12)


@pytest.mark.parametrize(
    "options",
    [{"test": "digits"}, {"attack": "pgd"}, {"recipe": "madry-mnist"}, {"warmup": 1.0}, {"eps": 0.1}, {"norm": "l2"}],
)
def test_what_needs_labels_is_refused(options, tmp_path):
    with pytest.raises(InputError, match=f"{next(iter(options))} is given, and a wgan learns from images alone"):
        train("wgan", "digits", tmp_path / "g", **options)


def test_a_setting_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="colour"):
        train("wgan", "digits", tmp_path / "g", settings="colour=3")
    with pytest.raises(InputError, match="critic_steps"):
        train("wgan", "digits", tmp_path / "g", settings="critic_steps=0")
