"""A person's own page: connection, fetched data, charts, download, disconnecting and leaving."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, ParamSpec

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.exports.person import export_zip
from oura_pipeline.people.leave import leave, revoke
from oura_pipeline.web import sessions
from oura_pipeline.web.charts import svg
from oura_pipeline.web.charts.calendar import DayState, Month, calendar, first_day, month_chart
from oura_pipeline.web.charts.night import night_chart
from oura_pipeline.web.charts.trend import trend_chart, trend_rows
from oura_pipeline.web.hosts import content_policy
from oura_pipeline.web.labels import OuraScope, scope_title, scopes
from oura_pipeline.web.pages.forms import Fields, form_route
from oura_pipeline.web.pages.me_charts import page_data
from oura_pipeline.web.pages.me_text import (
    SyncText,
    connection_text,
    granted_types,
    history_text,
    newest_day,
    sync_text,
    type_rows,
)
from oura_pipeline.web.pages.templates import NO_STORE, get_site, message_page, page, redirect
from oura_pipeline.web.site import Site

LOG = logging.getLogger("oura_pipeline.web")
Drawn = ParamSpec("Drawn")
_CHUNK_BYTES = 256 * 1024
_NOT_GIVEN_BACK = "access=not-given-back-yet"
_ACCESS_REVOKED = (
    "Your data is no longer fetched. Our access to your Oura account has been revoked, and your "
    "data will be deleted within minutes."
)
_ACCESS_KEPT = (
    "Your data is no longer fetched, and will be deleted within the next hours.",
    "Our access to your Oura account is not given back yet: Oura has not confirmed it. It is tried "
    "again until it has, and only then the last of your access keys is erased. You can also remove "
    "this application in your Oura account.",
)


def routes() -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        Route("/me", _signed_in(show_page)),
        Route("/me/data.zip", _signed_in(_just_now("download", download))),
        Route("/me/delete", _signed_in(_just_now("delete", confirm_delete))),
        Route("/me/sync", _signed_in(tell_sync)),
        form_route("/me/sync", _signed_in_form(request_sync)),
        form_route("/me/disconnect", _signed_in_form(end_connection)),
        form_route("/me/delete", _signed_in_form(delete)),
        Route("/farewell", farewell),
    ]


def show_page(request: Request, person: Person) -> Response:
    """Show a person's own page."""
    site, now = get_site(request), datetime.now(UTC)
    overview = site.pipeline.accounts.overview.document_types(person.username)
    unrevoked = site.pipeline.accounts.removal.to_revoke()
    granted = person.scopes
    requested = scopes(site.settings.oura.scopes)
    newest = newest_day(overview)
    # From the published copy: the warehouse itself can be open in one process only.
    published = page_data(site.settings.storage.analytics_path, person.username, newest)
    sync = _sync(site, person, now)
    shown = page(
        request,
        "me.html",
        person=person,
        connection=connection_text(person, overview, revoked=person.username not in unrevoked),
        granted=None if granted is None else _titles(granted, requested),
        missing=[] if granted is None else [s for s in requested if s.name not in granted],
        history=history_text(overview, _history_start(site, person), now.date()),
        sync=sync,
        published=published,
        nights=[
            (night, drawn(night_chart, f"night-{night.day}", night)) for night in published.nights
        ],
        trends=[(trend, drawn(trend_chart, trend)) for trend in published.trends],
        trend_rows=trend_rows(published.trends),
        months=[
            (month, month_chart(month))
            for month in _months(site, person, now.date(), published.brought_days)
        ],
        day_states=list(DayState),
        rows=type_rows(person, overview, published.brought),
        studies=site.pipeline.accounts.studies.of_person(person.username),
    )
    if sync.running:  # the one page with a script, which asks how it goes
        policy = content_policy(site.settings.oura.authorize_url, scripts=True)
        shown.headers["Content-Security-Policy"] = policy
    return shown


def tell_sync(request: Request, person: Person) -> Response:
    """Tell a page that is open how a requested sync goes."""
    sync = _sync(get_site(request), person, datetime.now(UTC))
    return JSONResponse({"text": sync.text, "running": sync.running}, headers=NO_STORE)


def _sync(site: Site, person: Person, now: datetime) -> SyncText:
    asked = person.sync_asked_at
    overview = site.pipeline.accounts.overview
    fetched = overview.fetched_since(person.username, asked) if asked else {}
    return sync_text(person, fetched, now)


def drawn(
    draw: Callable[Drawn, Markup | None], *given: Drawn.args, **more: Drawn.kwargs
) -> Markup | None:
    """Return a drawing, or what stands in its place if it cannot be drawn."""
    try:
        return draw(*given, **more)
    # Whatever a document contains, the page with its buttons to leave has to stand.
    except (ArithmeticError, ValueError, MemoryError) as error:
        LOG.warning("a chart cannot be drawn: %s", type(error).__name__)
        return svg.element("p", "This picture cannot be drawn: its numbers are too odd.")


def _months(site: Site, person: Person, today: date, brought: Collection[date]) -> list[Month]:
    # From the ledger of fetches, so that the calendar shows at once what a sync has done.
    names = granted_types(person)
    first = first_day(today, _history_start(site, person))
    accounts = site.pipeline.accounts
    days = accounts.overview.days(person.username, names, first_day=first, last_day=today)
    return calendar(days, len(names), first, today, {*brought})


def _history_start(site: Site, person: Person) -> date:
    return person.history_start(site.settings.oura.history_start)


def _titles(granted: Collection[str], requested: Sequence[OuraScope]) -> list[str]:
    """Return the titles of granted scopes, in the order in which they are requested."""
    others = set(granted) - {scope.name for scope in requested}
    known = [scope.title for scope in requested if scope.name in granted]
    return known + [scope_title(name) for name in sorted(others)]


def request_sync(request: Request, person: Person, fields: Fields) -> Response:
    """Request a sync."""
    if person.state is PersonState.CONNECTED:
        get_site(request).pipeline.accounts.people.request_sync(person.username, datetime.now(UTC))
    return redirect("/me")


def end_connection(request: Request, person: Person, fields: Fields) -> Response:
    """Disconnect a person."""
    pipeline = get_site(request).pipeline
    session = sessions.current(request, pipeline.accounts)
    if session is None:
        return to_front_page(request)
    pipeline.accounts.removal.disconnect(person.username)
    # All sessions have ended, for whoever has a copy of a cookie. This browser gets a new one: at
    # once, so that it ends with all others if somebody ends them while Oura takes its time.
    sessions.sign_in(request, pipeline.accounts, person, signed_in_at=session.signed_in_at)
    revoke(pipeline, person.username)
    return redirect("/me")


def confirm_delete(request: Request, person: Person) -> Response:
    """Ask for the username to confirm."""
    return page(request, "delete.html", person=person, value="", error=None)


def delete(request: Request, person: Person, fields: Fields) -> Response:
    """Delete everything of a person who confirmed it."""
    if not _is_recent(request):
        return sign_in_again(request, "delete")
    typed = fields.get("username", "").strip()[:100]
    if typed != person.username:
        error = f"To confirm, type {person.username} exactly as shown."
        return page(request, "delete.html", status=422, person=person, value=typed, error=error)
    revocation = leave(get_site(request).pipeline, person.username)
    sessions.sign_out(request, get_site(request).pipeline.accounts)
    return redirect("/farewell" if revocation.done else f"/farewell?{_NOT_GIVEN_BACK}")


def farewell(request: Request) -> Response:
    """Confirm that a person has left."""
    return message_page(
        request,
        "Goodbye",
        *(_ACCESS_KEPT if request.url.query == _NOT_GIVEN_BACK else (_ACCESS_REVOKED,)),
        "Graphite cannot delete data itself: the operator of this site has been told which files "
        "are yours and how to delete them.",
        "You can come back at any time, as a new person.",
    )


def download(request: Request, person: Person) -> Response:
    """Send all data of a person as a ZIP file."""
    downloads = get_site(request).downloads
    if not downloads.begin(person.username):
        return _busy(request)
    try:
        return _zip_response(get_site(request), person, lambda: downloads.end(person.username))
    except BaseException:
        downloads.end(person.username)
        raise


def _zip_response(site: Site, person: Person, end: Callable[[], None]) -> Response:
    # The folder goes before the first byte is sent: the open file keeps its content until it is
    # closed, so no file stays behind, whatever happens to the download.
    with tempfile.TemporaryDirectory(prefix=".download.", dir=site.settings.storage.home) as folder:
        path = Path(folder) / "data.zip"
        export_zip(site.pipeline, person.username, path)
        size, file = path.stat().st_size, path.open("rb")
    name = f"oura-{person.username}-{datetime.now(UTC):%Y-%m-%d}.zip"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(size),
        **NO_STORE,
    }
    return _OpenFileResponse(file, end, headers=headers)


class _OpenFileResponse(StreamingResponse):
    """An open file, closed once it is sent or the client has gone away."""

    def __init__(self, file: IO[bytes], end: Callable[[], None], headers: dict[str, str]) -> None:
        super().__init__(_chunks(file), media_type="application/zip", headers=headers)
        self._file = file
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Not in `_chunks`: a client that goes away before the first byte never starts it.
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()
            self._end()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _busy(request: Request) -> Response:
    response = message_page(
        request,
        "Too many downloads",
        "Another download of yours, or several of other people, are in progress. Try again in a "
        "minute.",
        status=503,
        alert=True,
    )
    response.headers["Retry-After"] = "60"
    return response


def _signed_in(show: Callable[[Request, Person], Response]) -> Callable[[Request], Response]:
    """Wrap a page of a person; everybody else is sent to the front page."""

    def endpoint(request: Request) -> Response:
        person = sessions.signed_in(request, get_site(request).pipeline.accounts)
        return to_front_page(request) if person is None else show(request, person)

    return endpoint


def _signed_in_form(
    handle: Callable[[Request, Person, Fields], Response],
) -> Callable[[Request, Fields], Response]:
    """Wrap a form of a person in the same way."""

    def endpoint(request: Request, fields: Fields) -> Response:
        return _signed_in(lambda request, person: handle(request, person, fields))(request)

    return endpoint


def _just_now(
    then: str, show: Callable[[Request, Person], Response]
) -> Callable[[Request, Person], Response]:
    """Wrap a page that asks for a sign-in with Oura in the last ten minutes; `then` names it."""

    def endpoint(request: Request, person: Person) -> Response:
        return show(request, person) if _is_recent(request) else sign_in_again(request, then)

    return endpoint


def _is_recent(request: Request) -> bool:
    return sessions.is_recent(request, get_site(request).pipeline.accounts)


def sign_in_again(request: Request, then: str) -> Response:
    """Ask for a new sign-in with Oura, after which `then` goes on."""
    # A cookie that was copied, or a browser that was left open, is not to be enough.
    return page(request, "sign_in_again.html", status=403, then=then)


def to_front_page(request: Request) -> Response:
    """Send somebody away who is not signed in."""
    accounts = get_site(request).pipeline.accounts
    ended = sessions.current(request, accounts) is None and request.session.get("id")
    if ended:  # perhaps in another browser
        sessions.sign_out(request, accounts)
    return redirect("/")
