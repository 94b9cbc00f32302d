"""A token endpoint over HTTP whose refresh tokens work once, and a renewer that asks it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

from oura_pipeline.catalog.credentials import SignInRequired, TokenPair
from oura_pipeline_tests.testing.http_server import QuietHandler, serving


class Unavailable(Exception):
    """The endpoint is having a bad day."""


@dataclass(kw_only=True)
class TokenServer:
    """What the endpoint knows: `refresh-1` is exchanged for `access-2` and `refresh-2`, and so on.

    Attributes:
        url: where it listens.
        requests: the refresh tokens it was shown, in order.
        current: the number of the refresh token that works.
        status: what it answers instead, when set.
        lifetime: of an access token, in seconds.
    """

    url: str = ""
    requests: list[str] = field(default_factory=list)
    current: int = 1
    status: int | None = None
    lifetime: int = 86400
    lock: Lock = field(default_factory=Lock)

    def answer(self, refresh_token: str) -> tuple[int, dict[str, object]]:
        """Exchange a refresh token."""
        with self.lock:
            self.requests.append(refresh_token)
            if self.status is not None:
                return self.status, {}
            if refresh_token != f"refresh-{self.current}":
                return 400, {"error": "invalid_grant"}
            self.current += 1
            tokens = {
                "access_token": f"access-{self.current}",
                "refresh_token": f"refresh-{self.current}",
            }
            return 200, tokens | {"expires_in": self.lifetime}


@contextmanager
def token_server() -> Iterator[TokenServer]:
    """A token server on a free port of this machine."""
    state = TokenServer()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, answer = state.answer(body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

    with serving(Handler) as url:
        state.url = f"{url}/"
        yield state


def token_pair(access_token: str, refresh_token: str = "refresh-2") -> TokenPair:
    """Tokens for a day, of some endpoint, without a word about scopes."""
    return TokenPair(
        access_token=access_token,
        refresh_token=refresh_token,
        expires_at=datetime.now(UTC) + timedelta(days=1),
        token_url="https://one.example",
    )


def renewer(url: str) -> Callable[[str, str | None], TokenPair]:
    """Asks the endpoint for new tokens."""

    def renew(refresh_token: str, token_url: str | None) -> TokenPair:
        request = urllib.request.Request(url, data=refresh_token.encode())
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 400:
                    raise SignInRequired("invalid_grant") from None
                raise Unavailable(f"status {error.code}") from None
        return TokenPair(
            access_token=answer["access_token"],
            refresh_token=answer["refresh_token"],
            expires_at=datetime.now(UTC) + timedelta(seconds=answer["expires_in"]),
            token_url=url,
        )

    return renew
