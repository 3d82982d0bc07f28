"""What answers over HTTP tells nobody too much, takes no more than an image, and counts an image once."""

import base64
import http.client
import json
import math
import socket
import threading

import pytest
import torch

from brittle import InputError, OracleError
from brittle.endpoint import client
from brittle.endpoint.client import Endpoint
from brittle.endpoint.manner import Manner
from brittle.endpoint.protocol import Answer, Description, answer_in, digest_of_image, image_in, question_of
from brittle.endpoint.server import Service, serving

IMAGE = torch.linspace(0, 1, 4).reshape(1, 2, 2)
ABOUT = Description(classes=3, names=["a", "b", "c"], shape=[1, 2, 2], scores=True, network="f" * 64)


def brightness(image: torch.Tensor) -> Answer:
    mean = float(image.mean())
    return Answer(label=int(mean > 0.5), scores=[0.5, mean, 0.0])


@pytest.fixture
def server():
    service = Service(brightness, ABOUT)
    with serving(service) as found:
        found.__dict__["service"] = service
        yield found


def said(server, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection(server.url.split("/")[2], timeout=5)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {"Content-Type": "application/json", **given})
    response = connection.getresponse()
    found = response.status, json.loads(response.read())
    connection.close()
    return found


def test_an_image_counts_once_however_often_it_is_asked_about(server):
    endpoint = Endpoint(server.url)
    images = torch.stack([IMAGE, 1 - IMAGE, IMAGE * 0])
    assert endpoint(images).tolist() == endpoint(images).tolist()
    assert server.service.counts == {"queries": 3, "images": 3, "repeats": 3}
    status = said(server, "GET", "/status")
    assert status == (200, {**ABOUT.model_dump(), "queries": 3, "images": 3, "repeats": 3, "budget": None})
    assert endpoint.describe() == ABOUT


def test_several_who_ask_at_once_are_counted_rightly(server):
    images = torch.rand(20, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    threads = [threading.Thread(target=Endpoint(server.url), args=(images,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.service.counts == {"queries": 20, "images": 20, "repeats": 60}


def test_the_budget_is_never_exceeded_and_what_is_known_stays_free():
    service = Service(brightness, ABOUT, budget=2)
    with serving(service) as server:
        endpoint = Endpoint(server.url)
        endpoint(torch.stack([IMAGE, 1 - IMAGE]))
        with pytest.raises(OracleError, match="status 403, 'the budget of 2 queries is spent'"):
            endpoint(IMAGE[None] * 0)
        endpoint(IMAGE[None])
    assert service.counts == {"queries": 2, "images": 2, "repeats": 1}


def question(**changes: object) -> bytes:
    return json.dumps({**json.loads(question_of(IMAGE)), **changes}).encode()


def told(values: list[float]) -> bytes:
    image = torch.tensor(values).reshape(1, 2, 2)
    return json.dumps(
        {
            "digest": digest_of_image(image),
            "shape": [1, 2, 2],
            "image": base64.b64encode(image.numpy().tobytes()).decode(),
        }
    ).encode()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "it is no JSON"),
        (b"[1]", "valid dictionary"),
        (b"{}", "digest"),
        (question(digest="f" * 64), "digest is that of another image"),
        (question(digest="f"), "digest"),
        (question(shape=[1, 2]), "shape"),
        (question(shape=[1, 2, 3]), "image holds 16 bytes; expected 24"),
        (question(shape=[2**25] * 3), "image holds 16 bytes"),
        (question(shape=[1, 2, -2]), "shape.2"),
        (question(image="&"), "image is no base64"),
        (told([0, 0.5, 2, 0]), "values reach from 0 to 2; expected"),
        (told([0, 0.5, math.nan, 0]), "values reach from nan"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "lists within lists"),
    ],
)
def test_what_is_no_question_is_refused_in_a_sentence(server, body: bytes, words: str):
    status, answer = said(server, "POST", "/", body)
    assert status == 400
    assert words in answer["error"]
    assert server.service.counts["queries"] == 0


def test_an_image_of_another_shape_is_refused(server):
    assert said(server, "POST", "/", question_of(torch.zeros(3, 2, 2))) == (
        400,
        {"error": "the image is 3x2x2; expected 1x2x2 (channels, height, width)"},
    )


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 404),
        ("GET", "/../../etc/passwd", {}, 404),
        ("POST", "/elsewhere", {}, 404),
        ("PUT", "/", {}, 501),
        ("POST", "/", {"Content_Type": "text/plain"}, 415),
        ("POST", "/", {"Content_Length": "many"}, 411),
        ("POST", "/", {"Content_Length": "-1"}, 411),
        ("POST", "/", {"Content_Length": "99999999999"}, 413),
        ("POST", "/", {"Content_Length": "9" * 40}, 413),
        ("POST", "/", {"Transfer_Encoding": "chunked"}, 411),
    ],
)
def test_other_requests_are_refused(server, method: str, path: str, headers: dict, status: int):
    found, answer = said(server, method, path, None, **headers)
    assert found == status
    assert set(answer) == {"error"}


def test_what_fails_within_is_told_by_its_kind_alone():
    def broken(image: torch.Tensor) -> Answer:
        raise KeyError("a secret of the network")

    with serving(Service(broken, ABOUT)) as server:
        assert said(server, "POST", "/", question_of(IMAGE)) == (
            500,
            {"error": "the network fails on this image (KeyError)"},
        )


def test_who_breaks_off_disturbs_nobody(server):
    host, port = server.url.split("/")[2].split(":")
    with socket.create_connection((host, int(port))) as half:
        half.sendall(b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    assert Endpoint(server.url)(IMAGE[None]).tolist() == [0]


def test_an_address_in_use_is_one_clear_error(server):
    port = int(server.url.rstrip("/").rpartition(":")[2])
    with (
        pytest.raises(InputError, match=f"port {port} cannot be listened at"),
        serving(Service(brightness, ABOUT), port=port),
    ):
        pass


def test_nobody_but_this_machine_is_listened_to(server):
    assert server.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"label": 1.5}', "label"),
        (b'{"label": true}', "label"),
        (b'{"label": "1"}', "label"),
        (b'{"label": 99999999}', "label"),
        (b'{"scores": [1]}', "scores"),
        (b'{"scores": [1, NaN]}', "finite"),
        (b'{"label": 2, "scores": [1, 0]}', "its label is 2, of 2 scores"),
        (b"{}", "neither label nor scores"),
        (b"\xff", "no JSON"),
    ],
)
def test_what_is_no_answer_is_refused(body: bytes, words: str):
    with pytest.raises(InputError, match=words):
        answer_in(body)


def test_an_answer_may_say_more_than_is_asked():
    assert answer_in(b'{"label": 3, "took": 0.1}') == Answer(label=3)
    assert answer_in(b'{"scores": [0, 2, 1]}').chosen == 1


def test_questions_carry_the_very_values():
    image = torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(1))
    digest, found = image_in(question_of(image))
    assert digest == digest_of_image(image)
    assert torch.equal(found, image)
    assert digest_of_image(image.reshape(3, 4, 5)) != digest


def test_what_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "MOST_BYTES", 1000)
    with serving(Service(lambda image: Answer(label=0, scores=[0.5] * 1000), ABOUT)) as server:
        endpoint = Endpoint(server.url, manner=Manner(attempts=1))
        with pytest.raises(OracleError, match="an answer of more than 1,000 bytes"):
            endpoint(IMAGE[None])
