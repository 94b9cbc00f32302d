"""The operator's pages: sign-in, status of everything, and invites."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oura_pipeline.people.sign_in import people_here
from oura_pipeline.web import sessions
from oura_pipeline.web.automation import automation
from oura_pipeline.web.pages.dagster_runs import last_runs
from oura_pipeline.web.pages.forms import Fields, form_route
from oura_pipeline.web.pages.sign_in import Capacity
from oura_pipeline.web.pages.status_documents import odd_documents
from oura_pipeline.web.pages.status_text import (
    listed,
    open_invites,
    people_rows,
    webhook_rows,
)
from oura_pipeline.web.pages.templates import get_site, message_page, page, redirect
from oura_pipeline.web.site import Site

INVITE_DAYS = 7


def routes() -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        Route("/operator", ask_password),
        form_route("/operator", check_password),
        Route("/status", _operator_only(show_status)),
        Route("/status/invite", lambda request: redirect("/status")),
        form_route("/status/invite", create_invite),
        form_route("/status/signout", end_sessions),
    ]


def ask_password(request: Request) -> Response:
    """Ask for the operator's password."""
    if is_operator(request):
        return redirect("/status")
    return page(request, "operator.html", error=None)


def check_password(request: Request, fields: Fields) -> Response:
    """Sign the operator in."""
    site = get_site(request)
    try:
        # Shared with the API: ten wrong guesses at either lock both for a minute.
        site.operator_auth.check(fields.get("token", ""))
    except HTTPException as refused:
        error = _ERRORS.get(refused.status_code)
        response = page(request, "operator.html", status=refused.status_code, error=error)
        if wait := (refused.headers or {}).get("Retry-After"):
            response.headers["Retry-After"] = wait
        return response
    sessions.make_operator(request, site.pipeline.accounts, site.settings, site.session_key)
    return redirect("/status")


_ERRORS = {
    401: "Wrong password.",
    429: "Too many wrong passwords. Wait a minute and try again.",
}


def show_status(request: Request) -> Response:
    """Show people, runs, webhooks and invites."""
    site, now = get_site(request), datetime.now(UTC)
    accounts = site.pipeline.accounts
    people, unrevoked = accounts.people.all(), accounts.removal.unrevoked()
    rows = people_rows(
        people,
        accounts.overview.failed_days(),
        accounts.overview.last_asked(),
        accounts.removal.to_revoke(),
        accounts.overview.lapsed(),
        now=now,
    )
    return page(
        request,
        "status.html",
        people=listed(rows, request.query_params.get("find", "")),
        gone=[somebody for somebody in unrevoked if somebody.username is None],
        again=accounts.overview.to_fetch_again(),
        capacity=Capacity(people_here(site.pipeline), site.settings.site.people_limit),
        budget=site.pipeline.budget.state(),
        backlog=accounts.inbox.backlog(),
        pushes=accounts.waiting.count(),
        webhooks=webhook_rows(people, accounts.subscriptions.all(), accounts.inbox.counts()),
        odd=odd_documents(site.settings.storage.analytics_path),
        runs=last_runs(site.dagster, site.settings.site.dagster_url),
        automation=automation(site.dagster, site.settings.site.dagster_url),
        studies=accounts.studies.names(),
        participants=accounts.studies.everybody(),
        invites=open_invites(accounts.invites.all(), now),
    )


def create_invite(request: Request, fields: Fields) -> Response:
    """Create an invite and show it once."""
    if not is_operator(request):
        return redirect("/operator")
    site = get_site(request)
    code = site.pipeline.accounts.invites.create(timedelta(days=INVITE_DAYS))
    return page(request, "invite.html", code=code, link=invite_link(site, code), days=INVITE_DAYS)


def end_sessions(request: Request, fields: Fields) -> Response:
    """End the sessions of a person, or of everybody and the operator."""
    if not is_operator(request):
        return redirect("/operator")
    accounts, username = get_site(request).pipeline.accounts, fields.get("username", "").strip()
    if not username:
        accounts.sessions.end_all()
    elif accounts.people.all(usernames=[username]):
        accounts.sessions.end_all_of(username)
    else:
        sentence = "Nobody has this username, so no session was ended."
        return message_page(request, "Nobody was signed out", sentence, status=422, alert=True)
    return redirect("/status")


def invite_link(site: Site, code: str) -> str:
    """Return the address of the front page with the code filled in."""
    return f"{site.settings.site.url}/?invite={code}"


def _operator_only(show: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Wrap a page of the operator; everybody else is sent to the sign-in."""

    def endpoint(request: Request) -> Response:
        return show(request) if is_operator(request) else redirect("/operator")

    return endpoint


def is_operator(request: Request) -> bool:
    """Return whether the operator asks."""
    site = get_site(request)
    return sessions.is_operator(request, site.pipeline.accounts, site.settings, site.session_key)
