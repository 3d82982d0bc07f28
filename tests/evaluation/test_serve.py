"""`serve`: what a service says of its network, and that a URL is a network like any other."""

import pytest
import torch
from typer.testing import CliRunner

from brittle import Classifier, HopSkipJump, InputError, Lp, ModelError, OracleError, Square, open_source, run
from brittle.cli import app
from brittle.evaluation.audit import audit
from brittle.evaluation.serve import serve
from brittle.evaluation.subject import opened
from brittle.models import open_network
from brittle.specs import ModelSpec

IMAGES = next(open_source("digits").blocks(4)).images


def test_scores_are_those_of_the_network():
    with serve("digits-lenet", port=0) as served:
        network, classifier = opened(ModelSpec(served.url))
        assert (network.input_shape, network.classes[:2], network.labels) == ((1, 28, 28), ("0", "1"), None)
        assert classifier.access == "scores"
        with torch.no_grad():
            expected = open_network("digits-lenet").module(IMAGES)
        assert torch.allclose(classifier.logits(IMAGES), expected, atol=1e-5)
        result = run(Square(queries=20), classifier, IMAGES, threat=Lp("inf", 0.3))
        assert result.forward.max() <= 23


def test_labels_alone_are_decisions_without_a_word_of_the_user():
    with serve("digits-lenet", port=0, labels_only=True) as served:
        _, classifier = opened(ModelSpec(served.url))
        assert (classifier.access, classifier.labels) == ("decision", 10)
        asked = served.counts["queries"] + served.counts["repeats"]
        result = run(HopSkipJump(), classifier, IMAGES, threat=Lp(2), budget=30)
        assert served.counts["queries"] + served.counts["repeats"] - asked == result.forward.sum()
        assert result.success.any()


def test_who_says_how_many_classes_there_are_is_believed():
    with serve("digits-lenet", port=0) as served:
        assert opened(ModelSpec(served.url, probabilities=True))[1].access == "scores"
    with serve("digits-lenet", port=0, labels_only=True) as served:
        assert opened(ModelSpec(served.url, labels=12))[1].labels == 12


def test_an_audit_takes_a_url_and_keeps_to_its_budget(tmp_path, few_checks):
    with serve("digits-lenet", port=0, labels_only=True) as served:
        asked = {"attacks": ["hop-skip-jump"], "norm": "l2", "budget": 30, "max_images": 3}
        run_folder = audit(served.url, "digits", tmp_path / "run", **asked)
        assert run_folder.manifest.network.outputs == "labels=10"
        assert served.counts["queries"] + served.counts["repeats"] <= 3 * 30 + 1
        done = served.counts
        audit(served.url, "digits", tmp_path / "run", **asked)
        assert served.counts["queries"] == done["queries"]


def test_a_callable_that_gives_labels_is_served_as_such():
    with serve(lambda images: images.flatten(1).argmax(1), port=0, labels=784, budget=1) as served:
        network = open_network(served.url)
        assert (network.labels, network.input_shape) == (784, None)
        network.module(IMAGES[:1])
        with pytest.raises(OracleError, match="the budget of 1 queries is spent"):
            network.module(IMAGES[1:2])


def test_an_image_that_the_network_cannot_take_is_a_refusal_without_a_traceback():
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)).train()
    with serve(linear, port=0) as served:
        assert not linear[0].training
        module = open_network(served.url).module
        with pytest.raises(OracleError, match="refuses the question: status 400, 'the network cannot answer"):
            module(torch.zeros(1, 1, 5, 5))
    assert linear[0].training


@pytest.mark.parametrize(
    ("words", "said"),
    [({"weights": "w.safetensors"}, "leave --weights out"), ({"dtype": "float16"}, "leave --dtype out")],
)
def test_a_service_has_weights_and_types_of_its_own(words: dict, said: str):
    with serve("digits-lenet", port=0) as served, pytest.raises(ModelError, match=said):
        open_network(served.url, **words)


def test_what_is_no_url_is_refused():
    with pytest.raises(InputError, match="is no URL of a service"):
        open_network("http://")


@pytest.mark.parametrize("words", [{"port": 70000}, {"port": -1}, {"budget": 0}, {"labels_only": 1}])
def test_settings_that_are_none_are_refused(words: dict):
    with pytest.raises(InputError, match=next(iter(words))), serve("digits-lenet", **{"port": 0, **words}):
        pass


def test_the_command_says_where_it_answers_and_ends_in_peace(monkeypatch):
    from brittle.evaluation import serve as serving

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(serving.time, "sleep", interrupted)
    result = CliRunner().invoke(
        app, ["serve", "digits-lenet", "--port", "0", "--device", "cpu"], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert "answering at     http://127.0.0.1:" in result.stderr


def test_an_oracle_can_stand_in_a_classifier_and_remembers(tmp_path):
    from brittle.blackbox.answers import Answers
    from brittle.blackbox.oracle import Oracle
    from brittle.endpoint.client import Endpoint

    with serve("digits-lenet", port=0, labels_only=True) as served:
        answers = tmp_path / "answers.sqlite"
        oracles = [Oracle(Endpoint(served.url), Answers(answers, served.url), budget=100) for _ in range(2)]
        for oracle in oracles:
            run(HopSkipJump(), Classifier(oracle, labels=10), IMAGES[:2], threat=Lp(2), budget=30)
        assert served.counts["repeats"] == 0
        assert served.counts["queries"] == sum(oracles[0].spent.values())
