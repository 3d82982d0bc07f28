"""Changes made for one network, shown to others."""

import pytest
import torch
from torch import Tensor, nn

from brittle import (
    FGSM,
    PGD,
    BasicIterative,
    Classifier,
    InputError,
    Lp,
    ModelError,
    at_size,
    ensemble,
    run,
    transfer_matrix,
)


def linear(weights: list[list[float]]) -> Classifier:
    """A classifier of images (1, 1, 2) by the given rows of weights."""
    layer = nn.Linear(2, len(weights), bias=False)
    layer.weight.data = torch.tensor(weights)
    return Classifier(nn.Sequential(nn.Flatten(), layer))


def points(values: list[list[float]]) -> Tensor:
    return torch.tensor(values).reshape(-1, 1, 1, 2)


FIRST = linear([[2.0, 0.0], [0.0, 2.0]])
"""Class 0 where the first value is larger."""
TWIN = linear([[3.0, 0.0], [0.0, 3.0]])
OPPOSITE = linear([[0.0, 2.0], [2.0, 0.0]])
SUM = linear([[1.0, 1.0], [-1.0, -1.0]])
"""Always class 0: no change within the box breaks it."""
IMAGES = points([[0.6, 0.4], [0.7, 0.3], [0.9, 0.1], [0.2, 0.8]])


def test_a_change_breaks_the_twin_and_not_a_network_that_does_not_look_at_it():
    targets = {"first": FIRST, "twin": TWIN, "sum": SUM}
    found = transfer_matrix(FGSM(), {"first": FIRST}, targets, IMAGES, threat=Lp("inf", 0.25))
    rates = {name: (one.value, one.n) for name, one in found.rates["first"].items()}
    assert rates == {
        "first": (0.5, 4),
        "twin": (0.5, 4),
        "sum": (0.0, 4),
    }  # values 0.2, 0.4, 0.8, 0.6 apart


def test_only_images_that_both_get_right_count():
    labels = torch.tensor([0, 0, 1, 1])  # the third one is wrong for all
    found = transfer_matrix(FGSM(), {"a": FIRST}, {"b": TWIN, "c": SUM}, IMAGES, labels, threat=Lp("inf", 0.25))
    assert found.rates["a"]["b"].n == 3
    assert found.rates["a"]["c"].n == 2  # it calls everything 0
    assert found.table().column("images").to_pylist() == [3, 2]


def test_no_image_that_both_get_right_is_an_error():
    labels = torch.tensor([0, 0, 0, 1])
    with pytest.raises(InputError, match="there is none of 4 images that a source and a target get right"):
        transfer_matrix(FGSM(), {"a": FIRST}, {"b": OPPOSITE}, IMAGES, labels, threat=Lp("inf", 0.1))


def test_a_pair_without_an_image_that_both_get_right_has_no_rate():
    labels = torch.tensor([0, 0, 0, 1])
    targets = {"b": OPPOSITE, "c": TWIN}
    found = transfer_matrix(FGSM(), {"a": FIRST}, targets, IMAGES, labels, threat=Lp("inf", 0.1))
    assert list(found.rates["a"]) == ["c"]


def test_networks_of_other_classes_and_labels_of_none_are_refused():
    three = linear([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    with pytest.raises(InputError, match="a has 2 classes and b 3, so their numbers cannot mean the same"):
        transfer_matrix(FGSM(), {"a": FIRST}, {"b": three}, IMAGES, threat=Lp("inf", 0.1))
    with pytest.raises(InputError, match="1 of the labels are no class of the network"):
        transfer_matrix(FGSM(), {"a": FIRST}, {"b": TWIN}, IMAGES, torch.tensor([0, 0, 2, 1]), threat=Lp("inf", 0.1))


def test_nothing_to_attack_or_to_ask_is_an_error():
    for sources, targets, images in (({}, {"a": FIRST}, IMAGES), ({"a": FIRST}, {}, IMAGES)):
        with pytest.raises(InputError, match="expected at least one"):
            transfer_matrix(FGSM(), sources, targets, images, threat=Lp("inf", 0.1))
    with pytest.raises(InputError, match="there are no images"):
        transfer_matrix(FGSM(), {"a": FIRST}, {"a": FIRST}, IMAGES[:0], threat=Lp("inf", 0.1))


def test_an_attack_goes_on_to_its_last_step():
    attack = BasicIterative(step_size=0.05, steps=8)
    early = run(attack, FIRST, IMAGES, threat=Lp("inf", 0.4))
    found = transfer_matrix(attack, {"a": FIRST}, {"a": FIRST}, IMAGES, threat=Lp("inf", 0.4))
    late = found.results["a"]
    assert (late.linf > early.linf + 0.1)[early.success].any()
    assert (late.margin >= early.margin - 1e-6).all()
    soon = transfer_matrix(attack, {"a": FIRST}, {"a": FIRST}, IMAGES, threat=Lp("inf", 0.4), confidence=0.0)
    assert torch.equal(soon.results["a"].adversarial, early.adversarial)


def test_an_ensemble_answers_with_the_mean_of_the_logits():
    both = ensemble([FIRST, TWIN, OPPOSITE], [1, 1, 2])
    expected = (FIRST.logits(IMAGES) + TWIN.logits(IMAGES) + 2 * OPPOSITE.logits(IMAGES)) / 4
    torch.testing.assert_close(both.logits(IMAGES), expected)
    alone = transfer_matrix(PGD(), {"both": [FIRST, TWIN]}, {"sum": SUM, "a": FIRST}, IMAGES, threat=Lp("inf", 0.5))
    assert alone.rates["both"]["a"].value == 1.0


def test_an_ensemble_reads_each_network_as_its_classifier_says():
    odds = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    odds[1].weight.data = torch.tensor([[-1.0, 1.0]])
    binary = Classifier(odds, binary=True)
    torch.testing.assert_close(
        ensemble([binary, FIRST]).logits(IMAGES), (binary.logits(IMAGES) + FIRST.logits(IMAGES)) / 2
    )


def test_an_ensemble_leaves_its_networks_as_they_are():
    dropping = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(2, 2)).train()
    first = transfer_matrix(PGD(), {"e": [Classifier(dropping), FIRST]}, {"t": TWIN}, IMAGES, threat=Lp("inf", 0.5))
    again = transfer_matrix(PGD(), {"e": [Classifier(dropping), FIRST]}, {"t": TWIN}, IMAGES, threat=Lp("inf", 0.5))
    assert dropping.training
    assert dropping[2].weight.requires_grad
    assert torch.equal(first.results["e"].adversarial, again.results["e"].adversarial)


def test_what_cannot_be_an_ensemble_is_refused():
    with pytest.raises(InputError, match="an ensemble of no networks"):
        ensemble([])
    for wrong in ({"a": FIRST}, [FIRST.module], FIRST):
        with pytest.raises(InputError, match="classifiers is a"):
            ensemble(wrong)
    with pytest.raises(InputError, match="expected the same bounds"):
        ensemble([FIRST, Classifier(FIRST.module, (0, 255))])
    with pytest.raises(InputError, match="expected 2 numbers of at least 0"):
        ensemble([FIRST, TWIN], [1.0])
    with pytest.raises(InputError, match="expected 2 numbers of at least 0"):
        ensemble([FIRST, TWIN], [1.0, -1.0])
    with pytest.raises(InputError, match="all weights of the ensemble are 0"):
        ensemble([FIRST, TWIN], [0.0, 0.0])
    with pytest.raises(InputError, match="refuse images"):
        ensemble([FIRST, Classifier(FIRST.module, rejects=True)])
    with pytest.raises(ModelError, match="has 2 classes and another 3"):
        ensemble([FIRST, linear([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])]).logits(IMAGES)


def test_a_network_sees_images_at_its_own_size():
    small = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)))
    wide = at_size(small, (4, 4))
    blocks = torch.rand(5, 1, 4, 4)
    torch.testing.assert_close(wide.logits(blocks), small.logits(blocks))
    flat = torch.full((2, 1, 9, 13), 0.3)
    torch.testing.assert_close(wide.logits(flat), small.logits(flat[:, :, :4, :4]))
    result = run(PGD(), wide, torch.rand(3, 1, 9, 13), threat=Lp("inf", 0.5))
    assert result.adversarial.shape == (3, 1, 9, 13)
    assert result.success.any()


def test_a_network_at_another_size_keeps_its_bounds():
    inner = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    plain, scaled = at_size(Classifier(inner, (0, 255)), (4, 4)), Classifier(inner, (0, 255))
    images = torch.full((1, 1, 8, 8), 200.0)
    torch.testing.assert_close(plain.logits(images), scaled.logits(images[:, :, :4, :4]))
