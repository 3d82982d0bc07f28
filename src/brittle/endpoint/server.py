"""Answers questions about images over HTTP, for tests and demonstrations: anybody may ask, nobody is trusted."""

import json
import math
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from brittle.arguments import Count
from brittle.endpoint.protocol import STATUS, Answer, Description, image_in
from brittle.errors import BrittleError, InputError, quoted
from brittle.limits import current, use_limits
from brittle.types import Images

LOOPBACK = "127.0.0.1"
JSON = "application/json"
AT_ONCE = 64
"""Connections that are held at the same time; further ones are closed."""
IDLE = 30.0
"""Seconds in which a connection must say something."""
POLL = 0.05
"""Seconds between two looks whether to end."""
ROOM = 4096
"""Bytes of a request beside the image."""


class _Turned(Exception):
    """A question that is not answered, and with which status."""

    def __init__(self, status: int, why: str):
        super().__init__(why)
        self.status = status


@dataclass
class Service:
    """What answers: a function of one image, its memory, and its accounts.

    Attributes:
        answer: from an image, c x h x w, to its answer; called for one image at a time.
        about: what the endpoint says of itself.
        budget: most queries; then further ones are refused. None for no end.
    """

    answer: Callable[[Images], Answer]
    about: Description
    budget: Count | None = None
    _known: dict[str, bytes] = field(default_factory=dict[str, bytes], init=False, repr=False)
    _repeats: int = field(default=0, init=False)
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """Queries that were answered, the distinct images among them, and questions answered again from memory.

        What is known by its digest counts once, so that `queries` and `images` are the same number.
        """
        with self._lock:
            known = len(self._known)
            return {"queries": known, "images": known, "repeats": self._repeats}

    def status(self) -> dict[str, Any]:
        """Return what is told at `/status`."""
        return {**self.about.model_dump(mode="json"), **self.counts, "budget": self.budget}

    def answered(self, body: bytes) -> bytes:
        """Return the answer to a request; one that was given before comes from memory and counts no second time."""
        try:
            digest, image = image_in(body)
        except BrittleError as error:
            raise _Turned(400, f"{error}") from error
        wanted = self.about.shape
        if wanted is not None and list(image.shape) != wanted:
            seen, shape = ("x".join(map(str, sides)) for sides in (image.shape, wanted))
            raise _Turned(400, f"the image is {seen}; expected {shape} (channels, height, width)")
        with self._lock:  # one image at a time: the network is one, and so are the accounts
            if digest in self._known:
                self._repeats += 1
                return self._known[digest]
            if self.budget is not None and len(self._known) >= self.budget:
                raise _Turned(403, f"the budget of {self.budget:,} queries is spent")
            try:
                said = self.answer(image).model_dump_json(exclude_none=True).encode()
            except BrittleError as error:
                raise _Turned(400, f"the network cannot answer: {error}") from error
            self._known[digest] = said
            return said


@contextmanager
def serving(service: Service, host: str = LOOPBACK, port: int = 0) -> Generator["Serving"]:
    """Answer over HTTP within the block, in threads of its own.

    Args:
        service: what answers.
        host: the address to listen at; nobody else reaches the loopback, which it is by default.
        port: to listen at; 0 for any that is free.

    Yields:
        The URL, and what to wait for.

    Raises:
        InputError: the address cannot be listened at.

    Example:
        >>> import torch
        >>> from brittle.endpoint.client import Endpoint
        >>> brightest = Service(lambda image: Answer(label=int(image.mean() > 0.5)), Description(classes=2))
        >>> with serving(brightest) as server:
        ...     Endpoint(server.url)(torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)]))
        tensor([0, 1])
    """
    try:
        server = _Server((host, port), service)
    except (OSError, OverflowError) as error:
        why = quoted(getattr(error, "strerror", None) or error)
        raise InputError(
            f"{quoted(host, 80)} port {port} cannot be listened at ({why}); give an address of this machine with "
            "--host and a port that is free with --port, 0 for any"
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(POLL,), daemon=True)
    thread.start()
    try:
        yield Serving(f"http://{host}:{server.server_address[1]}/", thread)
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Serving:
    """A server that answers.

    Attributes:
        url: where.
        thread: that ends when the server does.
    """

    url: str
    thread: threading.Thread


class _Server(ThreadingHTTPServer):
    """A server of one service, with a bounded number of connections."""

    daemon_threads = True

    def __init__(self, place: tuple[str, int], service: Service):
        self.service, self.limits = service, current()
        image = self.limits.text if service.about.shape is None else 4 * math.prod(service.about.shape)
        self.longest = min(4 * (image + 2) // 3 + ROOM, self.limits.text)
        self._free = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(place, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a connection to a thread of its own, or close it where there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and give its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave a connection that broke off; nothing is written to the screen."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = sys_version = "brittle"
    timeout = IDLE
    disable_nagle_algorithm = True  # an answer in two pieces waits 40 ms for the first to be acknowledged
    wbufsize = 1 << 16
    error_message_format = '{"error": "%(message)s"}'
    error_content_type = JSON

    def do_GET(self) -> None:
        """Say what is answered here, and how often it was."""
        if self.path.rstrip("/") != f"/{STATUS}":
            self._refuse(404, f"expected GET /{STATUS}, or POST / with an image")
            return
        self._say(200, _json(self._service.status()))

    def do_POST(self) -> None:
        """Answer a question."""
        try:
            body = self._body()
            with use_limits(cast("_Server", self.server).limits):
                said = self._service.answered(body)
        except _Turned as turned:
            self._refuse(turned.status, str(turned))
        except Exception as error:  # of a network of the user's own: its kind is told, and nothing of where it was
            self._refuse(500, f"the network fails on this image ({type(error).__name__})")
        else:
            self._say(200, said)

    @property
    def _service(self) -> Service:
        return cast("_Server", self.server).service

    def _body(self) -> bytes:
        """Read what was sent, once it is seen to be no more than a question can be."""
        self.close_connection = True  # unless all of it is read
        longest = cast("_Server", self.server).longest
        if self.path.strip("/"):
            raise _Turned(404, f"expected POST / with an image, or GET /{STATUS}")
        if self.headers.get_content_type() != JSON:  # what a page in a browser cannot send without being asked about
            raise _Turned(415, f"expected a body of type {JSON}")
        given = self.headers.get("Content-Length", "")
        if not (given.isascii() and given.isdigit()) or "Transfer-Encoding" in self.headers:
            raise _Turned(411, "expected a Content-Length")
        if len(given) > 12 or int(given) > longest:
            raise _Turned(413, f"expected at most {longest:,} bytes")
        body = self.rfile.read(int(given))
        if len(body) != int(given):
            raise _Turned(400, "the request broke off")
        self.close_connection = self.headers.get("Connection", "").lower() == "close"
        return body

    def _refuse(self, status: int, why: str) -> None:
        self._say(status, _json({"error": quoted(why, 300)}))

    def _say(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing to the screen."""


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()
