"""The operator is told who must sign in again: over HTTP, by mail, once."""

from __future__ import annotations

import socket
import sqlite3
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from oura_pipeline.accounts.people import Person, PersonState, SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.credentials import SignInRequired
from oura_pipeline.people.notify import NotificationFailed, configured, payload, send_pending
from oura_pipeline.settings import Settings
from oura_pipeline_tests.accounts.homes import at_once, opened
from oura_pipeline_tests.testing.http_sink import HttpSink, http_sink
from oura_pipeline_tests.testing.settings import settings_with

SITE = "https://oura.example.org"


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with http_sink() as made:
        yield made


@dataclass
class Post:
    """What takes mail: every one that it took, and what it answers to the next ones."""

    port: int = 0
    mails: list[Any] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    signed_in: list[bool] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.signed_in.append(bool(session.authenticated))
        return "250 taken"


def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """Whether somebody may send mail here."""
    success = (data.login, data.password) == (b"post:man", b"p@ss/word")
    return AuthResult(success=success, handled=False)


@contextmanager
def post_office(**options: Any) -> Iterator[Post]:
    """A mail server on a free port of this machine."""
    with socket.socket() as probe:  # the controller looks itself up by the port it was given
        probe.bind(("127.0.0.1", 0))
        post = Post(port=probe.getsockname()[1])
    controller = Controller(post, hostname="127.0.0.1", port=post.port, **options)
    controller.start()
    try:
        yield post
    finally:
        controller.stop()


@pytest.fixture
def post() -> Iterator[Post]:
    with post_office() as made:
        yield made


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    """Ada and Bob must sign in again, Cyd is fine."""
    with opened(tmp_path) as made:
        for username in ("ada", "bob", "cyd"):
            made.people.add(username, SignIn(refresh_token=f"secret-of-{username}"))
        lose(made, "bob")
        lose(made, "ada")
        yield made


def lose(accounts: Accounts, username: str) -> None:
    """Let Oura refuse to renew somebody's tokens."""

    def renew(refresh_token: str, _: str | None) -> Any:
        raise SignInRequired(f"400: {refresh_token} was already used")

    with pytest.raises(SignInRequired):
        accounts.tokens.get(username, renew).access_token()


def settings(sink: HttpSink | None = None, post: Post | None = None, **others: str) -> Settings:
    """Settings that tell the operator over these ways."""
    values: dict[str, Any] = {"oura_public_url": SITE}
    if sink:
        values |= {"oura_notify_url": sink.url}
    if post:
        values |= {
            "oura_notify_email": "one@example.org, two@example.org",
            "oura_smtp_url": f"smtp+plain://127.0.0.1:{post.port}",
        }
    return settings_with(**values | others)


def waiting(accounts: Accounts) -> list[str]:
    return [person.username for person in accounts.people.to_notify()]


def test_the_operator_is_told_over_both_ways_once(
    accounts: Accounts, sink: HttpSink, post: Post
) -> None:
    """Each in a message that chats can show, and all in one mail."""
    ada, bob = accounts.people.get("ada"), accounts.people.get("bob")
    both = settings(sink, post)
    assert send_pending(accounts, both) == ["ada", "bob"]
    assert sink.bodies == [payload(ada, both), payload(bob, both)]
    [mail] = post.mails
    assert (mail["From"], mail["To"], mail["Subject"]) == (
        "oura-pipeline@localhost",
        "one@example.org, two@example.org",
        "Oura: 2 people must sign in again",
    )
    assert mail.get_content().splitlines() == [body["text"] for body in sink.bodies]
    assert send_pending(accounts, both) == []
    assert (len(sink.bodies), len(post.mails)) == (2, 1)


def test_the_news_say_who_why_since_when_and_where(accounts: Accounts) -> None:
    """And show no token."""
    ada = accounts.people.get("ada")
    since = f"{ada.state_since:%Y-%m-%d %H:%M} UTC"
    reason = "Oura refused to renew their tokens: 400: … was already used"
    sentence = f"ada must sign in again at {SITE}, since {since}: {reason}"
    assert payload(ada, settings()) == {
        "event": "sign_in_required",
        "username": "ada",
        "since": ada.state_since.isoformat(),
        "reason": reason,
        "sign_in_url": SITE,
        "text": sentence,
        "content": sentence,
    }


def test_a_late_deletion_is_said_with_what_to_do(
    accounts: Accounts, tmp_path: Path, sink: HttpSink, post: Post
) -> None:
    """In the same mail as who must sign in again, and also where that had been said of them."""
    assert send_pending(accounts, settings(sink)) == ["ada", "bob"]
    accounts.removal.retire("ada")
    with closing(sqlite3.connect(tmp_path / "accounts.sqlite")) as database, database:
        late = "UPDATE people SET state_since = '2026-06-01 12:00:00' WHERE username = 'ada'"
        database.execute(late)
    lose(accounts, "cyd")
    assert send_pending(accounts, settings(sink, post)) == ["ada", "cyd"]
    sentence = (
        "ada has left, and their data is still here, since 2026-06-01 12:00 UTC: look at the last "
        "run of retire_people, or run `oura-pipeline people remove ada`"
    )
    said = [(body["event"], body["text"]) for body in sink.bodies if body["username"] == "ada"]
    assert said[1:] == [("deletion_late", sentence)]
    [mail] = post.mails
    assert mail["Subject"] == "Oura: 1 person must sign in again, 1 deletion is late"
    assert mail.get_content().splitlines()[0] == sentence


def test_whoever_is_lost_once_more_is_told_once_more(accounts: Accounts, sink: HttpSink) -> None:
    """Once each time somebody must sign in again."""
    send_pending(accounts, settings(sink))
    accounts.people.reconnect("ada", SignIn(refresh_token="another"))
    assert send_pending(accounts, settings(sink)) == []
    lose(accounts, "ada")
    assert send_pending(accounts, settings(sink)) == ["ada"]
    assert sink.names == ["ada", "bob", "ada"]


def test_without_a_way_nobody_counts_as_told(accounts: Accounts, sink: HttpSink) -> None:
    """Whoever sets one up later hears of everybody."""
    assert not configured(settings())
    assert send_pending(accounts, settings()) == []
    assert waiting(accounts) == ["ada", "bob"]
    assert send_pending(accounts, settings(sink)) == ["ada", "bob"]


def test_nobody_to_tell_of_is_no_message(accounts: Accounts, sink: HttpSink, post: Post) -> None:
    accounts.people.reconnect("ada", SignIn(refresh_token="another"))
    accounts.people.reconnect("bob", SignIn(refresh_token="another"))
    assert send_pending(accounts, settings(sink, post)) == []
    assert (sink.bodies, post.mails) == ([], [])


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_chat_that_refuses_is_asked_again(
    accounts: Accounts, sink: HttpSink, status: int
) -> None:
    """A redirect is a refusal too: behind it the news would be lost."""
    sink.statuses = [status]
    with pytest.raises(NotificationFailed) as caught:
        send_pending(accounts, settings(sink))
    assert str(caught.value) == (f"OURA_NOTIFY_URL answers {status}; check the address")
    assert waiting(accounts) == ["ada", "bob"]
    assert send_pending(accounts, settings(sink)) == ["ada", "bob"]
    assert sink.names == ["ada", "bob"]


def test_what_was_told_before_a_failure_is_not_told_again(
    accounts: Accounts, sink: HttpSink, post: Post
) -> None:
    """Over no way."""
    sink.statuses = [204, 500]
    with pytest.raises(NotificationFailed):
        send_pending(accounts, settings(sink, post))
    assert send_pending(accounts, settings(sink, post)) == ["bob"]
    assert sink.names == ["ada", "bob"]
    assert [mail["Subject"] for mail in post.mails] == ["Oura: 1 person must sign in again"] * 2


def test_nothing_is_posted_while_the_mail_server_is_away(
    accounts: Accounts, sink: HttpSink, post: Post
) -> None:
    """A minute later it would be posted again, and again."""
    away = settings(sink, post, oura_smtp_url="smtp+plain://127.0.0.1:1")
    with pytest.raises(NotificationFailed) as caught:
        send_pending(accounts, away)
    assert str(caught.value) == (
        "the mail server cannot be used; check OURA_SMTP_URL (ConnectionRefusedError)"
    )
    assert sink.bodies == []
    assert waiting(accounts) == ["ada", "bob"]


def test_a_mail_that_is_not_taken_is_sent_again(accounts: Accounts, post: Post) -> None:
    """The error shows no address."""
    post.answers = ["554 one@example.org is unknown"]
    with pytest.raises(NotificationFailed) as caught:
        send_pending(accounts, settings(post=post))
    assert str(caught.value) == (
        "the mail server rejects the mail; check OURA_NOTIFY_EMAIL (SMTPDataError 554)"
    )
    assert send_pending(accounts, settings(post=post)) == ["ada", "bob"]
    assert len(post.mails) == 1


def test_an_address_that_does_not_answer_is_not_shown(accounts: Accounts) -> None:
    """It may be a secret."""
    nowhere = settings(oura_notify_url="http://127.0.0.1:1/services/secret")
    with pytest.raises(NotificationFailed) as caught:
        send_pending(accounts, nowhere)
    assert str(caught.value) == "OURA_NOTIFY_URL does not answer (URLError); check the address"


def test_mail_is_encrypted_and_signed_in(
    accounts: Accounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With STARTTLS (smtp://) and from the beginning (smtps://)."""
    context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    with post_office(tls_context=context, require_starttls=True, authenticator=known) as post:
        url = f"smtp://post%3Aman:p%40ss%2Fword@localhost:{post.port}"
        assert send_pending(accounts, settings(post=post, oura_smtp_url=url)) == ["ada", "bob"]
        assert post.signed_in == [True]
    lose(accounts, "cyd")
    with post_office(ssl_context=context, auth_require_tls=False, authenticator=known) as post:
        url = f"smtps://post%3Aman:p%40ss%2Fword@localhost:{post.port}"
        assert send_pending(accounts, settings(post=post, oura_smtp_url=url)) == ["cyd"]
        assert post.signed_in == [True]


def test_a_server_that_cannot_prove_who_it_is_gets_no_password(
    accounts: Accounts, tmp_path: Path
) -> None:
    with post_office(
        tls_context=certificate(tmp_path), authenticator=known, auth_required=True
    ) as post:
        url = f"smtp://post%3Aman:p%40ss%2Fword@localhost:{post.port}"
        with pytest.raises(NotificationFailed, match=r"SSLCertVerificationError\)$"):
            send_pending(accounts, settings(post=post, oura_smtp_url=url))
    assert waiting(accounts) == ["ada", "bob"]


def test_a_wrong_password_is_said_without_it(
    accounts: Accounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    with post_office(tls_context=context, authenticator=known, auth_required=True) as post:
        url = f"smtp://postman:wrong@localhost:{post.port}"
        with pytest.raises(NotificationFailed) as caught:
            send_pending(accounts, settings(post=post, oura_smtp_url=url))
    assert str(caught.value) == (
        "the mail server cannot be used; check OURA_SMTP_URL (SMTPAuthenticationError 535)"
    )


def test_a_mail_server_of_another_kind_is_refused(accounts: Accounts, post: Post) -> None:
    with pytest.raises(NotificationFailed, match="must begin with smtp://, smtps:// or smtp"):
        send_pending(accounts, settings(post=post, oura_smtp_url="imap://127.0.0.1"))


def _tell(home: Path, url: str, _: int) -> list[str]:
    with opened(home) as accounts:
        return send_pending(accounts, settings(oura_notify_url=url))


def test_two_processes_do_not_tell_twice(
    accounts: Accounts, sink: HttpSink, tmp_path: Path
) -> None:
    sink.seconds = 0.5  # all of them are there before the first one has finished
    told = at_once(3, _tell, tmp_path, sink.url)
    assert sorted(told) == [[], [], ["ada", "bob"]]
    assert sink.names == ["ada", "bob"]


def test_whoever_signs_in_while_the_operator_is_told_stays_connected(
    accounts: Accounts, sink: HttpSink
) -> None:
    send_pending(accounts, settings(sink))
    accounts.people.reconnect("ada", SignIn(refresh_token="another"))
    person: Person = accounts.people.get("ada")
    assert (person.state, person.notified_at) == (PersonState.CONNECTED, None)


def certificate(folder: Path) -> ssl.SSLContext:
    """A certificate of localhost that signs itself, and a server's context for it."""
    key, pem = folder / "server.key", folder / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    options = ["-nodes", "-keyout", str(key), "-out", str(pem), "-days", "2", "-subj"]
    name = ["/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, *options, *name], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return context
