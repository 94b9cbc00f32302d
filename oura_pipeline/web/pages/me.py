"""Everybody's own page: how their connection is, what was fetched, and how to take it or end it.

What surprises: profile, nights and trends come from the published copy. The site never opens the
warehouse for a page, because DuckDB lets one process in. The calendar comes from the ledger of
fetches, so that it shows at once what a sync has done.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Send
from starlette.types import Scope as Asked

from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.exports.person import export_zip
from oura_pipeline.people.leave import disconnect, leave
from oura_pipeline.web import sessions
from oura_pipeline.web.charts.calendar import (
    DayState,
    Month,
    calendar,
    first_day,
    month_picture,
)
from oura_pipeline.web.charts.night import night_picture
from oura_pipeline.web.charts.trend import trend_picture, trend_rows
from oura_pipeline.web.labels import Scope, scope_title, scopes
from oura_pipeline.web.pages.forms import Fields, form_route
from oura_pipeline.web.pages.me_charts import told
from oura_pipeline.web.pages.me_text import (
    allowed_types,
    connection,
    history_view,
    newest_day,
    sync_view,
    type_rows,
)
from oura_pipeline.web.pages.sign_in import see
from oura_pipeline.web.pages.templates import message, page, site_of
from oura_pipeline.web.site import Site

_CHUNK = 256 * 1024  # bytes


def routes() -> list[BaseRoute]:
    """The addresses of this module."""
    return [
        Route("/me", _own(me)),
        Route("/me/data.zip", _own(download)),
        Route("/me/delete", _own(ask_delete)),
        form_route("/me/sync", _own_form(sync)),
        form_route("/me/disconnect", _own_form(end_connection)),
        form_route("/me/delete", _own_form(delete)),
        Route("/farewell", farewell),
    ]


def me(request: Request, person: Person) -> Response:
    """Somebody's own page."""
    site, now = site_of(request), datetime.now(UTC)
    overview = site.pipeline.accounts.overview.document_types(person.username)
    granted = person.scopes
    wanted = scopes(site.settings.oura.scopes)
    copy = told(
        site.settings.storage.analytics_path, person.username, newest_day(overview, now.date())
    )
    return page(
        request,
        "me.html",
        person=person,
        connection=connection(person),
        granted=None if granted is None else _titles(granted, wanted),
        missing=[] if granted is None else [row for row in wanted if row.name not in granted],
        history=history_view(overview, site.settings.oura.history_start, now.date()),
        sync=sync_view(person, overview, now),
        copy=copy,
        nights=[(night, night_picture(f"night-{night.day}", night)) for night in copy.nights],
        trends=[(trend, trend_picture(trend)) for trend in copy.trends],
        trend_rows=trend_rows(copy.trends),
        months=[(month, month_picture(month)) for month in _months(site, person, now.date())],
        day_states=list(DayState),
        rows=type_rows(person, overview),
    )


def _months(site: Site, person: Person, today: date) -> list[Month]:
    """What came of asking Oura, of the kinds that the person allows."""
    names = allowed_types(person)
    first = first_day(today, site.settings.oura.history_start)
    accounts = site.pipeline.accounts
    days = accounts.overview.days(person.username, names, first_day=first, last_day=today)
    return calendar(days, len(names), first, today)


def _titles(granted: Collection[str], wanted: Sequence[Scope]) -> list[str]:
    """Scopes in words, in the order in which they are asked for."""
    others = set(granted) - {row.name for row in wanted}
    asked = [row.title for row in wanted if row.name in granted]
    return asked + [scope_title(name) for name in sorted(others)]


def sync(request: Request, person: Person, fields: Fields) -> Response:
    """They want a sync now."""
    if person.state is PersonState.CONNECTED:
        site_of(request).pipeline.accounts.people.request_sync(person.username, datetime.now(UTC))
    return see("/me")


def end_connection(request: Request, person: Person, fields: Fields) -> Response:
    """They want nothing more to be fetched."""
    disconnect(site_of(request).pipeline, person.username)
    return see("/me")


def ask_delete(request: Request, person: Person) -> Response:
    """Once more, with the username."""
    return page(request, "delete.html", person=person, value="", error=None)


def delete(request: Request, person: Person, fields: Fields) -> Response:
    """They leave, when the username is theirs."""
    typed = fields.get("username", "").strip()[:100]
    if typed != person.username:
        error = f"Type {person.username} to confirm, exactly like this."
        return page(request, "delete.html", status=422, person=person, value=typed, error=error)
    leave(site_of(request).pipeline, person.username)
    sessions.forget(request)
    return see("/farewell")


def farewell(request: Request) -> Response:
    """What is left to say."""
    return message(
        request,
        "Farewell",
        "From now on nothing of yours is fetched. Your access is given back to Oura, and your data "
        "is deleted within minutes.",
        "Graphite cannot delete by itself: whoever runs this is told there what was yours, and "
        "how it is deleted.",
        "You are welcome to come back at any time, as somebody new.",
    )


def download(request: Request, person: Person) -> Response:
    """All of it as one ZIP; no file of it is left behind, whatever happens to the download."""
    downloads = site_of(request).downloads
    if not downloads.begin(person.username):
        return _busy(request)
    try:
        return _zip(site_of(request), person, lambda: downloads.end(person.username))
    except BaseException:
        downloads.end(person.username)
        raise


def _zip(site: Site, person: Person, ended: Callable[[], None]) -> Response:
    with tempfile.TemporaryDirectory(prefix=".download.", dir=site.settings.storage.home) as folder:
        path = Path(folder) / "data.zip"
        export_zip(site.pipeline, person.username, path)
        size, file = path.stat().st_size, path.open("rb")
    name = f"oura-{person.username}-{datetime.now(UTC):%Y-%m-%d}.zip"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(size),
        "Cache-Control": "no-store",
    }
    return _Sent(file, ended, headers=headers)


class _Sent(StreamingResponse):
    """A file, closed when it was sent or whoever asked went away, before the first byte as well."""

    def __init__(self, file: IO[bytes], ended: Callable[[], None], headers: dict[str, str]) -> None:
        super().__init__(_chunks(file), media_type="application/zip", headers=headers)
        self._file = file
        self._ended = ended

    async def __call__(self, scope: Asked, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()
            self._ended()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _busy(request: Request) -> Response:
    answer = message(
        request,
        "Your data cannot be packed just now",
        "Another download of yours is under way, or several other people's are. Try again in a "
        "minute.",
        status=503,
        alert=True,
    )
    answer.headers["Retry-After"] = "60"
    return answer


def _own(answer: Callable[[Request, Person], Response]) -> Callable[[Request], Response]:
    """A page that only whom it is about may see; everybody else is sent to the front page."""

    def endpoint(request: Request) -> Response:
        person = sessions.signed_in(request, site_of(request).pipeline.accounts)
        return _stranger(request) if person is None else answer(request, person)

    return endpoint


def _own_form(
    answer: Callable[[Request, Person, Fields], Response],
) -> Callable[[Request, Fields], Response]:
    """The same for forms."""

    def endpoint(request: Request, fields: Fields) -> Response:
        person = sessions.signed_in(request, site_of(request).pipeline.accounts)
        return _stranger(request) if person is None else answer(request, person, fields)

    return endpoint


def _stranger(request: Request) -> Response:
    """A cookie that names nobody who is here is of no use any more."""
    if request.session.get("username"):
        sessions.forget(request)
    return see("/")
