"""The operator's forms of studies: begin one, enroll people, note that consent was withdrawn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from oura_pipeline.accounts.errors import StudyRefused, UnknownPerson
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.accounts.studies import Enrolment
from oura_pipeline.catalog.document_types import get_document_type
from oura_pipeline.web.pages.forms import Fields, form_route
from oura_pipeline.web.pages.status import is_operator
from oura_pipeline.web.pages.templates import get_site, message_page, redirect


def routes() -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        form_route("/status/studies", _operators(create)),
        form_route("/status/participants", _operators(enroll)),
        form_route("/status/withdrawals", _operators(withdraw)),
    ]


def create(accounts: Accounts, fields: Fields) -> None:
    """Begin a study."""
    accounts.studies.create(fields.get("study", "").strip())


def enroll(accounts: Accounts, fields: Fields) -> None:
    """Let somebody take part, or note a new consent."""
    given = {name: text.strip() for name, text in fields.items()}
    enrolment = Enrolment(
        code=given.get("code") or None,
        arm=given.get("arm") or None,
        first_day=_day(given.get("first_day")) or _today(),
        last_day=_day(given.get("last_day")),
        consent_version=given.get("consent", ""),
        consented_on=_day(given.get("consented_on")) or _today(),
        document_types=_types(given.get("document_types", "")),
    )
    accounts.studies.enroll(given.get("study", ""), _username(accounts, given), enrolment)


def withdraw(accounts: Accounts, fields: Fields) -> None:
    """Note that somebody took their consent back today."""
    study = fields.get("study", "")
    accounts.studies.withdraw(study, _username(accounts, fields), _today())


def _operators(change: Callable[[Accounts, Fields], None]) -> Callable[[Request, Fields], Response]:
    def endpoint(request: Request, fields: Fields) -> Response:
        if not is_operator(request):
            return redirect("/operator")
        try:
            change(get_site(request).pipeline.accounts, fields)
        except UnknownPerson:  # its message lists usernames
            sentence = "Nobody has this username or ID. Nothing was changed."
        except StudyRefused as error:
            sentence = f"{error}. Nothing was changed."
        else:
            return redirect("/status#studies")
        return message_page(request, "This cannot be", sentence, status=422, alert=True)

    return endpoint


def _username(accounts: Accounts, fields: Fields) -> str:
    person = fields.get("person", "").strip()
    return accounts.people.usernames_by_id().get(person, person)


def _types(text: str) -> list[str] | None:
    """Return the document types of a text; None: it names none, which means all."""
    try:
        return [get_document_type(name).name for name in text.replace(",", " ").split()] or None
    except LookupError as error:
        raise StudyRefused(str(error.args[0])) from None


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise StudyRefused(f"{text!r} is no day: write it as YYYY-MM-DD") from None


def _today() -> date:
    return datetime.now(UTC).date()
