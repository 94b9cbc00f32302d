"""News for the operator: who must sign in again, told once each time that somebody must.

What surprises: nobody counts as told before every way that is set up has taken the news. And the
mail server is greeted before anything is posted: one that is away, or does not know our password,
would have the same news posted again and again.
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

from oura_pipeline.accounts.people import Person
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.settings import Settings

SECONDS = 10  # that a server may take for an answer
USUAL_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


class NoticeUndelivered(Exception):
    """The operator could not be told; one line without addresses, which may hold secrets."""


def configured(settings: Settings) -> bool:
    """Whether there is any way to tell the operator."""
    return bool(settings.notify.url or settings.notify.email)


def send_pending(accounts: Accounts, settings: Settings) -> list[str]:
    """Tell the operator who must sign in again and was not told of yet; their usernames.

    Without a way to tell, nobody counts as told.

    Raises:
        NoticeUndelivered: it will be tried again, for whom it is still news.
        AccountsBusy: another process never came back from telling.
    """
    if not configured(settings):
        return []
    with accounts.lock("notices"):
        waiting = accounts.people.to_notify()
        if not waiting:
            return []
        told: list[Person] = []
        with _mail_server(settings) as server:
            try:
                for person in waiting:
                    _post(settings, person)
                    told.append(person)
            finally:
                _finish(accounts, settings, server, told)
    return [person.username for person in told]


def news_of(person: Person, settings: Settings) -> dict[str, str]:
    """What is posted about somebody who must sign in again; `text` and `content` are for chats."""
    sentence = _sentence(person, settings)
    return {
        "event": "sign_in_required",
        "username": person.username,
        "since": person.state_since.isoformat(),
        "reason": person.error or "",
        "sign_in_url": settings.site.url,
        "text": sentence,
        "content": sentence,
    }


def _sentence(person: Person, settings: Settings) -> str:
    return (
        f"{person.username} must sign in again at {settings.site.url}, "
        f"since {person.state_since:%Y-%m-%d %H:%M} UTC: {person.error}"
    )


def _finish(
    accounts: Accounts, settings: Settings, server: smtplib.SMTP | None, told: Sequence[Person]
) -> None:
    """Mail what could be posted, then remember it."""
    if not told:
        return
    if server:
        with _in_one_line("the mail server does not take the mail; look at OURA_NOTIFY_EMAIL"):
            server.send_message(_mail(told, settings))
    accounts.people.mark_notified(person.username for person in told)


class _StayHere(HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without its news."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Never."""


def _post(settings: Settings, person: Person) -> None:
    # Not httpx: it logs the address, and that of a chat's webhook is a secret.
    if not settings.notify.url:
        return
    body = json.dumps(news_of(person, settings)).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(settings.notify.url, data=body, headers=headers)  # noqa: S310 - http(s) by its setting
    try:
        with build_opener(_StayHere).open(request, timeout=SECONDS):
            pass
    except HTTPError as error:
        error.close()
        raise NoticeUndelivered(
            f"OURA_NOTIFY_URL answers {error.code} to news for the operator; look at the address"
        ) from None
    except OSError as error:
        raise NoticeUndelivered(
            f"OURA_NOTIFY_URL does not answer ({type(error).__name__}); look at the address"
        ) from None


@contextmanager
def _mail_server(settings: Settings) -> Iterator[smtplib.SMTP | None]:
    """A server that is ready to take mail; None where nobody is mailed."""
    if not settings.notify.email:
        yield None
        return
    with _in_one_line("the mail server cannot be used; look at OURA_SMTP_URL"):
        server = _greeted(urlsplit(settings.notify.smtp_url.get_secret_value()))
    try:
        yield server
    finally:
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        server.close()


def _greeted(url: SplitResult) -> smtplib.SMTP:
    """A connection, encrypted and signed in as the address says."""
    if url.scheme not in USUAL_PORTS:
        raise NoticeUndelivered(
            "OURA_SMTP_URL cannot be used: it begins with smtp://, smtps:// or smtp+plain://"
        )
    host, port = url.hostname or "", url.port or USUAL_PORTS[url.scheme]
    if url.scheme == "smtps":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=SECONDS)
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
    count = "1 person" if len(people) == 1 else f"{len(people)} people"
    mail = EmailMessage()
    mail["Subject"] = f"Oura: {count} must sign in again"
    mail["From"] = settings.notify.mail_from
    mail["To"] = ", ".join(settings.notify.email)
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain="oura-pipeline")
    mail.set_content("\n".join(_sentence(person, settings) for person in people) + "\n")
    return mail


@contextmanager
def _in_one_line(what: str) -> Iterator[None]:
    """What smtplib raises may hold addresses; its name and the server's code say enough.

    Raises:
        NoticeUndelivered: instead.
    """
    try:
        yield
    except (smtplib.SMTPException, OSError, ValueError) as error:
        code = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
        raise NoticeUndelivered(f"{what} ({type(error).__name__}{code})") from None
