"""Signing in with Oura: everything that can happen between the button and one's own page."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from oura_pipeline.accounts.people import PersonState, SignIn
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.people import sign_in
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.settings import ALL_SCOPES
from oura_pipeline_tests.testing.http_server import QuietHandler, serving
from oura_pipeline_tests.web.conftest import OPERATOR, OpenSite, RunningSite
from oura_pipeline_tests.web.html_browser import Page

GONE = "This link was already used, is older than ten minutes, or was opened in another browser."


def query(address: str) -> dict[str, str]:
    """The fields of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def nobody(site: RunningSite) -> bool:
    """Whether nobody was added."""
    return site.accounts.people.all() == []


def test_somebody_new_consents_chooses_a_username_and_sees_their_page(open_site: OpenSite) -> None:
    """From the button to one's own page; Oura's id is theirs, and the tokens work."""
    site = open_site()
    browser = site.browser()
    assert browser.sign_in("runa").status == 200
    assert browser.path == "/welcome"
    page = browser.send("/welcome", username="runa_1")
    assert (page.status, browser.path) == (200, "/me")
    assert page.title == "runa_1: Connected · Oura pipeline"
    (person,) = site.accounts.people.all()
    ids = {held["username"]: held["id"] for held in site.sandbox.people()}
    assert (person.username, person.oura_id, person.state) == (
        "runa_1",
        ids["runa"],
        PersonState.CONNECTED,
    )
    assert person.scopes == frozenset(ALL_SCOPES.split())
    assert site.pipeline.client("runa_1").personal_info()


def test_the_authorization_request_is_complete_and_unique(open_site: OpenSite) -> None:
    """Exact redirect address, all scopes, a state and a PKCE challenge that nobody saw before."""
    site = open_site()
    browser = site.browser()
    first, second = query(browser.begin()), query(browser.begin())
    assert {name: first[name] for name in ("response_type", "client_id", "redirect_uri")} == {
        "response_type": "code",
        "client_id": "sandbox",
        "redirect_uri": f"{site.url}/oauth/callback",
    }
    assert (first["scope"], first["code_challenge_method"]) == (ALL_SCOPES, "S256")
    assert len(first["state"]) >= 43
    assert len(first["code_challenge"]) == 43
    assert first["state"] != second["state"]
    assert first["code_challenge"] != second["code_challenge"]


def test_the_challenge_is_made_of_the_verifier(open_site: OpenSite) -> None:
    """What was stored with the state is what Oura's answer is exchanged with."""
    site = open_site()
    asked = query(site.browser().begin())
    consent = site.accounts.consents.take(asked["state"])
    assert consent is not None
    digest = hashlib.sha256(consent.verifier.encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_who_was_here_before_keeps_their_username(open_site: OpenSite) -> None:
    """The same Oura account is the same person, from whichever browser."""
    site = open_site()
    site.browser().join("runa", "first_name")
    other = site.browser()
    assert other.sign_in("runa").title == "first_name: Connected · Oura pipeline"
    assert [person.username for person in site.accounts.people.all()] == ["first_name"]


def test_who_disconnected_is_back_by_signing_in(open_site: OpenSite) -> None:
    """And keeps their username."""
    site = open_site()
    browser = site.browser()
    browser.join("koa")
    site.accounts.removal.disconnect("koa")
    assert browser.sign_in("koa").title == "koa: Connected · Oura pipeline"
    assert site.accounts.people.get("koa").state is PersonState.CONNECTED


def test_what_was_not_granted_is_asked_for_again_once_it_is(open_site: OpenSite) -> None:
    """The ledger forgets that it was not; what is still not granted it remembers."""
    site = open_site()
    browser = site.browser()
    browser.sign_in("koa", ["daily"])
    browser.send("/welcome", username="koa")
    refused = [
        Fetch(
            username="koa",
            document_type=name,
            day=date(2026, 1, 1),
            status=FetchStatus.NOT_GRANTED,
            error="the scope is not granted",
            run_id="run",
            at=datetime(2026, 1, 2, tzinfo=UTC),
        )
        for name in ("heartrate", "workout")
    ]
    site.accounts.fetches.record(refused)
    browser.send("/signin")
    browser.go(browser.consent("koa", ["daily", "heartrate"]))
    left = site.accounts.fetches.find(usernames=["koa"])
    assert [fetch.document_type for fetch in left] == ["workout"]


def test_somebody_imported_by_username_gets_their_identity(open_site: OpenSite) -> None:
    """A sign-in that the operator began for a username without an Oura id is that person's."""
    site = open_site()
    site.accounts.people.add("milo", SignIn(refresh_token="from another program"))
    address = sign_in.begin(site.pipeline, browser=None, username="milo")
    browser = site.browser()
    browser.sent_to = address
    assert browser.go(browser.consent("milo")).title == "milo: Connected · Oura pipeline"
    ids = {held["username"]: held["id"] for held in site.sandbox.people()}
    assert site.accounts.people.get("milo").oura_id == ids["milo"]


def test_a_username_with_another_identity_is_not_given_away(open_site: OpenSite) -> None:
    """Whoever is somebody else at Oura chooses a username of their own."""
    site = open_site()
    site.browser().join("runa")
    browser = site.browser()
    browser.sent_to = sign_in.begin(site.pipeline, browser=None, username="runa")
    assert browser.go(browser.consent("koa")).title == "Choose a username · Oura pipeline"


def test_without_a_public_address_people_come_back_to_where_the_site_listens(
    open_site: OpenSite,
) -> None:
    """Whatever its port: the first try on one's own machine needs no setting."""
    browser = open_site(oura_public_url="").browser()
    assert browser.join("runa").title == "runa: Connected · Oura pipeline"


def test_people_sent_by_the_operator_need_no_invite(open_site: OpenSite) -> None:
    """A sign-in begun by the API may end in any browser, and brings its own invite and name."""
    site = open_site(oura_signup="invite")
    browser = site.browser()
    browser.sent_to = sign_in.begin(site.pipeline, browser=None, username="newcomer")
    assert browser.go(browser.consent("asha")).title == "newcomer: Connected · Oura pipeline"


@pytest.mark.parametrize("state", ["", "invented", "../../etc"])
def test_an_unknown_state_is_refused(open_site: OpenSite, state: str) -> None:
    """Nothing is asked of Oura for a state that was never given out."""
    site = open_site()
    site.sandbox.reset_requests()
    page = site.browser().go(f"/oauth/callback?code=abc&state={state}")
    assert (page.status, page.title) == (400, "This link has expired · Oura pipeline")
    assert GONE in page.text
    assert page.form("/signin")
    assert "token" not in site.sandbox.requests()


def test_a_state_works_once(open_site: OpenSite) -> None:
    """The back button after a sign-in says so, and leaves whoever is signed in where they are."""
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    browser.begin()
    back = browser.consent("runa")
    browser.go(back)
    again = browser.go(back)
    assert again.status == 400
    assert GONE in again.text
    assert "/me" in again.links
    assert browser.go("/me").title == "runa: Connected · Oura pipeline"


def test_an_old_state_is_refused(open_site: OpenSite) -> None:
    """Ten minutes, and not a second more."""
    site = open_site()
    browser = site.browser()
    browser.begin()
    back = browser.consent("runa")
    with site.accounts._database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE consents SET begun_at = datetime(begun_at, '-11 minutes')"
        )
    assert browser.go(back).status == 400
    assert nobody(site)


def test_another_browser_cannot_finish_what_this_one_began(open_site: OpenSite) -> None:
    """It gets nothing, and the link is used up for this one, too."""
    site = open_site()
    browser, thief = site.browser(), site.browser()
    browser.begin()
    back = browser.consent("runa")
    thief.begin()
    assert thief.go(back).status == 400
    assert thief.go("/welcome").title == "Sign in with Oura · Oura pipeline"
    assert browser.go(back).status == 400
    assert nobody(site)


def test_a_stranger_without_a_cookie_cannot_finish_either(open_site: OpenSite) -> None:
    """A browser that never began anything has no id that fits."""
    site = open_site()
    browser = site.browser()
    browser.begin()
    assert site.browser().go(browser.consent("runa")).status == 400
    assert nobody(site)


def test_declining_is_not_an_error(open_site: OpenSite) -> None:
    """A friendly page, and nothing is kept."""
    site = open_site()
    browser = site.browser()
    browser.begin()
    page = browser.go(browser.consent("runa", decision="deny"))
    assert (page.status, page.title) == (200, "Sign-in cancelled · Oura pipeline")
    assert nobody(site)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Access denied.",
        "The user denied the request",
        "The resource owner or authorization server denied the request.",
        "User has cancelled the sign-in",
        "Rejected by the user",
    ],
)
def test_saying_no_is_not_an_error_however_it_is_said(open_site: OpenSite, said: str) -> None:
    page = _back_with(open_site(), error="access_denied", error_description=said)
    assert (page.status, page.title) == (200, "Sign-in cancelled · Oura pipeline")


@pytest.mark.parametrize(
    ("error", "said", "title", "status"),
    [
        ("invalid_scope", "Unknown scope spo2Daily", "Oura refused the sign-in", 400),
        ("invalid_request", "", "Oura refused the sign-in", 400),
        (
            "access_denied",
            "It is limited to 10 users",
            "Oura refused the sign-in",
            400,
        ),
        ("access_denied", "user limit reached, access denied", "Oura refused the sign-in", 400),
        ("ACCESS_DENIED", "", "Oura refused the sign-in", 400),
        ("server_error", "Try later", "Oura is unavailable", 503),
        ("temporarily_unavailable", "", "Oura is unavailable", 503),
    ],
)
def test_what_oura_says_went_wrong_is_shown_and_logged(
    open_site: OpenSite,
    caplog: pytest.LogCaptureFixture,
    *,
    error: str,
    said: str,
    title: str,
    status: int,
) -> None:
    site = open_site()
    page = _back_with(site, error=error, error_description=said)
    words = f"{error}: {said}" if said else error
    assert (page.status, page.title) == (status, f"{title} · Oura pipeline")
    assert f"“{words}”" in page.text
    assert f"Oura sent somebody back with an error: {words}" in caplog.messages
    assert nobody(site)


def test_what_anybody_may_have_written_is_shown_and_logged_as_one_short_text(
    open_site: OpenSite, caplog: pytest.LogCaptureFixture
) -> None:
    """No markup, no second line in the log, no terminal codes, no end without an end."""
    words = "<script>alert(1)</script>\r\nroot logged in\x1b[31m\u202e\u2028 " + "x" * 5000
    page = _back_with(open_site(), error=words, error_description=words)
    assert page.status == 400
    assert "<script>" not in page.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; root logged in [31m x" in page.html
    assert page.html.count("x" * 50) < 10
    [line] = [line for line in caplog.messages if line.startswith("Oura sent somebody back")]
    assert line.isprintable()
    assert len(line) < 450


def test_an_error_for_a_sign_in_that_nobody_began_is_not_shown(
    open_site: OpenSite, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody can make such a link."""
    page = open_site().browser().go("/oauth/callback?error=x&error_description=call+0900-555")
    assert page.status == 400
    assert "0900" not in page.html
    assert "Oura sent somebody back with an error: x: call 0900-555" in caplog.messages


def _back_with(site: RunningSite, **fields: str) -> Page:
    browser = site.browser()
    state = query(browser.begin())["state"]
    return browser.go(f"/oauth/callback?{urlencode(fields)}&state={state}")


def test_a_callback_without_a_code_is_refused(open_site: OpenSite) -> None:
    """Neither an error nor a code: nothing to go on with."""
    browser = open_site().browser()
    page = browser.go(f"/oauth/callback?state={query(browser.begin())['state']}")
    assert (page.status, page.title) == (400, "Oura refused the sign-in · Oura pipeline")


def test_a_code_that_oura_does_not_take_back_is_refused(open_site: OpenSite) -> None:
    """A replayed code with a fresh state."""
    site = open_site()
    browser = site.browser()
    browser.begin()
    used = query(browser.consent("runa"))["code"]
    browser.go(f"/oauth/callback?code={used}&state={query(browser.sent_to)['state']}")
    state = query(browser.begin())["state"]
    page = browser.go(f"/oauth/callback?code={used}&state={state}")
    assert (page.status, page.title) == (400, "Oura refused the sign-in · Oura pipeline")
    assert nobody(site)


@pytest.mark.parametrize(
    ("kind", "route"),
    [("error", "token"), ("rate_limited", "token"), ("rate_limited", "personal_info")],
)
def test_an_unavailable_oura_is_reported(open_site: OpenSite, kind: str, route: str) -> None:
    """At either of the two questions; nobody waits for a long pause, and nothing is kept."""
    site = open_site()
    browser = site.browser()
    browser.begin()
    back = browser.consent("runa")
    site.sandbox.fault(kind, route=route, status=503, seconds=120, count=None)
    page = browser.go(back)
    assert (page.status, page.title) == (503, "Oura is unavailable · Oura pipeline")
    assert page.form("/signin")
    assert nobody(site)


def test_an_answer_without_an_identity_is_an_error(open_site: OpenSite) -> None:
    """Who somebody is must be known before anything is kept."""
    site = open_site()
    browser = site.browser()
    browser.begin()
    back = browser.consent("runa")
    site.sandbox.fault("truncated", route="personal_info", count=None)
    page = browser.go(back)
    assert (page.status, page.title) == (502, "Oura did not identify you · Oura pipeline")
    assert nobody(site)


@pytest.mark.parametrize("said", ["", "a\0", "x" * 257])
def test_an_id_that_no_database_could_store_is_refused(open_site: OpenSite, said: str) -> None:
    """Nor is one that would be refused in every event."""
    with saying({"id": said}) as url:
        site = open_site(oura_api_url=url)
        browser = site.browser()
        page = browser.sign_in("runa")
    assert (page.status, page.title) == (502, "Oura did not identify you · Oura pipeline")
    assert nobody(site)


@contextmanager
def saying(body: dict[str, str], status: int = 200) -> Iterator[str]:
    """An Oura whose every document is this one."""
    text = json.dumps(body).encode()

    class Said(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    with serving(Said) as url:
        yield url


def test_fewer_scopes_than_asked_are_accepted(open_site: OpenSite) -> None:
    """What is missing is said on their page, by what is not fetched for it."""
    site = open_site()
    browser = site.browser()
    browser.sign_in("runa", ["personal", "daily"])
    page = browser.send("/welcome", username="runa")
    assert site.accounts.people.get("runa").scopes == frozenset({"personal", "daily"})
    missing = page.text_of("missing")
    assert "Heart rate" in missing
    assert "workout" in missing
    assert "daily sleep" not in missing
    assert "not granted You did not allow this at Oura." in page.text_of("type-heartrate")


def test_unknown_scopes_are_not_no_scopes(open_site: OpenSite) -> None:
    """Neither the tokens nor the callback say: then it is not known."""
    site = open_site()
    site.sandbox.change_options(callback_scope=False, token_scope=False)
    try:
        browser = site.browser()
        browser.sign_in("runa")
        page = browser.send("/welcome", username="runa")
    finally:
        site.sandbox.change_options(callback_scope=True, token_scope=True)
    assert site.accounts.people.get("runa").scopes is None
    assert "unknown" in page.text


def test_an_empty_grant_is_said_and_asked_for_again_once(open_site: OpenSite) -> None:
    """Oura's page was confirmed before it had loaded; Oura does not ask again by itself."""
    site = open_site()
    site.sandbox.change_options(callback_scope=False)
    try:
        browser = site.browser()
        page = browser.sign_in("runa", [])
        assert (page.status, page.title) == (400, "You allowed nothing at Oura · Oura pipeline")
        assert "prompt" not in query(browser.sent_to)
        assert nobody(site)
        browser.sent_to = _ask_again(page)
        assert query(browser.sent_to)["prompt"] == "consent"
        assert browser.go(browser.consent("runa")).status == 200
        assert browser.path == "/welcome"
        again = site.browser()
        again.sent_to = _ask_again(again.sign_in("koa", []))
        last = again.go(again.consent("koa", []))
        assert (last.status, last.title) == (400, "You allowed nothing at Oura · Oura pipeline")
        assert "ask-again" not in last.ids
        assert "Remove this application in your Oura account" in last.text
    finally:
        site.sandbox.change_options(callback_scope=True)


def _ask_again(page: Page) -> str:
    return str(page.ids["ask-again"]["href"])


def test_an_empty_grant_takes_nothing_from_who_is_connected(open_site: OpenSite) -> None:
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    before = site.accounts.people.get("runa")
    browser.send("/signout")
    assert browser.sign_in("runa", []).title == "You allowed nothing at Oura · Oura pipeline"
    assert site.accounts.people.get("runa") == before
    assert site.pipeline.client("runa").personal_info()


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_everything_has_an_empty_grant(
    open_site: OpenSite, status: int
) -> None:
    """Where neither the tokens nor the callback say what was granted."""
    site = open_site()
    site.sandbox.change_options(callback_scope=False, token_scope=False)
    site.sandbox.fault("error", route="personal_info", status=status, count=1)
    try:
        browser = site.browser()
        page = browser.sign_in("runa")
        assert page.title == "You allowed nothing at Oura · Oura pipeline"
        assert query(_ask_again(page))["prompt"] == "consent"
    finally:
        site.sandbox.change_options(callback_scope=True, token_scope=True)


def test_everything_works_at_the_new_portal_alone(open_site: OpenSite, oura: Sandbox) -> None:
    """Its page, its spelling of scopes, its tokens, and its way of giving them back."""
    oura.change_options(portal="new")
    oura.reset_requests()
    try:
        authorize_url = f"{oura.url}/oauth/v2/ext/oauth-authorize"
        site = open_site(oura_public_url="", oura_authorize_url=authorize_url)
        browser = site.browser()
        assert browser.join("runa").title == "runa: Connected · Oura pipeline"
        runa = site.accounts.people.get("runa")
        assert runa.scopes == frozenset(ALL_SCOPES.split())
        assert runa.token_url == f"{oura.url}/oauth/v2/ext/oauth-token"
        browser.send("/me/disconnect")
        assert "access to your Oura account has been revoked" in browser.page.text
        assert site.accounts.removal.unrevoked() == []
    finally:
        oura.change_options(portal="both")
    assert oura.requests()["revoke"] == {"runa": 2}  # both tokens


def test_a_lapsed_membership_is_no_empty_grant(open_site: OpenSite) -> None:
    """Asking again would not help, and nobody is told that they allowed nothing."""
    with saying({"detail": "expired_oura_membership"}, status=401) as url:
        site = open_site(oura_api_url=url)
        site.sandbox.change_options(callback_scope=False, token_scope=False)
        try:
            page = site.browser().sign_in("runa")
        finally:
            site.sandbox.change_options(callback_scope=True, token_scope=True)
    assert (page.status, page.title) == (502, "Oura did not identify you · Oura pipeline")
    assert "as it does without a membership" in page.text
    assert nobody(site)


def test_who_is_to_allow_more_is_asked_by_oura(open_site: OpenSite) -> None:
    """Otherwise it would give its old answer again in silence."""
    browser = open_site().browser()
    browser.sign_in("runa", ["daily"])
    browser.send("/welcome", username="runa")
    browser.send("/signin")
    assert query(browser.sent_to)["prompt"] == "consent"


def test_scopes_are_asked_for_in_the_spelling_of_oura_s_page(open_site: OpenSite) -> None:
    """And shown without a prefix, however the settings spell them."""
    site = open_site(
        oura_authorize_url="https://moi.ouraring.com/oauth/v2/ext/oauth-authorize",
        oura_scopes="daily extapi:spo2",
    )
    browser = site.browser()
    assert query(browser.begin())["scope"] == "extapi:daily extapi:spo2"
    browser.go("/")
    assert {"scope-daily", "scope-spo2"} <= set(browser.page.ids)


def test_whose_data_is_being_deleted_must_wait(open_site: OpenSite) -> None:
    """Signing in does not bring back who has left, and the fresh access is given back."""
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    site.accounts.removal.retire("runa")
    site.sandbox.reset_requests()
    page = browser.sign_in("runa")
    assert (page.status, page.title) == (409, "Your data is being deleted · Oura pipeline")
    assert site.accounts.people.get("runa").state is PersonState.RETIRED
    assert site.sandbox.requests()["revoke"] == {"runa": 1}


def test_a_closed_site_admits_nobody_new(open_site: OpenSite) -> None:
    """Who is here still can, and what Oura gave to somebody new is given back at once."""
    site = open_site(oura_signup="closed")
    site.accounts.people.add("koa", SignIn(refresh_token="x", oura_id=identity(site, "koa")))
    site.sandbox.reset_requests()
    browser = site.browser()
    assert "Sign-up is closed at the moment." in browser.go("/").text
    page = browser.sign_in("runa")
    assert (page.status, page.title) == (403, "You cannot join at the moment · Oura pipeline")
    assert site.sandbox.requests()["revoke"] == {"runa": 1}
    assert site.browser().sign_in("koa").title == "koa: Connected · Oura pipeline"


def identity(site: RunningSite, name: str) -> str:
    """Oura's id of somebody."""
    return next(held["id"] for held in site.sandbox.people() if held["username"] == name)


def test_an_invite_lets_one_person_in(open_site: OpenSite) -> None:
    """Without one nobody new comes in, and the second one with it does not either."""
    site = open_site(oura_signup="invite")
    code = site.accounts.invites.create()
    assert site.browser().sign_in("runa").status == 403
    assert site.browser().join("runa", invite=code).title == "runa: Connected · Oura pipeline"
    second = site.browser()
    second.go("/")
    page = second.send("/signin", invite=code)
    assert (page.status, page.title) == (422, "Invite not accepted · Oura pipeline")
    assert page.ids["invite"]["aria-invalid"] == "true"
    assert page.ids["invite"]["value"] == code
    assert [person.username for person in site.accounts.people.all()] == ["runa"]


def test_an_invite_that_somebody_else_used_meanwhile_is_refused_at_the_end(
    open_site: OpenSite,
) -> None:
    """Two people with one code: the first username wins."""
    site = open_site(oura_signup="invite")
    code = site.accounts.invites.create()
    first, second = site.browser(), site.browser()
    first.sign_in("runa", invite=code)
    second.sign_in("koa", invite=code)
    assert first.send("/welcome", username="runa").status == 200
    page = second.send("/welcome", username="koa")
    assert page.status == 422
    assert "This invite was used or has expired" in page.text


def test_the_link_of_an_invite_fills_the_code_in(open_site: OpenSite) -> None:
    """So that nobody has to type it."""
    site = open_site(oura_signup="invite")
    page = site.browser().go("/?invite=abcde-fghij-kmnop")
    assert page.ids["invite"]["value"] == "abcde-fghij-kmnop"


def test_a_full_site_admits_nobody_new(open_site: OpenSite) -> None:
    """Eight of ten are worth mentioning; ten of ten let nobody new in."""
    site = open_site(oura_people_limit=5)
    for number in range(4):
        site.accounts.people.add(f"person{number}", SignIn(refresh_token="x", oura_id=str(number)))
    browser = site.browser()
    assert "4 of 5 places that Oura allows this site are taken." in browser.go("/").text
    browser.join("runa")
    assert (
        "Oura allows this site 5 people, and all places are taken." in site.browser().go("/").text
    )
    page = site.browser().sign_in("koa")
    assert (page.status, page.title) == (403, "You cannot join at the moment · Oura pipeline")


def test_who_left_does_not_count(open_site: OpenSite) -> None:
    """Only the people that Oura counts are counted."""
    site = open_site(oura_people_limit=1)
    site.accounts.people.add("gone", SignIn(refresh_token="x", oura_id="1"))
    site.accounts.removal.retire("gone")
    assert site.browser().join("runa").title == "runa: Connected · Oura pipeline"


def test_a_bad_username_comes_back_with_the_reason(open_site: OpenSite) -> None:
    """The value is kept, the field is marked, and the sign-up goes on."""
    browser = open_site().browser()
    browser.sign_in("runa")
    for username in ("", "ab", "Runa", "1runa", "ru na", "ru.na", "runa*", 'ru"><b>', "x" * 33):
        page = browser.send("/welcome", username=username)
        assert (page.status, page.title) == (422, "Username not accepted · Oura pipeline")
        assert page.ids["username"]["aria-invalid"] == "true"
        assert page.ids["username"]["value"] == username
        assert "3 to 32 characters" in page.text_of("username-error")
    assert browser.send("/welcome", username="runa").title == "runa: Connected · Oura pipeline"


def test_a_taken_username_comes_back_with_the_reason(open_site: OpenSite) -> None:
    """And tells nothing about whose it is."""
    site = open_site()
    site.browser().join("koa", "taken")
    browser = site.browser()
    browser.sign_in("runa")
    page = browser.send("/welcome", username="taken")
    assert page.status == 422
    assert page.text_of("username-error") == "✕ The username taken is taken; choose another one."


def test_a_form_sent_twice_does_no_harm(open_site: OpenSite) -> None:
    """The second one says that the sign-up is done; the page is theirs."""
    site = open_site()
    browser = site.browser()
    browser.sign_in("runa")
    old = dict(browser.http.cookies)
    form = dict(browser.page.form("/welcome").fields) | {"username": "runa"}
    browser.send("/welcome", username="runa")
    second = httpx.post(f"{site.url}/welcome", data=form, cookies=old, trust_env=False)
    assert second.status_code == 400
    assert "if you chose a username, you still have it" in second.text
    assert "set-cookie" not in second.headers
    assert browser.go("/me").title == "runa: Connected · Oura pipeline"


def test_welcome_needs_a_sign_in(open_site: OpenSite) -> None:
    """Nobody waits there."""
    browser = open_site().browser()
    browser.go("/welcome")
    assert browser.path == "/"
    assert browser.go("/signin").response.url.path == "/"


@pytest.mark.parametrize("username", ["runa", None])
def test_a_sign_in_gives_the_browser_a_new_session(
    open_site: OpenSite, username: str | None
) -> None:
    """Whatever the browser was before it is no more, for who is known and for who is new."""
    site = open_site()
    if username:
        site.browser().join("runa", username)
    browser = site.browser()
    browser.go("/operator")
    before = dict(browser.page.form("/operator").fields)["csrf"]
    browser.send("/operator", token=OPERATOR)
    page = browser.sign_in("runa")
    forms = {dict(form.fields).get("csrf") for form in page.forms}
    assert forms
    assert before not in forms
    browser.go("/status")
    assert browser.path == "/operator"


def test_signing_out_ends_the_session(open_site: OpenSite) -> None:
    """The page is not theirs any more."""
    browser = open_site().browser()
    browser.join("runa")
    browser.send("/signout")
    browser.go("/me")
    assert browser.path == "/"


def test_a_missing_client_id_is_reported(open_site: OpenSite) -> None:
    """Before anybody is sent to Oura with nothing."""
    browser = open_site(oura_client_id="").browser()
    browser.go("/")
    page = browser.send("/signin")
    assert (page.status, page.title) == (503, "This site is not set up correctly · Oura pipeline")


def test_no_secret_is_logged(open_site: OpenSite, caplog: pytest.LogCaptureFixture) -> None:
    """Neither code nor state nor token stands in the log; the paths of the requests do."""
    caplog.set_level(logging.INFO)
    site = open_site()
    browser = site.browser()
    browser.begin()
    back = browser.consent("runa")
    browser.go(back)
    said = query(back)
    assert said["code"] not in caplog.text
    assert said["state"] not in caplog.text
    assert "GET /oauth/callback 303" in caplog.text


def test_a_consent_lasts_ten_minutes_in_all_words() -> None:
    """The page and the accounts agree."""
    from oura_pipeline.accounts.sign_ups import CONSENT_LASTS

    assert timedelta(minutes=10) == CONSENT_LASTS
