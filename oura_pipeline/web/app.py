"""The site as a Starlette application: routes for machines, pages for people."""

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
from oura_pipeline.web.middleware import (
    AllowedHosts,
    CountResponses,
    ErrorPage,
    OneLoopbackName,
    RequestLog,
    SecurityHeaders,
)
from oura_pipeline.web.pages import bring, dashboards, me, sign_in, status, studies
from oura_pipeline.web.pages.templates import CachedStaticFiles, message_page
from oura_pipeline.web.site import Site


def create_app(site: Site) -> Starlette:
    """Return the application of a site; every URL it gives out starts with `site_url`."""
    app = Starlette(
        routes=[*_machine_routes(site), Mount("/static", CachedStaticFiles()), _pages(site)],
        # From the outside in: error pages, too, are counted, logged and get the headers.
        middleware=[
            Middleware(CountResponses, metrics=site.request_metrics),
            Middleware(RequestLog),
            Middleware(SecurityHeaders, settings=site.settings),
            Middleware(AllowedHosts, settings=site.settings),
            Middleware(ErrorPage, page=_error_page, storage_page=_storage_page),
        ],
        exception_handlers={HTTPException: _http_error_page},
    )
    app.state.site = site
    # Redirecting to the address with a slash would put the Host header into the Location.
    app.router.redirect_slashes = False
    return app


def _machine_routes(site: Site) -> list[BaseRoute]:
    """Return webhook, health, metrics and API, which have no session and so set no cookie."""
    return [*webhook.routes(site), *monitoring.routes(site), Mount("/api", create_api(site))]


def _pages(site: Site) -> Mount:
    """Return the pages, with sessions."""
    pages_of = (sign_in, me, bring, dashboards, status, studies)
    routes = [route for page in pages_of for route in page.routes()]
    pages = Router(routes, redirect_slashes=False)
    middleware = [
        Middleware(OneLoopbackName, url=site.settings.site.url),
        sessions.middleware(site.settings, site.session_key),
    ]
    return Mount("", pages, middleware=middleware)


def _http_error_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title, text = _HTTP_ERRORS.get(error.status_code) or (
        HTTPStatus(error.status_code).phrase,
        error.detail,
    )
    page = message_page(request, title, text, status=error.status_code)
    page.headers.update(error.headers or {})
    return page


_HTTP_ERRORS = {
    404: ("Page not found", "The address may be mistyped or out of date."),
    405: ("Method not allowed", "Go to the front page instead."),
}


def _error_page(scope: Scope, incident: str) -> Response:
    request = Request(scope)
    sessions.look_up_no_more(request)
    return message_page(
        request,
        "Something went wrong",
        "This is not your fault. The error has been logged.",
        f"Please report incident {incident} to the operator of this site.",
        status=500,
    )


def _storage_page(scope: Scope, said: str) -> Response:
    request = Request(scope)
    sessions.look_up_no_more(request)
    return message_page(
        request,
        "Nothing can be saved at the moment",
        f"{said[0].upper()}{said[1:]}.",
        "This is not your fault. Please tell the operator of this site, and try again later.",
        status=507,
    )
