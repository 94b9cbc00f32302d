"""A webhook receiver that answers Oura's handshake if it is asked with the right token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from oura_pipeline_tests.testing.http_server import QuietHandler, serving


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

    class Answers(QuietHandler):
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

    with serving(Answers) as url:
        made.url = f"{url}/webhook"
        yield made
