"""A service on the loopback that does what services do on bad days; it counts what reaches it."""

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW = 1.5
"""Seconds that a slow answer takes."""


@dataclass
class Faulty:
    """What is answered: each request takes the next fault, and once there are none left a right answer.

    Attributes:
        faults: names of `FAULTS`, or a status.
        answer: the body of a right answer.
        asked: the digest of every request, as it came.
    """

    faults: list[Any] = field(default_factory=list)
    answer: Callable[[dict], Any] = lambda asked: {"label": 7}
    asked: list[str] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        faulty = self.server.faulty
        assert body["digest"] == self.headers["Idempotency-Key"]
        faulty.asked.append(body["digest"])
        fault = faulty.faults.pop(0) if faulty.faults else None
        if fault == "dropped":
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(SLOW)
        if fault == "cut":  # the answer ends before it is whole
            self.said(200, b'{"label": 7}', length=100)
            self.close_connection = True
            return
        status, headers = fault if isinstance(fault, tuple) else (fault if isinstance(fault, int) else 200, {})
        malformed = {"html": b"<html>busy</html>", "empty": b"", "no label": b"{}", "negative": b'{"label": -1}'}
        right = json.dumps(faulty.answer(body)).encode()
        self.said(status, malformed.get(fault, right) if status == 200 else b'{"error": "not now"}', **headers)

    def do_GET(self) -> None:
        self.said(404, b"no such page")

    def said(self, status: int, content: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def answering(faulty: Faulty) -> Generator[Faulty]:
    """Answer within the block."""
    server = Server(("127.0.0.1", 0), Handler)
    server.faulty = faulty
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    faulty.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield faulty
    finally:
        server.shutdown()
        server.server_close()
