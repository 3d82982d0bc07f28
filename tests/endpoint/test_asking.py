"""A service is asked again where an answer is lost, never for good where it refuses, and always at a bounded rate."""

import pickle
from dataclasses import replace

import pytest
import torch
from faulty import Faulty, answering

from brittle import InputError, OracleError
from brittle.endpoint.client import Endpoint
from brittle.endpoint.manner import Manner
from brittle.endpoint.protocol import digest_of_image

IMAGE = torch.linspace(0, 1, 4).reshape(1, 1, 2, 2)
PATIENT = Manner(timeout=30.0, attempts=4, first_wait=1.0, jitter=0.0)
"""A busy machine may take its time with what is answered at all."""
SOON = replace(PATIENT, timeout=0.75)


class Clock:
    """Time that passes where somebody sleeps, and nowhere else."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def asked_of(faulty: Faulty, manner: Manner = PATIENT, scores: bool = False) -> tuple[Endpoint, Clock, list[str]]:
    clock, said = Clock(), []
    return Endpoint(faulty.url, scores, manner, tell=said.append, sleep=clock.sleep, clock=clock), clock, said


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("dropped", "no answer"),
        ("cut", "no answer"),
        ("slow", "no answer"),
        ("html", "an answer that is none"),
        ("empty", "an answer that is none"),
        ("no label", "neither label nor scores"),
        ("negative", "label"),
        (500, "status 500"),
        (502, "status 502"),
        (503, "status 503"),
        (429, "status 429"),
    ],
)
def test_what_gets_lost_is_asked_again_with_the_same_key_and_every_time_is_said(fault, words: str):
    with answering(Faulty([fault, fault])) as faulty:
        endpoint, clock, said = asked_of(faulty, SOON if fault == "slow" else PATIENT)
        assert endpoint(IMAGE).tolist() == [7]
    assert faulty.asked == [digest_of_image(IMAGE[0])] * 3
    assert clock.slept == [1.0, 2.0]
    assert len(said) == 2
    assert all(words in line for line in said)
    assert "asking again in 2.0 s (attempt 3 of 4)" in said[1]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 301, 501])
def test_a_refusal_is_one_clear_error_at_once(status: int):
    with answering(Faulty([status])) as faulty:
        endpoint, clock, said = asked_of(faulty)
        with pytest.raises(OracleError, match=f"refuses the question: status {status}, 'not now'"):
            endpoint(IMAGE)
    assert (len(faulty.asked), clock.slept, said) == (1, [], [])


def test_who_asks_for_a_pause_gets_it():
    with answering(Faulty([(429, {"Retry_After": "17"}), (503, {"Retry_After": "not a time"})])) as faulty:
        endpoint, clock, _ = asked_of(faulty)
        endpoint(IMAGE)
    assert clock.slept == [17.0, 2.0]


def test_who_asks_for_an_hour_is_left_alone():
    with answering(Faulty([(429, {"Retry_After": "3600"})])) as faulty:
        endpoint, clock, _ = asked_of(faulty)
        with pytest.raises(OracleError, match="left alone for 3,600 s, longer than 60 s"):
            endpoint(IMAGE)
    assert clock.slept == []


def test_after_the_last_attempt_it_is_over():
    with answering(Faulty([500] * 9)) as faulty:
        endpoint, clock, said = asked_of(faulty)
        with pytest.raises(OracleError, match="gave no answer in 4 attempts, at last: status 500, 'not now'"):
            endpoint(IMAGE)
    assert (len(faulty.asked), len(said)) == (4, 3)
    assert clock.slept == [1.0, 2.0, 4.0]


def test_nobody_there_is_an_error_without_addresses_of_objects():
    with answering(Faulty()) as faulty:
        pass
    endpoint, _, _ = asked_of(faulty)
    with pytest.raises(OracleError, match="refused") as error:
        endpoint(IMAGE)
    assert "0x" not in str(error.value)


def test_the_wait_grows_up_to_the_longest_and_jitter_only_shortens_it():
    assert [Manner(jitter=0, longest_wait=3).wait(attempt) for attempt in (1, 2, 3, 4, 2000)] == [0.5, 1, 2, 3, 3]
    waits = [Manner(jitter=0.5, first_wait=8).wait(1) for _ in range(50)]
    assert 4 <= min(waits) < max(waits) <= 8


def test_the_rate_spaces_all_requests_those_asked_again_included():
    with answering(Faulty([500])) as faulty:
        endpoint, clock, _ = asked_of(faulty, Manner(first_wait=0.125, jitter=0, rate=2.0))
        endpoint(torch.cat([IMAGE, 1 - IMAGE]))
    assert len(faulty.asked) == 3
    assert clock.slept == [0.125, 0.375, 0.5]


def test_scores_come_as_they_are_and_a_service_without_them_says_so():
    with answering(Faulty(answer=lambda asked: {"scores": [0.25, 2, -1]})) as faulty:
        assert asked_of(faulty, scores=True)[0](IMAGE).tolist() == [[0.25, 2.0, -1.0]]
        assert asked_of(faulty)[0](IMAGE).tolist() == [1]
        faulty.answer = lambda asked: {"label": 1}
        with pytest.raises(OracleError, match="does not tell one score for each class"):
            asked_of(faulty, scores=True)[0](IMAGE)


def test_what_says_nothing_of_itself_is_asked_all_the_same():
    with answering(Faulty()) as faulty:
        endpoint, _, _ = asked_of(faulty)
        assert endpoint.describe().classes is None
        assert endpoint(IMAGE).tolist() == [7]


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:80", "file:///etc", "http://", "http://h:99999/", "http://h/?a=1", "http://h o/"]
)
def test_what_is_no_url_of_a_service_is_refused(url: str):
    with pytest.raises(InputError, match="is no URL of a service"):
        Endpoint(url)


def test_a_password_never_gets_into_a_report():
    with pytest.raises(InputError, match="name or a password") as error:
        Endpoint("http://me:secret@h/")
    assert "secret" not in str(error.value)
    assert "secret" not in repr(Endpoint("http://h/", headers={"Authorization": "secret"}))


def test_a_copy_in_another_process_has_a_connection_of_its_own():
    with answering(Faulty()) as faulty:
        endpoint = pickle.loads(pickle.dumps(Endpoint(faulty.url)))
        assert endpoint(IMAGE).tolist() == [7]


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"first_wait": -1}, {"jitter": 2}, {"rate": 0}, {"attempts": 0}])
def test_manners_that_are_none_are_refused(wrong: dict):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Manner(**wrong)
