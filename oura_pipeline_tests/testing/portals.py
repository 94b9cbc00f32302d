"""Both portals of Oura over HTTP, with an application that belongs to one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from oura_pipeline_tests.testing.http_server import QuietHandler, serving

MOI = "/oauth/v2/ext"
CLIENT = {"client_id": "our-id", "client_secret": "our-secret"}
Answer = tuple[int, Any]


@dataclass(kw_only=True)
class Portals:
    """What the portals know: `r1` is exchanged for `a2` and `r2`, and so on.

    Attributes:
        url: where they listen.
        own: the path of the token endpoint that knows the application.
        current: the number of the tokens that work; 0: the consent is gone.
        instead: what the next requests to a path get instead.
        asked: path, query and form of every request.
    """

    url: str = ""
    own: str = f"{MOI}/oauth-token"
    current: int = 1
    instead: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        """The variables that point a project here."""
        return {
            "OURA_CLIENT_ID": CLIENT["client_id"],
            "OURA_CLIENT_SECRET": CLIENT["client_secret"],
            "OURA_API_URL": self.url,
            "OURA_TOKEN_URL": f"{self.url}/oauth/token,{self.url}{MOI}/oauth-token",
        }

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [path for path, _, _ in self.asked]

    def answer(self, path: str, query: dict[str, str], form: dict[str, str]) -> Answer:
        """Answer one request."""
        self.asked.append((path, query, form))
        if prepared := self.instead.get(path):
            return prepared.pop(0)
        if path.rpartition("/")[0] != self.own.rpartition("/")[0]:
            return 400, {"error": "invalid_request"}
        if not CLIENT.items() <= form.items():
            return 401, {"error": "invalid_client"}
        if path.endswith("revoke"):
            # RFC 7009: a token that is not known is as good as revoked.
            given = form.get("token") or query.get("access_token")
            self.current *= given not in (f"a{self.current}", f"r{self.current}")
            return 200, None
        if form.get("refresh_token") != f"r{self.current}" or not self.current:
            return 400, {"error": "invalid_grant"}
        self.current += 1
        pair = {"access_token": f"a{self.current}", "refresh_token": f"r{self.current}"}
        return 200, pair | {"expires_in": 3600}


@contextmanager
def portals(**known: Any) -> Iterator[Portals]:
    """Serve both on a free port of this machine."""
    state = Portals(**known)

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            url = urlsplit(self.path)
            status, answer = state.answer(
                url.path, dict(parse_qsl(url.query)), dict(parse_qsl(body))
            )
            _send(self, status, answer)

    with serving(Handler) as state.url:
        yield state


def _send(handler: BaseHTTPRequestHandler, status: int, answer: Any) -> None:
    handler.send_response(status)
    html = isinstance(answer, str)
    handler.send_header("Content-Type", "text/html" if html else "application/json")
    handler.end_headers()
    if answer is not None:
        handler.wfile.write(answer.encode() if html else json.dumps(answer).encode())
