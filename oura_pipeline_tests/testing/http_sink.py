"""A tiny webhook receiver: it answers Oura's handshake for those who know the token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Shake:
    """One handshake, and whether it was answered."""

    token: str
    answered: bool


@dataclass
class Receiver:
    """A receiver; `url` is its webhook, any other path is its, too."""

    url: str = ""
    shakes: list[Shake] = field(default_factory=list)


@contextmanager
def receiver(token: str) -> Iterator[Receiver]:
    """A receiver on a free port that knows this verification token."""
    made = Receiver()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            shake = Shake(query["verification_token"][0], query["verification_token"] == [token])
            made.shakes.append(shake)
            body = json.dumps({"challenge": query["challenge"][0]}).encode()
            self.send_response(200 if shake.answered else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body) if shake.answered else 0))
            self.end_headers()
            self.wfile.write(body if shake.answered else b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        made.url = f"http://127.0.0.1:{server.server_port}/webhook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
