"""An HTTP server that keeps what is posted to it, as a chat takes the operator's news."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from oura_pipeline_tests.testing.http_server import QuietHandler, serving


@dataclass
class HttpSink:
    """What was posted.

    Attributes:
        url: where it listens.
        bodies: everything that it took, in order.
        statuses: what it answers to the next requests instead of taking them, where not 2xx.
        seconds: how long it thinks before it answers.
    """

    url: str = ""
    bodies: list[dict[str, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def names(self) -> list[str]:
        """The usernames that the news were about, in order."""
        return [body["username"] for body in self.bodies]


@contextmanager
def http_sink() -> Iterator[HttpSink]:
    """A server on a free port of this machine."""
    sink = HttpSink()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = sink.statuses.pop(0) if sink.statuses else 204
            if status < 300 and self.headers["Content-Type"] == "application/json":
                sink.bodies.append(body)
            Event().wait(sink.seconds)
            self._answer(status)

        def do_GET(self) -> None:
            self._answer(200)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

    with serving(Handler) as url:
        sink.url = f"{url}/services/T00/B00/chat-secret"
        yield sink
