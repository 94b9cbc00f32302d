"""A guard for what has no login: who may speak to Dagster's UI, and by which name."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oura_pipeline.web.hosts import LOOPBACK, is_asked_by, origin_of
from oura_pipeline.web.middleware import at_start
from oura_pipeline.web.operator import OperatorAuth

_READS = ("GET", "HEAD", "OPTIONS")


class DagsterGuard:
    """What stands in front of Dagster's UI, which takes commands from whoever reaches it.

    Any page that the operator opens can send requests to 127.0.0.1. So the name by which the UI is
    asked must be one of its own (a foreign one may point here), the page that asks must be one of
    its own, and what changes something must be JSON, which no other page can send unasked.

    Args:
        app: Dagster's UI.
        url: its address as the operator opens it.
        password: who knows it may use it, under any username; empty: whoever reaches it.
    """

    def __init__(self, app: ASGIApp, url: str, password: str = "") -> None:
        self._app = app
        self._names = LOOPBACK | {urlsplit(url).hostname or ""}
        self._origin = origin_of(url)
        self._auth = OperatorAuth(password) if password else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except HTTPException as refused:
            await _refuse(scope, refused)(scope, receive, send)
            return

        def forbid_frames(start: Message) -> None:
            MutableHeaders(scope=start)["X-Frame-Options"] = "DENY"

        await self._app(scope, receive, at_start(send, forbid_frames))

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if not is_asked_by(headers, self._names):
            raise HTTPException(
                421, "This is Dagster's UI under a foreign name: set OURA_DAGSTER_URL to it."
            )
        own = {
            self._origin,
            *(f"{scheme}://{headers['host'].lower()}" for scheme in ("http", "https")),
        }
        if any(origin not in own for origin in headers.getlist("origin")):
            raise HTTPException(403, "Another site's page may not use Dagster's UI.")
        if not _may_come_from_there(scope, headers):
            raise HTTPException(403, "Another site's page may not use Dagster's UI.")
        if scope["type"] == "http":
            _check_kind(scope, headers)
        if self._auth:
            self._auth.check(password_in(headers))


def password_in(headers: Headers) -> str | None:
    """Return the password of a request's Basic authentication; None: it has none."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _may_come_from_there(scope: Scope, headers: Headers) -> bool:
    """Return whether the browser says that the UI itself asks, or that somebody followed a link."""
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return True
    link = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    return scope["type"] == "http" and scope["method"] == "GET" and link == ("navigate", "document")


def _check_kind(scope: Scope, headers: Headers) -> None:
    if scope["method"] not in _READS:
        # As Dagster compares it: what it does not take for JSON it reads from the address.
        media_type = headers.get("content-type", "").partition(";")[0].strip()
        if media_type != "application/json":
            raise HTTPException(415, "Send JSON, as application/json.")
    # Dagster would run the query in an address, also one that changes something. A browser that
    # asks for a page gets the editor for queries, which runs none by itself.
    elif "graphql" in scope["path"] and "text/html" not in headers.get("accept", ""):
        raise HTTPException(405, "Send queries as POST, with JSON.")


def _refuse(scope: Scope, refused: HTTPException) -> ASGIApp:
    if scope["type"] == "websocket":
        return _close
    headers = dict(refused.headers or {})
    if refused.status_code == 401:
        headers["WWW-Authenticate"] = 'Basic realm="Dagster"'
    return PlainTextResponse(f"{refused.detail}\n", refused.status_code, headers)


async def _close(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})
