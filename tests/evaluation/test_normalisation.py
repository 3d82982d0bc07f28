"""Audits of networks that want normalised images, and how a missing or needless normalisation is told."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import brittle
from brittle import Classifier, InputError
from brittle.data import open_source
from brittle.evaluation.normalisation import remarks_on_normalisation
from brittle.models import open_network
from brittle.models.normalised import Normalised, statistics_of
from brittle.specs import ModelSpec

pytestmark = pytest.mark.usefixtures("few_checks")

LENET = open_network("digits-lenet").module
(BLOCK,) = open_source("digits", max_images=20).blocks(20)
SMALL = {"attacks": ["fgsm"], "eps": 0.05}


class Blind(nn.Module):
    """The built-in network for images normalised as MNIST's are; it sees nothing in those without dark pixels."""

    def __init__(self, several=False):
        super().__init__()
        self.network, self.several = LENET, several

    def forward(self, images):
        logits = self.network(images * 0.3081 + 0.1307) * (images.flatten(1).amin(1) < 0)[:, None]
        return {"images": images, "scores": logits} if self.several else logits


class Guessing(nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :10] * 0


def remarks(module, *given):
    """What is said of a network with what was given before it."""
    scale = statistics_of(*given) if given else None
    classifier = Classifier(Normalised(module, scale) if scale else module)
    return remarks_on_normalisation(classifier, open_source("digits", max_images=40), scale)


def test_a_network_near_chance_is_tried_with_the_usual_normalisations():
    (said,) = remarks(Blind())
    assert "of the first 32 images right, no more than by guessing, and 3" in said
    assert said.endswith("with --mean mnist: it seems to want them normalised")


def test_nothing_is_said_of_one_that_is_right_or_that_no_normalisation_helps():
    assert remarks(LENET) == remarks(Guessing()) == []


def test_a_network_that_a_normalisation_would_mend_is_told_of_it_above_guessing_too():
    class Half(nn.Module):
        """As `Blind`, but half of the images are bright enough for it as they are."""

        def forward(self, images):
            dark = (images.flatten(1).amin(1) < 0) | (torch.arange(len(images)) % 2 == 0)
            scaled = torch.where((images.flatten(1).amin(1) < 0)[:, None, None, None], images * 0.3081 + 0.1307, images)
            return LENET(scaled) * dark[:, None]

    (said,) = remarks(Half())
    assert "guessing" not in said
    assert said.endswith("with --mean mnist: it seems to want them normalised")


def test_weights_that_a_factory_gave_are_told_of_where_they_do_no_better_than_guessing(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "import torch\nfrom brittle.models.architectures import ARCHITECTURES\n\n\n"
        "def make():\n    return ARCHITECTURES['digits-lenet'].build()\n"
    )
    asked = {**SMALL, "max_images": 32}
    said = brittle.audit(f"{file}:make", "digits", **asked).manifest.data.remarks
    (hint,) = [one for one in said if "--weights" in one]
    assert "no more than by guessing, with the weights that net.py:make gave it" in hint
    weights = tmp_path / "w.safetensors"
    save_file(LENET.state_dict(), weights)
    taught = brittle.audit(f"{file}:make", "digits", weights=weights, **asked).manifest.data.remarks
    assert not [one for one in taught if "--weights" in one]
    few = brittle.audit(f"{file}:make", "digits", **SMALL, max_images=3).manifest.data.remarks
    assert not [one for one in few if "--weights" in one], "of so few images nobody knows"


@pytest.mark.parametrize(
    ("module", "given", "ending"),
    [
        (Blind(), ("mnist",), "without, so it needs them"),
        (LENET, (0.9, 0.01), "without: leave them out if it normalises images itself"),
        (LENET, (0.01, 1), "without, no clear difference"),
    ],
    ids=["needed", "harmful", "of no effect"],
)
def test_what_the_user_gives_is_compared_with_nothing(module, given, ending):
    (said,) = remarks(module, *given)
    assert said.endswith(ending)


def test_an_audit_takes_mean_and_output_and_says_so():
    images = (BLOCK.images, BLOCK.labels)
    folder = brittle.audit(Blind(several=True), images, **SMALL, mean="mnist", output="scores")
    plain = brittle.audit(LENET, images, **SMALL)
    assert folder.table("fgsm")["correct"] == plain.table("fgsm")["correct"]
    said = folder.manifest.data.remarks
    assert "the network gets images less the mean 0.1307, over the standard deviation 0.3081" in said
    assert "of the network's outputs 'scores' is read" in said
    assert any("so it needs them" in one for one in said)
    assert folder.manifest.network.spec == "Blind"


def test_each_output_and_each_mean_is_another_network():
    images = (BLOCK.images, BLOCK.labels)
    about = [{"mean": "mnist"}, {"mean": "half"}, {"mean": "half", "output": "scores"}]
    digests = [brittle.audit(Blind("output" in one), images, **SMALL, **one).manifest.network.digest for one in about]
    assert len(set(digests)) == 3


def test_a_classifier_says_itself_how_it_is_read():
    for option in ({"mean": "mnist"}, {"output": 0}):
        with pytest.raises(InputError, match="is given beside a classifier, which says how it is read"):
            brittle.audit(Classifier(LENET), "digits", **SMALL, **option)


def test_numbers_are_kept_as_they_are_written_on_the_command_line():
    assert ModelSpec("net", mean=(0.5, 0.25), std=0.5).mean == "0.5,0.25"
    assert ModelSpec("net", mean="imagenet").mean == "imagenet"
    with pytest.raises(InputError, match="mean is"):
        ModelSpec("net", mean=object())
