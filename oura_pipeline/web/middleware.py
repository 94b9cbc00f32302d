"""What stands around every request: one line in the log, safe headers, a page when all else fails.

What surprises: these are plain ASGI functions. Starlette's comfortable base class starts a task per
request, which the webhook would pay for.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oura_pipeline.settings import Settings

LOG = logging.getLogger("oura_pipeline.web")
LONGEST_PATH = 200


class RequestLog:
    """One line per request: method, path without its query, status, milliseconds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            milliseconds = (time.perf_counter() - began) * 1000
            path = quote(scope["path"])[:LONGEST_PATH]  # quoted: a path may hold a line break
            LOG.info("%s %s %s %.0f ms", scope["method"], path, status or "-", milliseconds)


class SafeHeaders:
    """Headers that keep pages from being framed, scripted, sniffed or told to others."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": _policy(settings.oura.authorize_url),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        }
        if settings.site.url.startswith("https://"):
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, adding)


class LastResort:
    """Whatever was not foreseen becomes a page with a short id, which is in the log as well."""

    def __init__(self, app: ASGIApp, page: Callable[[Scope, str], Response]) -> None:
        self._app = app
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            incident = secrets.token_hex(4)
            LOG.exception("incident %s", incident)
            if scope["type"] != "http" or started:
                raise
            await self._page(scope, incident)(scope, receive, send)


def _policy(authorize_url: str) -> str:
    """No script, no inline style; forms go here and, by a redirect, to Oura.

    Browsers apply `form-action` to every hop of a redirect, and Oura's sign-in hops between its
    own hosts.
    """
    url = urlsplit(authorize_url)
    allowed = ["'self'", f"{url.scheme}://{url.netloc}"]
    parent = (url.hostname or "").partition(".")[2]
    if url.scheme == "https" and "." in parent:
        allowed.append(f"https://*.{parent}")
    return (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; "
        f"form-action {' '.join(allowed)}; frame-ancestors 'none'; base-uri 'none'"
    )
