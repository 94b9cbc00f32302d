"""Who may join: closed and full sites, invites, usernames."""

from __future__ import annotations

import httpx

from oura_pipeline.accounts.people import PersonState, SignIn
from oura_pipeline.oura.http import tls
from oura_pipeline_tests.web.conftest import OpenSite, RunningSite


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
    second = httpx.post(
        f"{site.url}/welcome", data=form, cookies=old, trust_env=False, verify=tls()
    )
    assert second.status_code == 400
    assert "if you chose a username, you still have it" in second.text
    assert "set-cookie" not in second.headers
    assert browser.go("/me").title == "runa: Connected · Oura pipeline"
