"""Tokens, codes, secrets and e-mails are only where they belong, after everything was done."""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from cryptography.fernet import Fernet

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.document_types import ENHANCED_TAG, PERSONAL_INFO
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.files import open_to_others
from oura_pipeline.oura.webhooks import verification_token
from oura_pipeline.people.notify import NotificationFailed, send_pending
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import load_settings, read_settings
from oura_pipeline.sync.subscriptions import maintain
from oura_pipeline.web.server import listen, running_site, socket_url
from oura_pipeline_tests.end_to_end.conftest import LAST
from oura_pipeline_tests.testing.readable_files import readable
from oura_pipeline_tests.testing.world import World, world
from oura_pipeline_tests.web.html_browser import HtmlBrowser

OPERATOR = "an operator's long password"
CHAT = "a-secret-address-of-a-chat"
MAIL = "operator-of-rings@example.org"
KEY_OF_TOKENS, KEY_OF_COOKIES = Fernet.generate_key().decode(), "a key that signs cookies"
DAGSTER = "a password of Dagster's UI"
GONE = "runa"
SOME_TYPES = ["daily_sleep", "enhanced_tag", "personal_info", "daily_resilience"]


@dataclass
class Traces:
    """What a whole life of the project left behind.

    Attributes:
        world: where it was lived.
        pages: what browsers and programs were answered.
        log: everything that anybody logged.
        said: what was printed.
        secrets: what must not be in any of them.
    """

    world: World
    pages: list[str] = field(default_factory=list)
    log: str = ""
    said: str = ""
    secrets: set[str] = field(default_factory=set)

    def files(self) -> Iterator[tuple[Path, bytes]]:
        """Every file of the data folder; the keys are in the environment."""
        for path in self.world.home.rglob("*"):
            if path.is_file():
                # As bytes: a token may stand in a file of any format, Dagster's storage included.
                yield path.relative_to(self.world.home), readable(path)


@pytest.fixture
def traces(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[Traces]:
    """People who sign in, are refused, are fetched, are lost, disconnect; everything recorded."""
    caplog.set_level(logging.DEBUG)
    # It would show the headers that the test's own browser gets, a redirect with a code included.
    caplog.set_level(logging.INFO, "httpcore")
    listener = listen("127.0.0.1", 0)
    url = socket_url(listener)
    settings = {
        "OURA_PUBLIC_URL": url,
        "OURA_SIGNUP": "open",
        "OURA_OPERATOR_TOKEN": OPERATOR,
        "OURA_NOTIFY_EMAIL": MAIL,
        "OURA_TOKEN_KEY": KEY_OF_TOKENS,
        "OURA_SESSION_KEY": KEY_OF_COOKIES,
        "OURA_DAGSTER_PASSWORD": DAGSTER,
        "OURA_SMTP_URL": "smtp+plain://postmaster:a-password-of-mail@127.0.0.1:9",
    }
    options = SandboxOptions(
        people=5, days=10, end=LAST, thin=10, redirect_uris=(f"{url}/oauth/callback",)
    )
    with (
        running(options) as cloud,
        world(
            tmp_path / "data",
            cloud,
            settings=settings | {"OURA_NOTIFY_URL": f"{cloud.url}/{CHAT}"},  # where nobody listens
        ) as made,
        running_site(listener=listener),
        HtmlBrowser(url) as browser,
    ):
        left = Traces(world=made)
        live(left, cloud, browser)
        left.secrets |= {
            *cloud.secrets(),
            *(f"{name}@example.org" for name in cloud.usernames),
            *(cloud.options.client_secret, OPERATOR, CHAT, MAIL, "a-password-of-mail"),
            *(KEY_OF_TOKENS, KEY_OF_COOKIES, DAGSTER),
            verification_token(cloud.options.client_secret),
        }
        printed = capfd.readouterr()
        left.log, left.said = caplog.text, printed.out + printed.err
        yield left


def live(left: Traces, cloud: Sandbox, browser: HtmlBrowser) -> None:
    """Whatever can happen to people here, in one go."""
    seen = left.pages
    for name in ("runa", "koa", "milo"):
        seen.append(browser.join(name).html)
        seen.append(browser.go("/me").html)
        left.secrets |= cookie_of(browser)
        seen.append(browser.send("/signout").html)
    turned_down(browser, seen)
    with open_pipeline() as pipeline:
        assert not maintain(pipeline).failed
    cloud.add("runa", ENHANCED_TAG.name, day=LAST, notify=True)
    cloud.change_person("milo", revoke="all")
    left.world.run(LAST - timedelta(days=3), LAST, types=SOME_TYPES)
    work(left.world, "webhook_events", "renew_tokens", "maintain_subscriptions")
    lost(seen)
    operate(left, browser)
    browser.sign_in("koa")
    seen.append(browser.go("/me").html)
    left.secrets |= cookie_of(browser)
    seen.append(browser.send("/me/disconnect").html)
    browser.send("/signout")
    browser.sign_in(GONE)
    left.secrets |= cookie_of(browser)
    assert browser.http.get("/me/data.zip").status_code == 200
    browser.go("/me/delete")
    seen.append(browser.send("/me/delete", username=GONE).html)
    work(left.world, "retire_people")


def cookie_of(browser: HtmlBrowser) -> set[str]:
    """A browser's cookie, and the id of the session that is in it."""
    [cookie] = [one.value or "" for one in browser.http.cookies.jar]
    return {cookie, json.loads(base64.b64decode(cookie.partition(".")[0]))["id"]}


def turned_down(browser: HtmlBrowser, seen: list[str]) -> None:
    """A denied consent, a code that is used twice, a state that nobody began."""
    browser.begin()
    seen.append(browser.go(browser.consent("asha", decision="deny")).html)
    browser.begin()
    back = browser.consent("asha")
    seen += [browser.go(back).html, browser.go(back).html]
    seen.append(browser.go("/oauth/callback?code=made-up&state=made-up").html)


def work(made: World, *jobs: str) -> None:
    """Run jobs as the daemon does, in this process."""
    with project_instance() as instance:
        for job in jobs:
            made.definitions.resolve_job_def(job).execute_in_process(
                instance=instance, raise_on_error=False
            )


def lost(seen: list[str]) -> None:
    """The operator is to be told, and nobody takes the news."""
    with open_pipeline() as pipeline:
        assert [
            p.username for p in pipeline.accounts.people.all([PersonState.SIGN_IN_REQUIRED])
        ] == ["milo"]
        settings = load_settings()
        for ways in (settings, read_settings({**os.environ, "OURA_NOTIFY_EMAIL": ""})):
            with pytest.raises(NotificationFailed) as refused:
                send_pending(pipeline.accounts, ways)
            seen.append(f"{refused.value!r} {refused.value}")


def operate(left: Traces, browser: HtmlBrowser) -> None:
    """The operator's pages, the API, and an invite."""
    browser.go("/operator")
    left.pages.append(browser.send("/operator", token=OPERATOR).html)
    left.pages.append(browser.go("/status").html)
    bearer = {"authorization": f"Bearer {OPERATOR}"}
    for path in ("/api/people", "/api/people/runa/status", "/metrics", "/ready", "/api/people/no"):
        left.pages.append(browser.http.get(path, headers=bearer).text)
    connect = browser.http.post("/api/connect", headers=bearer, json={"username": "milo"})
    assert connect.json()["auth_url"].startswith("http")
    browser.send("/signout")


def test_secrets_are_in_no_log_page_or_record(traces: Traces) -> None:
    """After a whole life, nothing secret is to be read anywhere."""
    assert len(traces.secrets) > 20
    there_was_something_to_be_found(traces)
    assert found(traces.secrets, traces.log) == []
    assert found(traces.secrets, traces.said) == []
    assert [
        found(traces.secrets, page) for page in traces.pages if found(traces.secrets, page)
    ] == []
    kept = {
        str(path): hits
        for path, content in traces.files()
        if (hits := found(traces.secrets, content.decode("latin-1")))
    }
    # What people granted to be read of them is a document like any other.
    assert {path for path in kept if not path.endswith(".duckdb")} == set()
    assert all(hit.endswith("@example.org") for hits in kept.values() for hit in hits)
    assert traces.world.warehouse.query(
        f"SELECT count(*) FROM oura.{PERSONAL_INFO.table} WHERE email IS NOT NULL"
    ) == [(1,)]
    assert [str(path) for path, content in traces.files() if GONE.encode() in content] == []
    assert list(open_to_others(traces.world.home)) == []


def there_was_something_to_be_found(traces: Traces) -> None:
    """Runs, failed checks and their reasons stand in the records that are searched."""
    with project_instance() as instance:
        runs = instance.get_run_records(
            dg.RunsFilter(created_after=datetime(2026, 1, 1, tzinfo=UTC))
        )
    names = {record.dagster_run.job_name for record in runs}
    assert {"webhook_events", "renew_tokens", "maintain_subscriptions"} <= names
    searched = b"".join(content for path, content in traces.files() if path.parts[0] == "dagster")
    [milo] = traces.world.ids("milo")
    assert f"/status#{milo}): must sign in again".encode() in searched
    assert b"milo" not in searched
    assert "GET /oauth/callback" in traces.log


def found(secrets: set[str], text: str) -> list[str]:
    """Which of them stand in a text."""
    return sorted(secret for secret in secrets if secret in text)
