"""Signing in with Oura: who comes back, to which page, and how it ends."""

from __future__ import annotations

import base64
import hashlib
import logging
from datetime import UTC, date, datetime, timedelta

import pytest

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.settings import ALL_SCOPES
from oura_pipeline_tests.web.conftest import OPERATOR, OpenSite
from oura_pipeline_tests.web.pages.sign_ins import query


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


def test_without_a_public_address_people_come_back_to_where_the_site_listens(
    open_site: OpenSite,
) -> None:
    """Whatever its port: the first try on one's own machine needs no setting."""
    browser = open_site(oura_public_url="").browser()
    assert browser.join("runa").title == "runa: Connected · Oura pipeline"


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
    from oura_pipeline.accounts.consents import CONSENT_LASTS

    assert timedelta(minutes=10) == CONSENT_LASTS
