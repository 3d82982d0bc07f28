"""A URL is a network: what it says of itself is known, and nobody is asked about an image for that."""

import pytest

from brittle import OracleError
from brittle.endpoint.protocol import Answer, Description
from brittle.endpoint.server import Service, serving
from brittle.listing import listing
from brittle.models import open_network


def opened(about: Description):
    service = Service(lambda image: Answer(label=0), about)
    with serving(service) as server:
        network = open_network(server.url)
    assert service.counts["queries"] == 0
    return network


def test_it_is_known_by_what_it_says():
    about = {"classes": 3, "names": ["a", "b", "c"], "shape": [1, 2, 2], "network": "f" * 64}
    first = opened(Description(**about))
    assert (first.input_shape, first.classes, first.labels, first.parameters) == ((1, 2, 2), ("a", "b", "c"), 3, 0)
    assert opened(Description(**about, scores=True)).labels is None


def test_another_network_behind_the_same_url_is_another_one():
    service = Service(lambda image: Answer(label=0), Description(classes=3, network="a"))
    with serving(service) as server:
        first = open_network(server.url)
        assert open_network(server.url).digest == first.digest
        service.about = Description(classes=3, network="b")
        assert open_network(server.url).digest != first.digest


def test_one_that_says_little_leaves_it_open():
    network = opened(Description())
    assert (network.input_shape, network.classes, network.labels) == (None, (), None)


def test_nobody_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch):
    from brittle.endpoint.manner import Manner

    monkeypatch.setattr(Manner, "wait", lambda self, attempt: 0.0)
    with pytest.raises(OracleError, match="gave no answer in 2 attempts"):
        open_network("http://127.0.0.1:9/")


def test_it_is_listed():
    assert "http://HOST:PORT/" in [row.name for row in listing("models")]
