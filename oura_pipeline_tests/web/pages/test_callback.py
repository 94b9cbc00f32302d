"""What Oura sends somebody back with: states, codes and errors that lead nowhere."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from oura_pipeline_tests.web.conftest import OpenSite, RunningSite
from oura_pipeline_tests.web.html_browser import Page
from oura_pipeline_tests.web.pages.sign_ins import nobody, query, saying

GONE = "This link was already used, is older than ten minutes, or was opened in another browser."


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
