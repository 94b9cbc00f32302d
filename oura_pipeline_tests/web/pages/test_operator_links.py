"""Links that the operator makes for a username, which may reach anybody."""

from __future__ import annotations

from datetime import timedelta

import pytest

from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.people import sign_in
from oura_pipeline_tests.accounts.times import age
from oura_pipeline_tests.web.conftest import OpenSite, RunningSite
from oura_pipeline_tests.web.html_browser import HtmlBrowser
from oura_pipeline_tests.web.pages.sign_ins import nobody


def follow(site: RunningSite, username: str | None, person: str) -> HtmlBrowser:
    """Some browser in which this person of Oura's followed the operator's link."""
    browser = site.browser()
    browser.sent_to = sign_in.begin(site.pipeline, browser=None, username=username)
    browser.go(browser.consent(person))
    return browser


def oura_id(site: RunningSite, person: str) -> str:
    return next(held["id"] for held in site.sandbox.people() if held["username"] == person)


def grants(site: RunningSite, person: str) -> list[list[str]]:
    return next(held["granted"] for held in site.sandbox.people() if held["username"] == person)


def test_nobody_is_handed_over_who_is_not_known_at_oura(open_site: OpenSite) -> None:
    """No link is made, and one of before they were added gives them to nobody."""
    site = open_site()
    early = sign_in.begin(site.pipeline, browser=None, username="milo")
    site.accounts.people.add("milo", SignIn(refresh_token="from another program"))
    with pytest.raises(PersonRefused, match="nobody knows yet who milo is"):
        sign_in.begin(site.pipeline, browser=None, username="milo")
    thief = site.browser()
    thief.sent_to = early
    page = thief.go(thief.consent("koa"))
    assert page.title == "Choose a username · Oura pipeline"
    assert "taken" in thief.send("/welcome", username="milo").text
    milo = site.accounts.people.get("milo")
    assert (milo.oura_id, milo.scopes) == (None, None)


def test_somebody_new_is_asked_and_needs_no_invite(open_site: OpenSite) -> None:
    site = open_site(oura_signup="invite")
    browser = follow(site, "newcomer", "asha")
    assert browser.page.title == "Connect as newcomer? · Oura pipeline"
    assert nobody(site)
    assert browser.send("/welcome", answer="yes").title == "newcomer: Connected · Oura pipeline"
    assert site.accounts.people.get("newcomer").oura_id == oura_id(site, "asha")


def test_who_says_no_is_not_connected(open_site: OpenSite) -> None:
    """Neither with the button nor with a form that says nothing; and Oura's consent ends."""
    site = open_site()
    before = grants(site, "asha")
    for answer in ({"answer": "no"}, {}):
        browser = follow(site, "newcomer", "asha")
        csrf = dict(browser.page.form("/welcome").fields)
        assert browser.send("/welcome", **answer).title == "Not connected · Oura pipeline"
        browser.http.post("/welcome", data=csrf | {"answer": "yes"})
        assert nobody(site)
        assert (grants(site, "asha"), site.accounts.removal.unrevoked()) == (before, [])


def test_who_is_here_is_reconnected_only_as_themselves(open_site: OpenSite) -> None:
    """Whoever the link was made for: the Oura account decides, and is asked."""
    site = open_site()
    site.browser().join("runa")
    site.browser().join("koa")
    before = site.accounts.people.get("runa")
    browser = follow(site, "runa", "koa")
    assert browser.page.title == "Connect as koa? · Oura pipeline"
    assert browser.go("/me").response.url.path == "/"  # not before they say yes
    browser.go("/welcome")
    assert browser.send("/welcome", answer="yes").title == "koa: Connected · Oura pipeline"
    assert site.accounts.people.get("runa") == before
    assert site.pipeline.client("koa").personal_info()


def test_a_stranger_with_the_link_of_somebody_chooses_another_name(open_site: OpenSite) -> None:
    site = open_site()
    site.browser().join("runa")
    assert follow(site, "runa", "koa").page.title == "Choose a username · Oura pipeline"


def test_a_link_works_once_and_in_the_browser_that_answers(open_site: OpenSite) -> None:
    site = open_site()
    browser = site.browser()
    browser.sent_to = sign_in.begin(site.pipeline, browser=None, username="newcomer")
    address = browser.consent("asha")
    browser.go(address)
    other = site.browser()
    assert other.go(address).status == 400
    assert other.go("/welcome").response.url.path == "/"


def test_who_says_yes_later_has_not_just_been_at_oura(open_site: OpenSite) -> None:
    """Deleting everything asks for ten minutes since then, not since the answer here."""
    site = open_site()
    site.browser().join("runa")
    browser = follow(site, "runa", "runa")
    age(site.settings.storage.home, "sign_ups", "begun_at", timedelta(minutes=11))
    assert browser.send("/welcome", answer="yes").status == 200
    assert browser.path == "/me"
    assert browser.go("/me/delete").status == 403
