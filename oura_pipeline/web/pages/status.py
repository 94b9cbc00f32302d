"""The operator's pages: the door, everybody's state, and invites.

What surprises: the door is shared with the API. Ten wrong passwords within a minute close both for
the rest of it, whoever guessed; only a right one of 32 characters or more opens it still.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oura_pipeline.people.sign_in import people_here
from oura_pipeline.web import sessions
from oura_pipeline.web.pages.dagster_runs import last_runs
from oura_pipeline.web.pages.forms import Fields, form_route
from oura_pipeline.web.pages.sign_in import Places, see
from oura_pipeline.web.pages.status_text import open_invites, people_rows, webhook_rows
from oura_pipeline.web.pages.templates import page, site_of
from oura_pipeline.web.site import Site

INVITE_DAYS = 7


def routes() -> list[BaseRoute]:
    """The addresses of this module."""
    return [
        Route("/operator", door),
        form_route("/operator", enter),
        Route("/status", _for_operators(status)),
        Route("/status/invite", lambda request: see("/status")),
        form_route("/status/invite", invite),
    ]


def door(request: Request) -> Response:
    """The question for the password."""
    if _is_operator(request):
        return see("/status")
    return page(request, "operator.html", error=None)


def enter(request: Request, fields: Fields) -> Response:
    """The answer to it."""
    site = site_of(request)
    try:
        site.operator_auth.check(fields.get("token", ""))
    except HTTPException as refused:
        wrong = _WRONG.get(refused.status_code)
        answer = page(request, "operator.html", status=refused.status_code, error=wrong)
        if wait := (refused.headers or {}).get("Retry-After"):
            answer.headers["Retry-After"] = wait
        return answer
    sessions.make_operator(request, site.settings, site.session_key)
    return see("/status")


_WRONG = {
    401: "This is not the password.",
    429: "Too many wrong passwords were tried. Wait a minute, and try again.",
}


def status(request: Request) -> Response:
    """Everything that an operator looks at first."""
    site, now = site_of(request), datetime.now(UTC)
    accounts = site.pipeline.accounts
    people = accounts.people.all()
    return page(
        request,
        "status.html",
        people=people_rows(people, accounts.overview.failed_days(), accounts.overview.last_asked()),
        places=Places(people_here(site.pipeline), site.settings.site.people_limit),
        budget=site.pipeline.budget.state(),
        backlog=accounts.inbox.backlog(),
        webhooks=webhook_rows(people, accounts.subscriptions.all(), accounts.inbox.counts()),
        runs=last_runs(site.dagster, site.settings.site.dagster_url),
        invites=open_invites(accounts.invites.all(), now),
    )


def invite(request: Request, fields: Fields) -> Response:
    """A new invite, shown once."""
    if not _is_operator(request):
        return see("/operator")
    site = site_of(request)
    code = site.pipeline.accounts.invites.create(timedelta(days=INVITE_DAYS))
    return page(request, "invite.html", code=code, link=invite_link(site, code), days=INVITE_DAYS)


def invite_link(site: Site, code: str) -> str:
    """The front page with the code filled in."""
    return f"{site.settings.site.url}/?invite={code}"


def _for_operators(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """A page that everybody else is sent away from."""

    def endpoint(request: Request) -> Response:
        return answer(request) if _is_operator(request) else see("/operator")

    return endpoint


def _is_operator(request: Request) -> bool:
    site = site_of(request)
    return sessions.is_operator(request, site.settings, site.session_key)
