"""Messages to the operator, by HTTP or mail, once each time.

They say who must sign in again, and whose deletion is late.
"""

from __future__ import annotations

import json
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any
from urllib.error import HTTPError
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.settings import Settings

TIMEOUT_SECONDS = 10
DEFAULT_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


class NotificationFailed(Exception):
    """The operator could not be notified; one line without addresses, which may hold secrets."""


def configured(settings: Settings) -> bool:
    """Return whether there is a way to notify the operator."""
    return bool(settings.notify.url or settings.notify.email)


def send_pending(accounts: Accounts, settings: Settings) -> list[str]:
    """Notify the operator of everybody who needs something, once; return their usernames.

    Without a way to notify, nobody counts as reported.

    Raises:
        NotificationFailed: whoever was not reported yet will be the next time.
        AccountsBusy: another process never came back from notifying.
    """
    if not configured(settings):
        return []
    with accounts.lock("notices"):
        waiting = accounts.people.to_notify()
        if not waiting:
            return []
        posted: list[Person] = []
        # The mail server first: with one that is away, or does not know our password, the same
        # people would be posted again and again.
        with _mail_server(settings) as server:
            try:
                for person in waiting:
                    _post(settings, person)
                    posted.append(person)
            finally:
                _finish(accounts, settings, server, posted)
    return [person.username for person in posted]


def payload(person: Person, settings: Settings) -> dict[str, str]:
    """Return what is posted about somebody; `text` and `content` are for chats."""
    sentence = _sentence(person, settings)
    return {
        "event": "deletion_late" if _has_left(person) else "sign_in_required",
        "username": person.username,
        "since": person.state_since.isoformat(),
        "reason": person.error or "",
        "sign_in_url": settings.site.url,
        "text": sentence,
        "content": sentence,
    }


def _has_left(person: Person) -> bool:
    return person.state is PersonState.RETIRED


def _sentence(person: Person, settings: Settings) -> str:
    if _has_left(person):
        return (
            f"{person.username} has left, and their data is still here, since "
            f"{person.state_since:%Y-%m-%d %H:%M} UTC: look at the last run of retire_people, or "
            f"run `oura-pipeline people remove {person.username}`"
        )
    return (
        f"{person.username} must sign in again at {settings.site.url}, "
        f"since {person.state_since:%Y-%m-%d %H:%M} UTC: {person.error}"
    )


def _finish(
    accounts: Accounts, settings: Settings, server: smtplib.SMTP | None, posted: Sequence[Person]
) -> None:
    # Nobody counts as reported before every way that is set up has taken the message.
    if not posted:
        return
    if server:
        with _in_one_line("the mail server rejects the mail; check OURA_NOTIFY_EMAIL"):
            server.send_message(_mail(posted, settings))
    accounts.people.mark_notified(person.username for person in posted)


class _StayHere(HTTPRedirectHandler):
    """A refusal to follow redirects: a redirected POST would arrive as an empty GET."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _post(settings: Settings, person: Person) -> None:
    # Not httpx: it logs the address, and that of a chat's webhook is a secret.
    if not settings.notify.url:
        return
    body = json.dumps(payload(person, settings)).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(settings.notify.url, data=body, headers=headers)  # noqa: S310 - http(s) by its setting
    try:
        with build_opener(_StayHere).open(request, timeout=TIMEOUT_SECONDS):
            pass
    except HTTPError as error:
        error.close()
        raise NotificationFailed(
            f"OURA_NOTIFY_URL answers {error.code}; check the address"
        ) from None
    except OSError as error:
        raise NotificationFailed(
            f"OURA_NOTIFY_URL does not answer ({type(error).__name__}); check the address"
        ) from None


@contextmanager
def _mail_server(settings: Settings) -> Iterator[smtplib.SMTP | None]:
    """Yield a server that is ready to take mail; None where nobody is mailed."""
    if not settings.notify.email:
        yield None
        return
    with _in_one_line("the mail server cannot be used; check OURA_SMTP_URL"):
        server = _connected(urlsplit(settings.notify.smtp_url.get_secret_value()))
    try:
        yield server
    finally:
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        server.close()


def _connected(url: SplitResult) -> smtplib.SMTP:
    """Return a connection, encrypted and signed in as the address says."""
    if url.scheme not in DEFAULT_PORTS:
        raise NotificationFailed("OURA_SMTP_URL must begin with smtp://, smtps:// or smtp+plain://")
    host, port = url.hostname or "", url.port or DEFAULT_PORTS[url.scheme]
    if url.scheme == "smtps":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, port, timeout=TIMEOUT_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    try:
        if url.scheme == "smtp":
            server.starttls(context=ssl.create_default_context())
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
    except BaseException:
        server.close()
        raise
    return server


def _mail(people: Sequence[Person], settings: Settings) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = f"Oura: {_subject(people)}"
    mail["From"] = settings.notify.mail_from
    mail["To"] = ", ".join(settings.notify.email)
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain="oura-pipeline")
    mail.set_content("\n".join(_sentence(person, settings) for person in people) + "\n")
    return mail


def _subject(people: Sequence[Person]) -> str:
    late = sum(map(_has_left, people))
    refused = len(people) - late
    parts = [f"{refused} {'person' if refused == 1 else 'people'} must sign in again"]
    parts += [f"{late} {'deletion is' if late == 1 else 'deletions are'} late"]
    return ", ".join(part for part in parts if not part.startswith("0 "))


@contextmanager
def _in_one_line(what: str) -> Iterator[None]:
    # What smtplib raises may hold addresses; its name and the server's code say enough.
    try:
        yield
    except (smtplib.SMTPException, OSError, ValueError) as error:
        code = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
        raise NotificationFailed(f"{what} ({type(error).__name__}{code})") from None
