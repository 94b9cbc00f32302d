"""Where people bring what they downloaded from Oura: the form, the upload, and what came of it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oura_pipeline.accounts.people import Person
from oura_pipeline.member_export.errors import ExportRefused, ReaderEnded
from oura_pipeline.member_export.importing import import_export
from oura_pipeline.sync.publish import publish
from oura_pipeline.web import sessions
from oura_pipeline.web.limits import UPLOAD_PATH
from oura_pipeline.web.pages.forms import expired, from_our_site
from oura_pipeline.web.pages.me import sign_in_again, to_front_page
from oura_pipeline.web.pages.templates import get_site, message_page, page

MAX_UPLOAD_BYTES = 500_000_000  # many years of a person are some 30 MB
_MULTIPART = "multipart/form-data"
_LONGEST_FIELD, _MOST_PARTS = 1000, 10
_NO_FILE = "Choose the file that Oura gave you, data.zip."
_UNFINISHED = (
    "Your file could not be imported to its end. What has landed is kept: wait a minute, then "
    "bring the file once more."
)
_log = logging.getLogger(__name__)


class _Forged(Exception):
    """The form is none of ours."""


def routes() -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        Route(UPLOAD_PATH, show_form),
        Route(UPLOAD_PATH, receive, methods=["POST"], max_body_size=MAX_UPLOAD_BYTES),
    ]


def show_form(request: Request) -> Response:
    """Ask for the file."""
    person = _whose(request)
    return person if isinstance(person, Response) else _page(request)


async def receive(request: Request) -> Response:
    """Write an uploaded file into the data folder, import it, and delete it."""
    # Everything that can be refused is, before a byte of the file is taken.
    person = await run_in_threadpool(_whose, request)
    if isinstance(person, Response):
        return person
    boundary = _boundary(request)
    if boundary is None or not from_our_site(request):
        return await run_in_threadpool(expired, request)
    site = get_site(request)
    if not site.imports.begin(person.username):
        return await run_in_threadpool(_busy, request)
    try:
        with tempfile.TemporaryDirectory(
            prefix=".import.", dir=site.settings.storage.home
        ) as folder:
            path = Path(folder) / "data.zip"
            await _save(request, boundary, path)
            return await run_in_threadpool(_import, request, person, path)
    except _Forged:
        return await run_in_threadpool(expired, request)
    except (FormParserError, ClientDisconnect):
        return await run_in_threadpool(partial(_page, request, error=_NO_FILE, status=400))
    finally:
        site.imports.end(person.username)


async def _save(request: Request, boundary: bytes, path: Path) -> None:
    with path.open("wb") as file:
        form = _Form(file, lambda token: sessions.csrf_matches(request, token))
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
        async for chunk in request.stream():
            parser.write(chunk)
        parser.finalize()
        form.check()


class _Form:
    """A form with a file, read as it arrives: first its token, then the file."""

    def __init__(self, file: IO[bytes], is_ours: Callable[[str], bool]) -> None:
        self._file = file
        self._is_ours = is_ours
        self._checked = False
        self._parts = 0
        self._name = b""
        self._header = self._value = self._token = b""

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_to_header,
            "on_header_value": self._add_to_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": self._add,
        }

    def check(self) -> None:
        """Raise `_Forged` unless the form has the token of this browser's session."""
        if not self._checked and not self._is_ours(self._token.decode(errors="replace")):
            raise _Forged
        self._checked = True

    def _begin(self) -> None:
        self._name = b""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _Forged

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._header = _limited(self._header + data[start:end])

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value = _limited(self._value + data[start:end])

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._name = options.get(b"name", b"")
        self._header = self._value = b""

    def _begin_content(self) -> None:
        if self._name == b"export":
            # Before the file: nobody fills the disk through somebody else's browser.
            self.check()

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._name == b"export":
            self._file.write(data[start:end])
        elif self._name == b"csrf":
            self._token = _limited(self._token + data[start:end])


def _limited(text: bytes) -> bytes:
    if len(text) > _LONGEST_FIELD:
        raise _Forged
    return text


def _boundary(request: Request) -> bytes | None:
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    return options.get(b"boundary") if content_type.decode().lower() == _MULTIPART else None


def _whose(request: Request) -> Person | Response:
    """Return whose page it is, or what is answered to who may not have it."""
    accounts = get_site(request).pipeline.accounts
    person = sessions.signed_in(request, accounts)
    if person is None:
        return to_front_page(request)
    # Who has a copy of a cookie is not to put somebody else's life into this one.
    return person if sessions.is_recent(request, accounts) else sign_in_again(request, "bring")


def _import(request: Request, person: Person, path: Path) -> Response:
    pipeline = get_site(request).pipeline
    if not path.stat().st_size:
        return _page(request, error=_NO_FILE, status=422)
    try:
        imported = import_export(pipeline, person.username, path)
    except ExportRefused as error:
        return _page(request, error=f"Nothing was imported: {error}.", status=422)
    except ReaderEnded as error:
        _log.warning("somebody's file was not imported to its end: %s", error)
        return _page(request, error=_UNFINISHED, status=503)
    if imported.changed:
        publish(pipeline)
    return _page(request, imported=imported)


def _page(request: Request, *, status: int = 200, **values: object) -> Response:
    return page(request, "bring.html", status=status, **{"error": None, "imported": None} | values)


def _busy(request: Request) -> Response:
    response = message_page(
        request,
        "Too many at once",
        "Another file of yours, or several of other people, are being imported. Try again in a "
        "minute.",
        status=503,
        alert=True,
    )
    response.headers["Retry-After"] = "60"
    return response
