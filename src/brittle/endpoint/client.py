"""Asks a service over HTTP about images: one by one, at a bounded rate, and again where an answer is lost."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import torch
import urllib3
from torch import Tensor
from urllib3.exceptions import HTTPError, InvalidHeader, LocationValueError, SSLError
from urllib3.util import Retry

from brittle.endpoint.manner import Manner
from brittle.endpoint.protocol import (
    KEY,
    STATUS,
    Answer,
    Description,
    answer_in,
    description_in,
    digest_of_image,
    question_of,
)
from brittle.errors import InputError, OracleError, OverLimit, quoted
from brittle.identity.parts import Memory
from brittle.reading import parse_json
from brittle.types import Images

LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
"""What a service answers that may answer better when it is asked again."""
MOST_BYTES = 16 << 20
"""Of an answer that is read."""
AT_ONCE = 1 << 16
CALLS = {"http", "https"}


class _Lost(Exception):
    """An attempt that gave no answer, and how long the service asks to be left alone."""

    def __init__(self, why: str, wait: float | None = None):
        super().__init__(why)
        self.wait = wait


@dataclass(frozen=True, eq=False)
class Endpoint:
    """A service that is asked over HTTP, one image after the other, and returns labels or scores.

    Called with images it returns class numbers (n,), or scores (n, k) where `scores` is set: so it can be attacked as
    `Classifier(Endpoint(url), labels=10)`. What gets lost on the way is asked again with the same `Idempotency-Key`;
    the protocol is in `docs/substitute.md`.

    Args:
        url: of the service, http or https, without a query.
        scores: return scores in place of class numbers.
        manner: how fast and how patiently it is asked.
        headers: more headers of each request, such as `{"Authorization": "Bearer ..."}`; they are shown nowhere.
        tell: told in one line why an image is asked about again, and when.
        sleep, clock: how one waits, and measures time, in seconds.

    Raises:
        InputError: no URL of a service.

    Example:
        >>> Endpoint("http://127.0.0.1:8000").url
        'http://127.0.0.1:8000/'
        >>> Endpoint("ftp://127.0.0.1")
        Traceback (most recent call last):
        brittle.errors.InputError: 'ftp://127.0.0.1' is no URL of a service; expected http://HOST:PORT/ or https://HOST/
    """

    url: str
    scores: bool = False
    manner: Manner = field(default_factory=Manner)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    tell: Callable[[str], None] | None = field(default=None, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _line: "Memory[_Line]" = field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "url", checked_url(self.url))
        object.__setattr__(self, "_line", Memory(_Line(self)))  # a connection is no part of what a network is

    def __call__(self, images: Images) -> Tensor:
        """Ask about images (n, c, h, w) in [0, 1]; return class numbers (n,), or scores (n, k).

        Raises:
            OracleError: the service refuses a question, gives no answer in time, or tells no scores.
        """
        said = [self.ask(image) for image in images]
        if not self.scores:
            return torch.tensor([one.chosen for one in said], dtype=torch.int64)
        if any(one.scores is None for one in said) or len({len(one.scores or ()) for one in said}) > 1:
            raise OracleError(
                f"{self.url} does not tell one score for each class and image; say how many classes there are "
                "(--labels N), so that it is asked for the label alone"
            )
        return torch.tensor([one.scores for one in said], dtype=torch.float32)

    def ask(self, image: Images) -> Answer:
        """Ask about one image, c x h x w.

        Raises:
            OracleError: the service refuses the question, or gives no answer in time.
        """
        digest, body = digest_of_image(image), question_of(image)
        headers = {"Content-Type": "application/json", KEY: digest}
        return self._asked("POST", self.url, body, headers, answer_in)

    def describe(self) -> Description:
        """Ask what the service answers; nothing is known of one that does not say.

        Raises:
            OracleError: nobody answers there.
        """
        try:
            return self._asked("GET", self.url + STATUS, None, {}, description_in)
        except _Refused:
            return Description()

    def _asked(self, *request: Any) -> Any:
        line = self._line.value
        return line.asked(*request) if line is not None else None


class _Refused(OracleError):
    """The service was reached, and refused the question for good."""


class _Line:
    """The connection of an endpoint, which is kept open from question to question, and when it may be used next."""

    def __init__(self, endpoint: Endpoint):
        self._of = endpoint
        self._pool = urllib3.PoolManager(retries=False, maxsize=4)
        self._lock = threading.Lock()
        self._next = -float("inf")

    def __getstate__(self) -> dict[str, Any]:
        """A copy in another process gets a connection of its own."""
        return {"_of": self._of}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_of"])

    def asked(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], read: Callable[[bytes], Any]
    ) -> Any:
        """Send a request until an answer can be read, with pauses in between."""
        manner, attempt = self._of.manner, 0
        while True:
            attempt += 1
            try:
                return self._once(method, url, body, headers, read)
            except _Lost as lost:
                if attempt >= manner.attempts:
                    raise OracleError(
                        f"{url} gave no answer in {manner.attempts} attempts, at last: {lost}; see whether the service "
                        "is well, and run the same again"
                    ) from lost
                wait = manner.wait(attempt) if lost.wait is None else lost.wait
                if wait > manner.longest_wait:
                    raise OracleError(
                        f"{url} asks to be left alone for {wait:,.0f} s, longer than {manner.longest_wait:,.0f} s; "
                        "run the same again later"
                    ) from lost
                if self._of.tell is not None:
                    self._of.tell(f"{lost}; asking again in {wait:.1f} s (attempt {attempt + 1} of {manner.attempts})")
                self._of.sleep(wait)

    def _once(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], read: Callable[[bytes], Any]
    ) -> Any:
        """Send a request once."""
        self._take_turn()
        manner = self._of.manner
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **self._of.headers, **headers}
        until = self._of.clock() + manner.timeout
        try:
            response = self._pool.request(
                *(method, url),
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=manner.timeout, read=manner.timeout),
                redirect=False,
                preload_content=False,
            )
            content = self._content(response, until)
        except SSLError as error:
            raise OracleError(f"{url} has no certificate that can be trusted ({quoted(error)})") from error
        except LocationValueError as error:
            raise OracleError(f"{url} names no host ({quoted(error)}); expected http://HOST:PORT/") from error
        except (HTTPError, OSError) as error:
            raise _Lost(_said(error)) from error
        if response.status in LATER:
            raise _Lost(f"{_status(response.status)}{_reason(content)}", _pause(response.headers.get("Retry-After")))
        if not 200 <= response.status < 300:
            raise _Refused(f"{url} refuses the question: {_status(response.status)}{_reason(content)}")
        try:
            return read(content)
        except (InputError, OverLimit) as error:
            raise _Lost(f"an answer that is none: {quoted(error, 120)}") from error

    def _take_turn(self) -> None:
        """Wait until the rate allows the next request."""
        rate = self._of.manner.rate
        if rate is None:
            return
        with self._lock:
            wait, self._next = self._next - self._of.clock(), max(self._next, self._of.clock()) + 1 / rate
        if wait > 0:
            self._of.sleep(wait)

    def _content(self, response: Any, until: float) -> bytes:
        """Read an answer, as long as it comes in time and is no longer than an answer may be."""
        content = bytearray()
        try:
            for some in response.stream(AT_ONCE):
                content += some
                if len(content) > MOST_BYTES:
                    raise _Lost(f"an answer of more than {MOST_BYTES:,} bytes")
                if self._of.clock() > until:
                    raise _Lost(f"no whole answer in {self._of.manner.timeout:g} s")
        except BaseException:
            response.close()  # what is left of it must not become the next answer
            raise
        response.release_conn()
        return bytes(content)


def checked_url(url: str) -> str:
    """Return the URL of a service with a slash at its end.

    Raises:
        InputError: it is none, or carries a query, a fragment or a password.
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme in CALLS and bool(parts.hostname) and url.isprintable() and " " not in url
        fine = fine and not (parts.query or parts.fragment) and (parts.port is None or parts.port > 0)
    except ValueError:
        fine, parts = False, urlsplit("")
    if not fine:
        raise InputError(f"{quoted(url)!r} is no URL of a service; expected http://HOST:PORT/ or https://HOST/")
    if "@" in parts.netloc:
        raise InputError(
            "the URL carries a name or a password, which would be written into reports; give headers= of an Endpoint "
            "in Python"
        )
    return url.rstrip("/") + "/"


def _said(error: Exception) -> str:
    """Say of an error on the way what it is, without addresses of objects."""
    text = str(error).rpartition("object at 0x")[2].partition(">: ")[2] or str(error)
    return f"no answer ({quoted(text, 120)})"


def _status(status: int) -> str:
    return f"status {status}"


def _reason(content: bytes) -> str:
    """Quote what a service says of its refusal, in JSON as `brittle serve` does or as text."""
    try:
        found: Any = parse_json(content)
        text = found["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        text = content[:400].decode("utf-8", "replace")
    return f", {quoted(text, 120)!r}" if text else ""


def _pause(given: str | None) -> float | None:
    """Return the seconds that a `Retry-After` asks for, as a number or as a date; None where it is none."""
    if given is None:
        return None
    try:
        return max(0.0, Retry(0).parse_retry_after(given))
    except (InvalidHeader, ValueError, OverflowError):
        return None
