"""Responses of the pages: rendered templates, messages, redirects and static files."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from oura_pipeline.web.sessions import csrf_token, current, is_operator
from oura_pipeline.web.site import Site

WEB = Path(__file__).parents[1]
CACHE_FOREVER = "public, max-age=31536000, immutable"
NO_STORE = {"Cache-Control": "no-store"}


def page(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a rendered template, with what the header of every page needs."""
    site = get_site(request)
    session = current(request, site.pipeline.accounts)
    username = session.username if session else None
    html = (
        _environment()
        .get_template(template)
        .render(
            settings=site.settings,
            username=username,
            # Errors outside of the pages' routes have no session.
            waiting=request.scope.get("session", {}).get("sign_up"),
            operator="session" in request.scope
            and is_operator(request, site.pipeline.accounts, site.settings, site.session_key),
            can_sign_out=session is not None,
            csrf=lambda: csrf_token(request),
            now=datetime.now(UTC),
            **values,
        )
    )
    return HTMLResponse(html, status, headers=NO_STORE)


def message_page(
    request: Request,
    title: str,
    *sentences: str,
    status: int = 200,
    sign_in: bool = False,
    alert: bool = False,
    oura: str | None = None,
) -> HTMLResponse:
    """Return a page with a message and a link to go on.

    Args:
        request: the request to answer.
        title: of the page.
        sentences: a paragraph each.
        status: of the response.
        sign_in: whether to offer to sign in.
        alert: whether screen readers announce it at once.
        oura: the address at Oura where the person goes on.
    """
    return page(
        request,
        "message.html",
        status=status,
        title=title,
        sentences=sentences,
        sign_in=sign_in,
        alert=alert,
        oura=oura,
    )


def redirect(url: str) -> Response:
    """Return a redirect that is followed with GET."""
    return RedirectResponse(url, 303, headers=NO_STORE)


def get_site(request: Request) -> Site:
    """Return the site of a request."""
    site: Site = request.app.state.site
    return site


class CachedStaticFiles(StaticFiles):
    """The style sheet and the icon, cached forever: their address changes with their content."""

    def __init__(self) -> None:
        super().__init__(directory=WEB / "static")

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = CACHE_FOREVER
        return response


def ago(then: datetime, now: datetime) -> str:
    """Return roughly how long ago, `3 days ago`, or how soon, `in 3 days`."""
    seconds = int((now - then).total_seconds())
    text = _duration(abs(seconds))
    if text is None:
        return "just now" if seconds >= 0 else "in a moment"
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def _duration(seconds: int) -> str | None:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if count := seconds // length:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return None


def _instant(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _day(value: date) -> str:
    return f"{value:%Y-%m-%d}"


def _plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,  # a misspelt name fails instead of showing nothing
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"ago": ago, "instant": _instant, "day": _day, "plural": _plural}
    environment.globals |= {"style": _versioned("site.css"), "icon": _versioned("ring.svg")}
    environment.globals |= {"script": _versioned("sync.js")}
    return environment


def _versioned(name: str) -> str:
    digest = hashlib.sha256((WEB / "static" / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"
