"""What somebody allowed at Oura: less than all, nothing, or nobody knows."""

from __future__ import annotations

import pytest

from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.settings import ALL_SCOPES
from oura_pipeline_tests.web.conftest import OpenSite
from oura_pipeline_tests.web.html_browser import Page
from oura_pipeline_tests.web.pages.sign_ins import nobody, query, saying


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
