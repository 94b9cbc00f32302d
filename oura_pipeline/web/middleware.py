"""ASGI middleware around every request: counter, log, security headers, error page."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from starlette.datastructures import URL, Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oura_pipeline.settings import Settings, is_this_machine
from oura_pipeline.sync.storage_failures import storage_failure
from oura_pipeline.web.hosts import LOOPBACK, content_policy, is_asked_by
from oura_pipeline.web.metrics import RequestMetrics

LOG = logging.getLogger("oura_pipeline.web")
MAX_LOGGED_PATH = 200  # characters
_PERSON_IN_PATH = re.compile(r"(/people/+)[^/]+", re.IGNORECASE)

# These are plain ASGI classes: Starlette's BaseHTTPMiddleware starts a task per request, which
# would slow down the webhook.


class CountResponses:
    """A counter of responses by the class of their status."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        # Made here so that each class is exported as zero before its first response.
        self._by_class = {
            number: metrics.requests.labels(f"{number}xx") for number in (1, 2, 3, 4, 5)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        def count(start: Message) -> None:
            self._by_class[start["status"] // 100].inc()

        await self._app(scope, receive, at_start(send, count))


class RequestLog:
    """One log line per request: method, path, status, milliseconds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), "-"

        def note_status(start: Message) -> None:
            nonlocal status
            status = start["status"]

        try:
            await self._app(scope, receive, at_start(send, note_status))
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            said = (scope["method"], _path(scope), status, milliseconds)
            LOG.info("%s %s %s %.0f ms", *said, extra=_ids(scope))


class SecurityHeaders:
    """Headers that keep pages from being framed, scripted, sniffed or leaked as a referrer."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": content_policy(settings.oura.authorize_url),
            # To nobody else; with "no-referrer" browsers would send `Origin: null` with our forms.
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        }
        if settings.site.url.startswith("https://"):
            headers["Strict-Transport-Security"] = "max-age=31536000"
        # As bytes, like those of a response: nothing is encoded or searched for each of them.
        self._headers = Headers(headers).raw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        def add_headers(start: Message) -> None:
            given = start.get("headers", [])
            names = {name.lower() for name, _ in given}
            start["headers"] = [*given, *(one for one in self._headers if one[0] not in names)]

        await self._app(scope, receive, at_start(send, add_headers))


class AllowedHosts:
    """Only the names that are the site's: a foreign one, that somebody pointed here, gets nothing.

    Besides the site's own, these are names of this machine, which proxies and probes use, and those
    of OURA_ALLOWED_HOSTS.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        own = urlsplit(settings.site.url).hostname or ""
        self._names = LOOPBACK | {own, *map(str.lower, settings.site.allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_asked_by(Headers(scope=scope), self._names):
            refused = PlainTextResponse("This name is not one of this site's.\n", 421)
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


class OneLoopbackName:
    """One name for this machine: who comes by another one is led to that in the site's address.

    Cookies belong to a name, and Oura sends people back to the registered one.
    """

    def __init__(self, app: ASGIApp, url: str) -> None:
        self._app = app
        self._url = url
        self._host = urlsplit(url).hostname if is_this_machine(url) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and self._host:
            url = URL(scope=scope)
            if url.hostname != self._host and is_this_machine(str(url)):
                # To our own address: what the Host header says of the port is somebody's claim.
                query = f"?{url.query}" if url.query else ""
                await RedirectResponse(f"{self._url}{url.path}{query}", 307)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class ErrorPage:
    """A page for errors that no route expects.

    What a disk or a database refused is one line, on the page and in the log; anything else has a
    short incident id, which is logged with the traceback.
    """

    def __init__(
        self,
        app: ASGIApp,
        page: Callable[[Scope, str], Response],
        storage_page: Callable[[Scope, str], Response],
    ) -> None:
        self._app = app
        self._page = page
        self._storage_page = storage_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        def note_start(start: Message) -> None:
            nonlocal started
            started = True

        try:
            await self._app(scope, receive, at_start(send, note_start))
        except Exception as error:
            page = self._logged(scope, error)
            if scope["type"] != "http" or started:
                raise
            await page(scope, receive, send)

    def _logged(self, scope: Scope, error: Exception) -> Response:
        # Of files, whoever sees the page learns no more than Dagster does.
        if said := storage_failure(error, to_operator=False):
            LOG.error("%s", storage_failure(error))
            return self._storage_page(scope, said)
        incident = secrets.token_hex(4)
        LOG.exception("incident %s", incident)
        return self._page(scope, incident)


def at_start(send: Send, act: Callable[[Message], None]) -> Send:
    """Return a `send` that first passes the start of a response to `act`."""

    async def send_after(message: Message) -> None:
        if message["type"] == "http.response.start":
            act(message)
        await send(message)

    return send_after


def _path(scope: Scope) -> str:
    """Return the path for the log: without the query, which holds OAuth's code and state."""
    # Logs name people by id, also where the address is mistyped and no route matched.
    person_id = scope.get("state", {}).get("person_id", "-")
    path = _PERSON_IN_PATH.sub(rf"\g<1>{person_id}", scope["path"])
    return quote(path)[:MAX_LOGGED_PATH]  # quoted: a path may contain a line break


def _ids(scope: Scope) -> dict[str, object]:
    """Return what a line is about, where it is about somebody."""
    person_id = scope.get("state", {}).get("person_id")
    return {"ids": {"person": person_id}} if person_id else {}
