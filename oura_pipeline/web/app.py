"""The site as a Starlette application: addresses for machines, pages for people.

What surprises: the two halves meet only here. Pages have sessions and forms; what machines ask
(webhook, health, metrics, API) has none of that and stays quick.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Router
from starlette.types import Scope

from oura_pipeline.web import monitoring, sessions, webhook
from oura_pipeline.web.api.routes import create_api
from oura_pipeline.web.metrics import Counted
from oura_pipeline.web.middleware import LastResort, RequestLog, SafeHeaders
from oura_pipeline.web.pages import me, sign_in, status
from oura_pipeline.web.pages.templates import Static, message
from oura_pipeline.web.site import Site


def create_app(site: Site) -> Starlette:
    """The application of a site; all addresses that it gives out begin with `site_url`."""
    app = Starlette(
        routes=[*_for_machines(site), Mount("/static", Static()), _for_people(site)],
        middleware=[
            Middleware(Counted, traffic=site.traffic),
            Middleware(RequestLog),
            Middleware(SafeHeaders, settings=site.settings),
            Middleware(LastResort, page=_last_resort),
        ],
        exception_handlers={HTTPException: _refused},
    )
    app.state.site = site
    # A redirect to the address with a slash would be made of the Host header.
    app.router.redirect_slashes = False
    return app


def _for_machines(site: Site) -> list[BaseRoute]:
    """Webhook, health, metrics and API: no sessions, no pages."""
    return [*webhook.routes(site), *monitoring.routes(site), Mount("/api", create_api(site))]


def _for_people(site: Site) -> Mount:
    """Pages, with sessions."""
    addresses = [*sign_in.routes(), *me.routes(), *status.routes()]
    pages = Router(addresses, redirect_slashes=False)
    return Mount("", pages, middleware=[sessions.middleware(site.settings, site.session_key)])


def _refused(request: Request, error: Exception) -> Response:
    """A page for what is not there, or not asked for like this."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        title, said = "There is no such page", "The address may be mistyped or out of date."
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        title, said = "This page cannot be asked like that", "Begin at the front page instead."
    else:
        title, said = HTTPStatus(error.status_code).phrase, error.detail
    answer = message(request, title, said, status=error.status_code)
    answer.headers.update(error.headers or {})
    return answer


def _last_resort(scope: Scope, incident: str) -> Response:
    """A page for what nobody foresaw."""
    return message(
        Request(scope),
        "Something went wrong here",
        "It is not your fault, and it was written down.",
        f"Tell whoever runs this: incident {incident}.",
        status=500,
    )
