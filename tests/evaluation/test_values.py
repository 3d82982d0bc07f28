"""Audits of what a caller holds: modules, tensors, loaders, own attacks and threats; each what its text gives."""

import gc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler, SubsetRandomSampler, TensorDataset, WeightedRandomSampler

import brittle
from brittle import PGD, Classifier, DataError, InputError, Lp
from brittle.core.attack import Attack
from brittle.core.problem import Problem
from brittle.data import from_memory, open_source
from brittle.data.fit import Fit
from brittle.evaluation.attack import attack
from brittle.evaluation.plan import plan, spec_of, threat_of
from brittle.evaluation.subject import fit_for
from brittle.evaluation.universal import universal
from brittle.metrics.rows import floats
from brittle.models import open_network
from brittle.specs import Asked, DataSpec, Effort, ModelSpec, Question

pytestmark = pytest.mark.usefixtures("few_checks")

MODULE = open_network("digits-lenet").module
(BLOCK,) = open_source("digits", max_images=6).blocks(6)
IMAGES, LABELS = BLOCK.images, BLOCK.labels
SMALL = Question(Lp("inf", 0.1))


@dataclass(frozen=True)
class Brighter(Attack):
    """Adds one change to every image.

    Attributes:
        fraction: of the radius.
    """

    threats = ("linf",)
    needs_radius = True
    gradients = False

    fraction: float = 1.0

    def perturb(self, problem: Problem) -> None:
        """Show each image once, brighter."""
        problem.probe((problem.images + self.fraction * problem.threat.radius).clamp(0, 1))


def sizes(folder, key: str) -> list[float]:
    return floats(folder.table(key), "size").tolist()


@pytest.fixture(scope="module")
def as_text() -> list[float]:
    folder = brittle.audit("digits-lenet", "digits", attacks=["fgsm"], norm="linf", eps=0.1, max_images=6)
    return sizes(folder, "fgsm")


@pytest.mark.parametrize("labels", [LABELS, LABELS.numpy()], ids=["tensors", "arrays"])
def test_a_module_and_tensors(labels, as_text):
    images = IMAGES if isinstance(labels, torch.Tensor) else IMAGES.numpy()
    folder = brittle.audit(MODULE, (images, labels), question=SMALL, attacks=["fgsm"])
    assert sizes(folder, "fgsm") == as_text
    assert folder.manifest.network.spec == type(MODULE).__name__
    assert folder.manifest.data.spec == "tensors"


def test_a_data_loader_and_a_data_set(as_text):
    images = TensorDataset(IMAGES, LABELS)
    state = torch.get_rng_state()
    folder = brittle.audit(MODULE, DataLoader(images, batch_size=4), question=SMALL, attacks=["fgsm"])
    assert sizes(folder, "fgsm") == as_text
    assert torch.equal(torch.get_rng_state(), state)
    few = brittle.audit(MODULE, DataSpec(images, max_images=3), question=SMALL, attacks=["fgsm"])
    assert sizes(few, "fgsm") == as_text[:3]
    shuffled = brittle.audit(MODULE, DataLoader(images, batch_size=4, shuffle=True), question=SMALL, attacks=["fgsm"])
    assert sizes(shuffled, "fgsm") == as_text


@pytest.mark.parametrize(
    "sampler",
    [
        WeightedRandomSampler([1.0] * 6, 6),
        SubsetRandomSampler([0, 1]),
        RandomSampler(range(6), replacement=True),
        RandomSampler(range(6), num_samples=3),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_loader_that_draws_other_images_each_time_is_refused(sampler):
    loader = DataLoader(TensorDataset(IMAGES, LABELS), sampler=sampler)
    with pytest.raises(DataError, match=r"draws some of its images with an? \w+Sampler"):
        brittle.audit(MODULE, loader)


def test_an_attack_of_ones_own():
    folder = brittle.audit(MODULE, (IMAGES, LABELS), question=SMALL, attacks=[Brighter(), Brighter(fraction=0.5)])
    whole, half = folder.manifest.attacks
    assert (whole.spec, half.spec, half.settings) == ("Brighter()", "Brighter(fraction=0.5)", {"fraction": 0.5})
    assert Path(__file__).name in {name.rpartition("/")[2] for name in folder.manifest.code.yours}
    assert folder.table(half.key).num_rows == 6


def test_a_threat_as_a_value_or_as_one_text(as_text):
    for threat in ("linf:0.1", Lp("inf", 0.1)):
        folder = brittle.audit("digits-lenet", "digits", question=Question(threat), attacks=["fgsm"], max_images=6)
        assert sizes(folder, "fgsm") == as_text
    assert threat_of(Question("l2")) == (Lp(2), None)
    for wrong in (Question(Lp("inf", 0.1), radius=0.2), Question("linf:0.1", radius=0.1), Question(3)):
        with pytest.raises(InputError, match=r"twice|expected"):
            threat_of(wrong)


def test_a_list_of_attacks(as_text):
    both = brittle.audit(MODULE, (IMAGES, LABELS), question=SMALL, attacks=["fgsm", PGD(steps=3)])
    assert [one.spec for one in both.manifest.attacks] == ["fgsm", "PGD(steps=3)"]
    assert sizes(both, "fgsm") == as_text
    one = brittle.audit(MODULE, (IMAGES, LABELS), question=SMALL, attacks="fgsm")
    assert sizes(one, "fgsm") == as_text
    (text,), (value,) = plan(["pgd:steps=3"], "linf", 0.1), plan([PGD(steps=3)], "linf", 0.1)
    assert (text.info.name, text.info.settings, text.attack) == (value.info.name, value.info.settings, value.attack)
    inner = brittle.SmallestRadius(brittle.FGSM(), steps=4)
    assert spec_of(inner).text == "SmallestRadius(attack=FGSM(), steps=4)"


def test_a_callable_gets_the_attacks_that_need_no_gradients():
    def asked(images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return MODULE(images)

    folder = brittle.audit(
        asked, (IMAGES, LABELS), question=Question("linf", radius=0.3), attacks=["noise:draws=2"], effort=Effort(seed=3)
    )
    assert (folder.manifest.network.spec, folder.manifest.seed, folder.manifest.device) == ("asked", 3, "cpu")
    assert folder.table("noise_draws=2").num_rows == 6


def test_a_run_without_a_name_lives_as_long_as_what_is_returned():
    folder = brittle.audit(MODULE, (IMAGES, LABELS), question=SMALL, attacks=["fgsm"])
    path = folder.path
    assert (path / "manifest.json").exists()
    del folder
    gc.collect()
    assert not path.exists()


def test_what_is_given_twice_or_does_nothing_is_refused():
    with pytest.raises(InputError, match="eps is given beside a Question; say it there: radius"):
        brittle.audit("digits-lenet", "digits", question=SMALL, eps=0.1)
    with pytest.raises(InputError, match=r"Question\.goal is given, which does nothing here"):
        brittle.audit("digits-lenet", "digits", target=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'epsilon'"):
        brittle.audit("digits-lenet", "digits", epsilon=0.1)
    with pytest.raises(InputError, match="expected 0 to 1"):
        brittle.audit(Classifier(MODULE, bounds=(0, 255)), (IMAGES, LABELS))
    with pytest.raises(InputError, match="open already"):
        brittle.audit(ModelSpec(MODULE, dtype="float64"), (IMAGES, LABELS))
    for images in (3, (IMAGES, LABELS[:2]), (IMAGES * 255, LABELS)):
        with pytest.raises(brittle.BrittleError, match=r"expected|divide by 255"):
            brittle.audit(MODULE, images, question=SMALL, attacks=["fgsm"])


def test_the_other_evaluations_take_values_too(tmp_path):
    (saved,) = attack(
        MODULE, (IMAGES[:1], LABELS[:1]), tmp_path / "out", attack=PGD(steps=3), question=Question(Lp("inf", 0.3))
    )
    assert saved.label == int(LABELS[0])
    made = universal(
        Classifier(MODULE),
        DataLoader(TensorDataset(IMAGES, LABELS)),
        tmp_path / "v",
        attack=brittle.UniversalAscent(passes=1),
        question=Question("linf:0.2"),
        effort=Effort(batch=3),
    )
    assert float(made.perturbation.threat.radius) == pytest.approx(0.2)
    trained = brittle.train("fc10", (IMAGES, LABELS), tmp_path / "w", epochs=1, attack=PGD(steps=1))
    assert trained.path.exists()


def test_images_in_memory_are_a_source():
    source = from_memory((np.uint8(IMAGES.numpy() * 255), LABELS.tolist()), fit=Fit(), max_images=4, skip_bad=False)
    (block,) = source.blocks(10)
    assert block.images.shape == (4, *IMAGES.shape[1:])
    assert block.labels.tolist() == LABELS[:4].tolist()
    more = from_memory((IMAGES, LABELS), fit=Fit(), max_images=None, skip_bad=False)
    other = from_memory((IMAGES, LABELS.flip(0)), fit=Fit(), max_images=None, skip_bad=False)
    assert len({source.digest(), more.digest(), other.digest()}) == 3


def test_values_and_keywords_are_the_same_question():
    one = Asked.of("n", "d", None, None, {"norm": "l2", "eps": 1, "seed": 3, "dtype": "float64", "crop": 8})
    assert one == Asked(
        ModelSpec("n", dtype="float64"), DataSpec("d", crop=8), Question("l2", radius=1), Effort(seed=3)
    )
    assert one.stated() == {"norm": "l2", "eps": 1, "seed": 3, "dtype": "float64", "crop": 8}


@pytest.mark.parametrize(
    ("options", "fit"),
    [
        ({"size": "24x40"}, Fit(None, 24, 40)),
        ({"size": (24, 40), "crop": "none", "interpolation": "bicubic"}, Fit(None, 24, 40, None, "none", "bicubic")),
        ({"size": 96, "resize": 100}, Fit(None, 96, 96, 100)),
        ({"crop": 20}, Fit(None, 20, 20, None, 20)),
    ],
)
def test_sizes_crops_and_interpolations_as_they_are_written(options, fit):
    data = Asked.of("n", "d", None, None, options).data
    assert fit_for(None, data) == fit
    assert fit_for((3, 8, 8), DataSpec("d")) == Fit(3, 8, 8)
    assert DataSpec("d", crop="20").crop == 20  # as the command line gives it
    assert fit_for((3, 8, 8), DataSpec("d", crop="none")) == Fit(3, 8, 8, crop="none")


@pytest.mark.parametrize("size", ["2x", "0x4", "-3", "axb", "1x2x3", (1, 2, 3), 0, 2.5, "999999"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(InputError, match="expected HEIGHTxWIDTH such as 224x320"):
        DataSpec("d", size=size)


def test_nothing_is_stretched_to_no_size():
    with pytest.raises(InputError, match=r"does not say its size; give it, such as --size 224x224"):
        fit_for(None, DataSpec("d", crop="none"))
