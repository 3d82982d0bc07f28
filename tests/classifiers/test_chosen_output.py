"""Networks that return several outputs, of which one is read."""

from collections import namedtuple
from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import brittle
from brittle import FGSM, Classifier, Lp, ModelError
from brittle.classifiers.chosen_output import ChosenOutput, described, refusal

Pair = namedtuple("Pair", ["scores", "features"])
FORMS = {
    "dict": (lambda scores, features: {"features": features, "scores": scores}, "scores"),
    "tuple": (lambda scores, features: (features, scores), 1),
    "tuple from the end": (lambda scores, features: (features, scores), -1),
    "tuple as text": (lambda scores, features: (features, scores), "1"),
    "list": (lambda scores, features: [scores, features], 0),
    "named tuple": (Pair, "scores"),
    "named tuple by position": (Pair, 0),
    "object": (lambda scores, features: SimpleNamespace(scores=scores, features=features), "scores"),
    "dict of numbers": (lambda scores, features: {0: features, 1: scores}, 1),
    "dict of numbers as text": (lambda scores, features: {"0": features, "1": scores}, 1),
}


class Several(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.form, self.layer = form, nn.Linear(16, 3)

    def forward(self, images):
        return self.form(self.layer(images.flatten(1)), images)


@pytest.fixture(scope="module")
def images():
    return torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("form", "output"), FORMS.values(), ids=FORMS.keys())
def test_one_output_is_read_and_attacked_as_a_network_of_that_output_alone(form, output, images):
    module = Several(form)
    alone = nn.Sequential(nn.Flatten(), module.layer)
    labels = alone(images).argmax(1)
    results = [
        brittle.run(FGSM(), classifier, images, labels, threat=Lp("inf", 0.3))
        for classifier in (Classifier(module, output=output), Classifier(alone))
    ]
    assert torch.equal(results[0].adversarial, results[1].adversarial)
    assert torch.equal(results[0].success, results[1].success)


def test_a_callable_stays_a_black_box(images):
    classifier = Classifier(lambda images: {"scores": images.flatten(1)}, output="scores")
    assert classifier.access == "scores"
    assert torch.equal(classifier.logits(images), images.flatten(1))


@pytest.mark.parametrize(
    ("form", "output", "message"),
    [
        (FORMS["dict"][0], "score", "a dict with 'features' and 'scores', and 'score' was asked for; did you mean 'sc"),
        (FORMS["tuple"][0], 2, r"a tuple of 2, and 2 was asked for; expected a position from 0 to 1$"),
        (FORMS["tuple"][0], "logits", r"a tuple of 2, and 'logits' was asked for$"),
        (lambda scores, features: scores, 0, "returns one tensor alone; leave out output= or --output"),
    ],
)
def test_an_output_that_is_not_there_is_told_with_those_that_are(form, output, message, images):
    with pytest.raises(ModelError, match=message):
        Classifier(Several(form), output=output).checked(images)


def test_where_none_is_chosen_the_message_names_what_looks_like_logits(images):
    with pytest.raises(
        ModelError, match=r"with 'features' and 'scores'.* output='scores' in Python or --output scores"
    ):
        Classifier(Several(FORMS["dict"][0])).checked(images)
    with pytest.raises(ModelError, match=r"a tuple of 2.* such as output=1 in Python or --output 1"):
        Classifier(Several(FORMS["tuple"][0])).checked(images)
    assert described({str(number): 0 for number in range(20)}).endswith("'11' and 8 more")
    assert "say which" not in refusal(None)


def test_weights_fit_with_and_without_what_is_around_the_network():
    bare = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    around = ChosenOutput(deepcopy(bare).eval(), 0)
    assert not around.training
    nn.init.zeros_(around.module[0].weight)
    bare.load_state_dict(around.state_dict())
    assert not bool(bare[0].weight.any())
    nn.init.ones_(bare[0].weight)
    around.load_state_dict(bare.state_dict())
    assert bool((around.module[0].weight == 1).all())
    within = nn.Sequential(nn.Identity(), ChosenOutput(around, 0))
    assert list(within.state_dict()) == [f"1.{name}" for name in bare.state_dict()]
    within.load_state_dict(within.state_dict())
