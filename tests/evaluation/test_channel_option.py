"""`--channel`: attacks go through what happens to images on their way, and a run tells what that was."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from brittle import PGD, Classifier, InputError, Lp, run
from brittle.core.randomness import DRAWS
from brittle.data import open_source
from brittle.errors import RunError
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.channelled import channel_of, spelled_channel
from brittle.evaluation.subject import open_subject
from brittle.models import open_network
from brittle.physical.blur import Blur
from brittle.runs.read import read_manifest
from brittle.specs import DataSpec, ModelSpec

pytestmark = pytest.mark.usefixtures("few_checks")
ASKED = {"attacks": ["fgsm"], "eps": 0.1, "max_images": 10}


@pytest.fixture(scope="module")
def digits() -> tuple[Classifier, Tensor, Tensor]:
    block = next(iter(open_source("digits", max_images=60).blocks(60)))
    return Classifier(open_network("digits-lenet").module), block.images, block.labels


def test_the_network_is_asked_through_the_channel(digits: tuple[Classifier, Tensor, Tensor]):
    classifier, images, _ = digits
    subject = open_subject(ModelSpec("digits-lenet", channel="blur:sigma=1"), DataSpec("digits"))
    with torch.no_grad():
        expected = classifier.logits(Blur(sigma=1.0)(images))
        assert torch.allclose(subject.classifier.logits(images), expected, atol=1e-4)


def test_what_is_attacked_through_a_channel_stands_it(digits: tuple[Classifier, Tensor, Tensor]):
    classifier, images, labels = digits
    channel, threat = Blur(sigma=1.0), Lp("inf", 0.15)

    def left(seen: Classifier) -> float:
        """How many adversarial images the channel makes right again."""
        found = run(PGD(steps=10), seen, images, labels, threat=threat)
        with torch.no_grad():
            return float((classifier.logits(channel(found.adversarial)).argmax(1) == labels).float().mean())

    assert left(channel.before(classifier)) < left(classifier) - 0.2


def test_a_run_says_through_what_it_went_and_is_another_run_without(tmp_path: Path):
    out = tmp_path / "run"
    first = audit("digits-lenet", "digits", out, channel="blur:sigma=2", **ASKED)
    assert first.manifest.network.channel == "blur:sigma=2"
    assert read_manifest(out / "manifest.json").identity == first.manifest.identity
    with pytest.raises(RunError, match="through blur:sigma=2"):
        audit("digits-lenet", "digits", out, channel="blur:sigma=1.5", **ASKED)
    with pytest.raises(RunError, match="network: "):
        audit("digits-lenet", "digits", out, **ASKED)


def test_without_a_channel_a_manifest_is_what_it_was(tmp_path: Path):
    audit("digits-lenet", "digits", tmp_path / "run", **ASKED)
    assert '"channel"' not in (tmp_path / "run" / "manifest.json").read_text()


def test_a_random_channel_is_met_by_the_mean_over_draws(tmp_path: Path):
    folder = audit("digits-lenet", "digits", tmp_path / "run", channel="noise:sigma=0.1", **{**ASKED, "max_images": 4})
    assert folder.manifest.eot_samples == DRAWS
    folder = audit("digits-lenet", "digits", tmp_path / "own", channel="noise", eot_samples=3, **ASKED)
    assert folder.manifest.eot_samples == 3


def test_images_of_attack_are_judged_behind_the_channel(tmp_path: Path):
    options = {"attack": "pgd", "eps": 0.15, "norm": "linf", "max_images": 8}
    saved = attack("digits-lenet", "digits", tmp_path / "a", channel="blur:sigma=1", **options)
    assert all(one.success for one in saved)
    with pytest.raises(RunError, match="another attack"):
        attack("digits-lenet", "digits", tmp_path / "a", channel="blur:sigma=1.5", **options)


def test_a_channel_stands_before_a_defence(digits: tuple[Classifier, Tensor, Tensor]):
    _, images, _ = digits
    subject = open_subject(
        ModelSpec("digits-lenet", defence="bit-depth:bits=2", channel="blur:sigma=1"), DataSpec("digits")
    )
    assert subject.defended is not None
    with torch.no_grad():
        blurred = Blur(sigma=1.0)(images)
        expected = subject.defended.classifier.logits(blurred)
        assert torch.allclose(subject.classifier.logits(images), expected, atol=1e-4)


@pytest.mark.parametrize("text", ["photograph", "blur:sigma=2.0+jpeg:quality=60", "noise:sigma=0.2"])
def test_a_channel_is_written_as_it_is_read(text: str):
    assert channel_of(spelled_channel(channel_of(text))) == channel_of(text)


def test_a_channel_that_is_none_is_refused():
    with pytest.raises(InputError, match="the channel is a int; expected text such as"):
        channel_of(3)
    with pytest.raises(InputError, match="there is no channel 'blurr'"):
        open_subject(ModelSpec("digits-lenet", channel="blurr"), DataSpec("digits"))


def test_what_is_done_to_images_is_said_with_the_channel(tmp_path: Path):
    run = audit("digits-lenet", "digits", tmp_path / "run", channel="blur:sigma=2", **ASKED)
    assert "the network sees images through blur:sigma=2" in run.manifest.data.remarks
