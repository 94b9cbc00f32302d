"""Pages out of templates: what every page needs, and the words for times and numbers.

What surprises: a template that names something which is not there fails; it never shows nothing.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from oura_pipeline.web.sessions import csrf_token, is_operator
from oura_pipeline.web.site import Site

HERE = Path(__file__).parents[1]
FOR_EVER = "public, max-age=31536000, immutable"


def page(request: Request, template: str, /, *, status: int = 200, **shown: Any) -> HTMLResponse:
    """A template as an answer; who the browser is stands in its head."""
    site = site_of(request)
    session = request.scope.get("session", {})
    html = (
        _environment()
        .get_template(template)
        .render(
            settings=site.settings,
            username=session.get("username"),
            waiting=session.get("sign_up"),
            operator="session" in request.scope
            and is_operator(request, site.settings, site.session_key),
            leavable=bool(session.get("username") or session.get("operator")),
            csrf=lambda: csrf_token(request),
            now=datetime.now(UTC),
            **shown,
        )
    )
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


def message(
    request: Request,
    title: str,
    *sentences: str,
    status: int = 200,
    sign_in: bool = False,
    alert: bool = False,
) -> HTMLResponse:
    """A page that says one thing, with a way on.

    Args:
        request: what it answers.
        title: of the page.
        sentences: what it says.
        status: of HTTP.
        sign_in: whether the way on is to sign in.
        alert: whether it is read out at once.
    """
    return page(
        request,
        "message.html",
        status=status,
        title=title,
        sentences=sentences,
        sign_in=sign_in,
        alert=alert,
    )


def site_of(request: Request) -> Site:
    """The site that this request came to."""
    site: Site = request.app.state.site
    return site


class Static(StaticFiles):
    """The style sheet and the mark; their address changes with their content."""

    def __init__(self) -> None:
        super().__init__(directory=HERE / "static")

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, to be kept for ever."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = FOR_EVER
        return response


def ago(then: datetime, now: datetime) -> str:
    """How long ago, roughly, in words; `in 3 days` for what is still to come."""
    seconds = int((now - then).total_seconds())
    words = _span(abs(seconds))
    if words is None:
        return "just now" if seconds >= 0 else "in a moment"
    return f"{words} ago" if seconds >= 0 else f"in {words}"


def _span(seconds: int) -> str | None:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if count := seconds // length:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return None


def _instant(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _day(value: date) -> str:
    return f"{value:%Y-%m-%d}"


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"ago": ago, "instant": _instant, "day": _day, "counted": _counted}
    environment.globals |= {"style": _versioned("site.css"), "mark": _versioned("ring.svg")}
    return environment


def _versioned(name: str) -> str:
    """The address of a static file; browsers keep it for ever, so it changes with the content."""
    digest = hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"
