"""Networks of which only the outputs are to be had: callables, and probabilities in place of logits."""

import pytest
import torch
from affine import affine, convolutional, middle
from cases import CASES, Case
from torch import Tensor, nn

from brittle import PGD, Classifier, DeepFool, Lp, ModelError, RandomNoise, run
from brittle.classifiers.callable_module import GRADIENT_FREE
from brittle.registry import ATTACKS, COMBINATORS

IMAGES = middle(6)
NOISE, RADIUS = RandomNoise(draws=20), Lp("inf", 0.3)


def service(images: Tensor) -> Tensor:
    """A network behind numpy, as behind a web service: no gradients come back."""
    answer = convolutional().module(torch.from_numpy(images.numpy()).double())
    return torch.from_numpy(answer.detach().numpy())


def test_a_callable_is_a_network():
    module, white = convolutional(), run(NOISE, convolutional(), IMAGES, threat=RADIUS)
    black = run(NOISE, Classifier(service), IMAGES.float(), threat=RADIUS)
    assert black.success.any()
    assert torch.equal(black.success, white.success)
    assert black.margin.dtype == torch.float32  # of the images, though the service answers in float64
    assert Classifier(service).device == torch.device("cpu")
    through = run(PGD(steps=3), Classifier(lambda images: module.module(images.double())), IMAGES, threat=RADIUS)
    assert torch.equal(through.success, run(PGD(steps=3), module, IMAGES, threat=RADIUS).success)


def test_probabilities_are_read_as_their_logarithms():
    white = convolutional()
    black = Classifier(nn.Sequential(white.module, nn.Softmax(1)), probabilities=True)
    torch.testing.assert_close(black.logits(IMAGES), white.logits(IMAGES).log_softmax(1))
    first, second = (run(DeepFool(), classifier, IMAGES, threat=Lp(2)) for classifier in (white, black))
    assert torch.equal(first.prediction, second.prediction)
    torch.testing.assert_close(first.confidence, second.confidence)
    noise = [run(NOISE, classifier, IMAGES, threat=RADIUS) for classifier in (white, black)]
    torch.testing.assert_close(noise[0].margin, noise[1].margin)


def test_certainty_has_finite_logits_and_hard_labels_are_probabilities():
    certain = Classifier(lambda images: torch.eye(3).expand(len(images), 3, 3)[:, 0], probabilities=True)
    logits = certain.checked(torch.zeros(2, 1, 2, 2))
    assert logits[0, 0] == 0
    assert logits[0, 1] == pytest.approx(-87.34, abs=0.01)
    whole = Classifier(lambda images: torch.tensor([[0, 1]]).expand(len(images), 2), probabilities=True)
    assert whole.checked(torch.zeros(2, 1, 2, 2)).argmax(1).tolist() == [1, 1]
    rounded = torch.tensor([[0.333, 0.333, 0.333]])
    assert Classifier(lambda images: rounded, probabilities=True).checked(torch.zeros(1, 1, 2, 2)).shape == (1, 3)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_a_single_probability_is_that_of_class_1(shape):
    two = affine(classes=2)
    one = Classifier(lambda images: two.logits(images).softmax(1)[:, 1].reshape(shape), binary=True, probabilities=True)
    torch.testing.assert_close(one.logits(IMAGES), two.logits(IMAGES).log_softmax(1))


@pytest.mark.parametrize(
    "box",
    [service, lambda images: service(images.detach()), lambda images: 2 * torch.eye(4)[: len(images)]],
    ids=["fails on gradients", "loses gradients", "constant"],
)
@pytest.mark.parametrize("attack", [PGD(steps=2), DeepFool()], ids=["pgd", "deepfool"])
def test_an_attack_by_gradients_says_what_to_use_instead(box, attack):
    with pytest.raises(ModelError, match=r"this attack needs gradients and the network gives none .*noise, one-pixel"):
        run(attack, Classifier(box), middle(4), threat=Lp(2, 0.5))


def test_an_error_of_the_callable_itself_is_told_and_kept_as_the_cause():
    def broken(images: Tensor) -> Tensor:
        raise RuntimeError("the service is down")

    with pytest.raises(
        ModelError,
        match=r"network \(broken\) fails .*\(RuntimeError: the service is down, in .*test_black_box.py, line \d+, in",
    ) as caught:
        run(NOISE, Classifier(broken), IMAGES, threat=RADIUS)
    assert isinstance(caught.value.__cause__, RuntimeError)


ONE_OF_EACH = {type(case.attack): case for case in CASES if type(case.attack) not in COMBINATORS.values()}


@pytest.mark.parametrize("case", ONE_OF_EACH.values(), ids=str)
def test_the_attacks_named_as_free_of_gradients_are(case: Case):
    name = next(name for name, kind in ATTACKS.items() if kind is type(case.attack))

    def attack():
        return run(case.attack, Classifier(lambda images: service(images.detach())), middle(2), threat=case.threat)

    assert (name in GRADIENT_FREE.split(", ")) == (not case.attack.gradients)
    if not case.attack.gradients:
        assert (attack().backward == 0).all()
    else:
        with pytest.raises(ModelError, match="needs gradients"):
            attack()


def numbers(images: Tensor) -> Tensor:
    """A network that reveals its decision alone."""
    return service(images).argmax(1)


def test_class_numbers_are_read_as_one_hot_logits():
    silent = Classifier(numbers, labels=4)
    assert silent.checked(IMAGES.float()).unique().tolist() == [0, 1]
    assert torch.equal(silent.logits(IMAGES).argmax(1), convolutional().logits(IMAGES).argmax(1))
    white, black = (run(NOISE, box, IMAGES, threat=RADIUS) for box in (convolutional(), silent))
    assert torch.equal(black.success, white.success)
    assert torch.equal(black.prediction, white.prediction)
    with pytest.raises(ModelError, match="needs gradients"):
        run(PGD(steps=2), silent, IMAGES, threat=RADIUS)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (lambda images: service(images), r"shape \(6, 4\) of torch.float64"),
        (lambda images: numbers(images).float(), r"shape \(6,\) of torch.float32"),
        (lambda images: numbers(images)[:, None], r"shape \(6, 1\)"),
        (lambda images: numbers(images) + 2, r"said to have 4 classes and returns class [45] for image"),
        (lambda images: numbers(images).tolist(), "returns a list"),
    ],
)
def test_what_is_no_class_number_is_refused(said, message):
    with pytest.raises(ModelError, match=message):
        run(NOISE, Classifier(said, labels=4), IMAGES, threat=RADIUS)


def test_class_numbers_that_were_not_announced_are_named():
    with pytest.raises(ModelError, match="if these are class numbers, say"):
        run(NOISE, Classifier(numbers), IMAGES, threat=RADIUS)


@pytest.mark.parametrize("wrong", [{"labels": 1}, {"labels": 3, "binary": True}, {"labels": 3, "probabilities": True}])
def test_what_cannot_all_be_said_of_the_outputs(wrong):
    with pytest.raises(ModelError, match="said to return the numbers of"):
        Classifier(numbers, **wrong)
