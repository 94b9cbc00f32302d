"""Sessions that end, for a copy of the cookie as well, and what asks for a fresh sign-in."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import cast

import httpx
import pytest
from click.testing import CliRunner
from starlette.requests import Request

from oura_pipeline.accounts.people import PersonState, SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.commands.group import cli
from oura_pipeline.oura.http import tls
from oura_pipeline.people.leave import disconnect, leave
from oura_pipeline.web import sessions
from oura_pipeline.web.server import running_site
from oura_pipeline.web.sessions import COOKIE
from oura_pipeline_tests.accounts.homes import opened
from oura_pipeline_tests.accounts.times import age
from oura_pipeline_tests.testing.settings import settings_with
from oura_pipeline_tests.web.conftest import OPERATOR, OpenSite, RunningSite
from oura_pipeline_tests.web.html_browser import HtmlBrowser


def copy_of(site: RunningSite, browser: HtmlBrowser) -> HtmlBrowser:
    """Another browser with the same cookie."""
    thief = site.browser()
    thief.http.cookies.update(browser.http.cookies)
    return thief


def sign_out(_: RunningSite, browser: HtmlBrowser) -> None:
    browser.send("/signout")


def sign_out_everywhere(_: RunningSite, browser: HtmlBrowser) -> None:
    browser.send("/signout/everywhere")


def sign_out_everywhere_elsewhere(site: RunningSite, _: HtmlBrowser) -> None:
    other = site.browser()
    other.sign_in("runa")
    other.send("/signout/everywhere")


def press_disconnect(_: RunningSite, browser: HtmlBrowser) -> None:
    browser.send("/me/disconnect")
    assert (browser.path, browser.page.status) == ("/me", 200)  # their own browser is still theirs


def disconnected_on_the_command_line(site: RunningSite, _: HtmlBrowser) -> None:
    disconnect(site.pipeline, "runa")


def left_on_the_command_line(site: RunningSite, _: HtmlBrowser) -> None:
    leave(site.pipeline, "runa")


def signed_out_on_the_command_line(site: RunningSite, _: HtmlBrowser) -> None:
    result = CliRunner().invoke(cli, ["people", "sign-out", "runa"])
    assert result.output == "Ended 1 session of runa.\n"


def everybody_signed_out(site: RunningSite, _: HtmlBrowser) -> None:
    result = CliRunner().invoke(cli, ["people", "sign-out", "--everybody"])
    assert result.output == "Ended 1 session of everybody and the operator.\n"


def signed_out_on_the_status_page(site: RunningSite, _: HtmlBrowser) -> None:
    operator = operator_of(site)
    operator.send("/status/signout", username="runa")
    assert operator.path == "/status"


def operator_of(site: RunningSite) -> HtmlBrowser:
    operator = site.browser()
    operator.go("/operator")
    operator.send("/operator", token=OPERATOR)
    return operator


def kept(browser: HtmlBrowser) -> dict[str, str]:
    """What a browser's cookie holds."""
    cookie = browser.http.cookies.get(COOKIE, "")
    kept: dict[str, str] = json.loads(base64.b64decode(cookie.partition(".")[0]) or "{}")
    return kept


def test_a_browser_that_signs_out_keeps_nothing(open_site: OpenSite) -> None:
    """Nor does the next one to sign in there find what forms knew before."""
    browser = open_site().browser()
    browser.join("runa")
    before = kept(browser)
    assert {"id", "csrf"} <= before.keys()
    browser.send("/signout")
    assert before.items() & kept(browser).items() == set()


@pytest.mark.parametrize(
    "end",
    [
        sign_out,
        sign_out_everywhere,
        sign_out_everywhere_elsewhere,
        press_disconnect,
        disconnected_on_the_command_line,
        left_on_the_command_line,
        signed_out_on_the_command_line,
        everybody_signed_out,
        signed_out_on_the_status_page,
    ],
)
def test_a_copied_cookie_ends_with_its_session(
    open_site: OpenSite,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[RunningSite, HtmlBrowser], None],
) -> None:
    """It opens nothing and deletes nothing, though it knows the token of every form."""
    site = open_site()
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(site.settings.storage.home))
    browser = site.browser()
    browser.join("runa")
    thief = copy_of(site, browser)
    csrf = dict(thief.go("/me/delete").form("/me/delete").fields)["csrf"]
    end(site, browser)
    after = site.accounts.people.get("runa").state
    answers = {
        address: thief.http.get(address).headers.get("location")
        for address in ("/me", "/me/data.zip", "/me/delete")
    }
    assert answers == dict.fromkeys(("/me", "/me/data.zip", "/me/delete"), "/")
    sent = thief.http.post("/me/delete", data={"csrf": csrf, "username": "runa"})
    assert sent.status_code in (303, 403)
    assert site.accounts.people.get("runa").state is after


def test_signing_in_ends_the_session_that_this_browser_had(open_site: OpenSite) -> None:
    """Reconnecting is a sign-in, too; other browsers of theirs stay signed in."""
    site = open_site()
    browser, phone = site.browser(), site.browser()
    browser.join("runa")
    phone.sign_in("runa")
    thief = copy_of(site, browser)
    browser.go("/me")
    csrf = dict(browser.page.form("/signout").fields)["csrf"]
    begun = browser.http.post("/signin", data={"csrf": csrf})
    browser.sent_to = begun.headers["location"]
    browser.go(browser.consent("runa"))
    phone.go("/me")
    assert (browser.path, phone.path) == ("/me", "/me")
    assert thief.http.get("/me").headers.get("location") == "/"


def test_who_just_signed_in_can_sign_out_from_an_error_page(open_site: OpenSite) -> None:
    """The first page that they see may be one that saves no session."""
    browser = open_site().browser()
    browser.join("runa")
    browser.send("/signout")
    browser.begin()
    assert browser.http.get(browser.consent("runa")).headers["location"] == "/me"
    browser.go("/nothing-here")
    browser.send("/signout")
    assert (browser.path, browser.page.status) == ("/", 200)


def test_signing_in_as_the_operator_ends_it_as_well(open_site: OpenSite) -> None:
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    thief = copy_of(site, browser)
    browser.go("/operator")
    browser.send("/operator", token=OPERATOR)
    assert (browser.path, thief.http.get("/me").headers.get("location")) == ("/status", "/")


@pytest.mark.parametrize(
    ("address", "then"), [("/me/delete", "/me/delete"), ("/me/data.zip", "/me")]
)
def test_deleting_and_downloading_ask_for_a_recent_sign_in(
    open_site: OpenSite, address: str, then: str
) -> None:
    """Eleven minutes are too long; after signing in once more the person is where they were."""
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    csrf = dict(browser.go("/me/delete").form("/me/delete").fields)["csrf"]
    age(site.settings.storage.home, "sessions", "signed_in_at", timedelta(minutes=11))
    assert browser.go(address).status == 403
    sent = browser.http.post("/me/delete", data={"csrf": csrf, "username": "runa"})
    assert (sent.status_code, site.accounts.people.get("runa").state) == (403, "connected")
    browser.go("/me")
    browser.send("/me/disconnect")  # no sign-in: the new session is as old as the last one
    assert browser.go(address).status == 403
    browser.send("/signin")
    browser.go(browser.consent("runa"))
    assert browser.path == then
    assert browser.go(address).status == 200


@pytest.mark.parametrize(("ahead", "status"), [(timedelta(seconds=3), 200), (timedelta(1), 403)])
def test_a_clock_that_was_set_back_makes_no_sign_in_recent(
    open_site: OpenSite, ahead: timedelta, status: int
) -> None:
    """A correction of some seconds asks nobody to sign in once more."""
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    age(site.settings.storage.home, "sessions", "signed_in_at", -ahead)
    assert browser.go("/me/delete").status == status


def test_ending_all_sessions_ends_that_of_who_is_disconnecting(open_site: OpenSite) -> None:
    """Oura may take its time to revoke a consent; a thief would be back in after that."""
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    browser.go("/me")
    site.sandbox.fault("slow", route="revoke", seconds=3.0)
    thread = Thread(target=browser.send, args=("/me/disconnect",))
    thread.start()
    while site.accounts.people.get("runa").state is PersonState.CONNECTED:
        thread.join(0.01)
    thread.join(0.5)
    assert thread.is_alive()
    site.accounts.sessions.end_all_of("runa")
    thread.join()
    assert browser.go("/me").response.url.path == "/"


def test_a_cookie_has_no_room_for_what_a_form_says(open_site: OpenSite) -> None:
    site = open_site()
    browser = site.browser()
    browser.go("/")
    browser.send("/signin", then="x" * 4000)
    assert max(len(one.value or "") for one in browser.http.cookies.jar) < 1000


def test_a_session_ends_by_itself_and_leaves_no_row(open_site: OpenSite) -> None:
    site = open_site()
    home = site.settings.storage.home
    browser, operator = site.browser(), operator_of(site)
    browser.join("runa")
    age(home, "sessions", "ends_at", timedelta(hours=12))
    assert operator.go("/status").response.url.path == "/operator"
    assert browser.go("/me").response.url.path == "/me"
    age(home, "sessions", "ends_at", timedelta(days=30))
    assert browser.go("/me").response.url.path == "/"
    browser.sign_in("runa")
    assert rows(home) == 1


def test_strangers_fill_no_table(open_site: OpenSite) -> None:
    site = open_site()
    for _ in range(3):
        site.browser().begin()
    assert rows(site.settings.storage.home) == 0


def test_within_one_request_whoever_was_signed_in_is_not_any_more(tmp_path: Path) -> None:
    """As soon as somebody else comes, or somebody new begins, or they leave."""
    settings = settings_with(oura_pipeline_home=tmp_path / "data", oura_operator_token="new")
    with opened(tmp_path / "data") as accounts:
        ada, bob = (accounts.people.add(name, SignIn(refresh_token="r")) for name in ("ada", "bob"))
        request = Request({"type": "http", "headers": [], "session": {}, "state": {}})
        for person in (ada, bob):
            sessions.sign_in(request, accounts, person)
            assert sessions.signed_in(request, accounts) == person
        bobs = request.session["id"]
        sessions.begin_sign_up(request, accounts, "key", "cyd")
        assert sessions.signed_in(request, accounts) is None
        assert request.session == {"sign_up": "key", "sent_as": "cyd"}
        assert accounts.sessions.get(bobs) is None
        sessions.sign_in(request, accounts, ada)
        adas = request.session["id"]
        sessions.make_operator(request, accounts, settings, "key")
        assert sessions.signed_in(request, accounts) is None
        assert accounts.sessions.get(adas) is None
        assert sessions.is_operator(request, accounts, settings, "key")
        assert not sessions.is_operator(request, accounts, settings, "another key")
        sessions.sign_in(request, accounts, ada)
        assert not sessions.is_operator(request, accounts, settings, "key")
        accounts.removal.retire("ada")
        late = {"id": accounts.sessions.begin(timedelta(1), username="ada")}
        request = Request({"type": "http", "headers": [], "session": late, "state": {}})
        assert sessions.signed_in(request, accounts) is None


def test_nobody_is_looked_up_where_the_accounts_are_broken() -> None:
    """The page that says so may not ask them."""
    request = Request({"type": "http", "headers": [], "session": {"id": "x"}})
    sessions.look_up_no_more(request)
    assert sessions.current(request, cast(Accounts, None)) is None


def test_no_cookie_is_kept_that_opens_anything(open_site: OpenSite) -> None:
    """Who reads the database cannot sign in with it."""
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    stored = (site.settings.storage.home / "accounts.sqlite").read_bytes()
    stored += (site.settings.storage.home / "accounts.sqlite-wal").read_bytes()
    session_id = site.accounts.sessions.begin(timedelta(days=1), username="runa")
    assert session_id.encode() not in stored
    found = site.accounts.sessions.get(session_id)
    assert found is not None
    assert datetime.now(UTC) - found.signed_in_at < timedelta(minutes=1)


def test_with_https_the_cookie_is_for_this_host_only(tmp_path: Path) -> None:
    settings = settings_with(
        oura_pipeline_home=tmp_path / "data", oura_public_url="https://ring.example"
    )
    with running_site(settings) as url:
        cookie = httpx.get(url, headers={"Host": "ring.example"}, verify=tls()).headers[
            "set-cookie"
        ]
    name, _, rest = cookie.partition("=")
    assert name == "__Host-oura_pipeline"
    flags = {part.strip() for part in rest.lower().split(";")[1:]}
    assert flags == {"path=/", "max-age=2592000", "httponly", "samesite=lax", "secure"}


def rows(home: Path) -> int:
    with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])
