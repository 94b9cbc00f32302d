"""A webhook receiver that answers Oura's handshake if it is asked with the right token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Handshake:
    """One handshake, and whether it was answered."""

    token: str
    answered: bool


@dataclass
class Receiver:
    """A receiver; it answers at `url` and at every other path."""

    url: str = ""
    handshakes: list[Handshake] = field(default_factory=list)


@contextmanager
def webhook_receiver(token: str) -> Iterator[Receiver]:
    """A receiver on a free port that knows this verification token."""
    made = Receiver()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            handshake = Handshake(
                query["verification_token"][0], query["verification_token"] == [token]
            )
            made.handshakes.append(handshake)
            body = json.dumps({"challenge": query["challenge"][0]}).encode()
            self.send_response(200 if handshake.answered else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body) if handshake.answered else 0))
            self.end_headers()
            self.wfile.write(body if handshake.answered else b"")

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
