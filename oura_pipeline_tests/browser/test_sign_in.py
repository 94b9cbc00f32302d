"""Signing in as a person does: first time, again, invited, refused, by keyboard, without script."""

from __future__ import annotations

from playwright.sync_api import Page

from oura_pipeline.people.sign_in import begin
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline_tests.browser.conftest import OpenSite, Visitor
from oura_pipeline_tests.browser.visits import PHONE, SandboxedSite, Visit


def test_a_first_sign_in_ends_on_ones_own_page(site: SandboxedSite, visitor: Visitor) -> None:
    """Front page, Oura, a username, and there is the page that bears it."""
    visit = visitor(site).open("/").check()
    assert "Ada Example" in visit.text
    visit.press("#sign-in").check().consent("runa").check()
    assert (visit.path, visit.heading) == ("/welcome", "Choose a username")
    visit.page.fill("#username", "runa")
    visit.press("#choose").check()
    assert (visit.path, visit.heading) == ("/me", "runa")
    assert site.people() == {"runa": "connected"}


def test_an_invalid_username_is_explained_and_a_valid_one_accepted(
    site: SandboxedSite, visitor: Visitor
) -> None:
    """The browser says it before it is sent; the site says it to whoever sends it all the same."""
    visitor(site).join("koa", "koa")
    visit = visitor(site).sign_in("runa")
    visit.page.fill("#username", "Runa!")
    visit.page.click("#choose")
    assert visit.page.evaluate("() => document.querySelector('#username').validity.patternMismatch")
    for wrong, word in (("Runa!", "lower-case letters"), ("koa", "taken")):
        visit.page.evaluate("() => { document.querySelector('#username-form').noValidate = true }")
        visit.page.fill("#username", wrong)
        visit.press("#choose").check()
        assert visit.path == "/welcome"
        assert word in visit.error
        assert visit.page.input_value("#username") == wrong
        assert visit.page.title().startswith("Username not accepted")
    visit.page.fill("#username", "runa")
    assert visit.press("#choose").heading == "runa"


def test_who_follows_the_operators_link_is_asked(site: SandboxedSite, visitor: Visitor) -> None:
    """With the username on the page; no saves nothing, and yes connects."""
    visit = visitor(site)
    for answer, heading in (("#decline", "Not connected"), ("#connect", "newcomer")):
        with open_pipeline() as pipeline:
            link = begin(pipeline, browser=None, username="newcomer")
        visit.page.goto(link)
        visit.consent("koa").check()
        assert visit.heading == "Connect as newcomer?"
        assert "shows its data under the username newcomer" in visit.text
        visit.press(answer).check()
        assert visit.heading == heading
    assert (site.people(), len(site.granted("koa"))) == ({"newcomer": "connected"}, 1)


def test_declining_leaves_nothing_behind(site: SandboxedSite, visitor: Visitor) -> None:
    """The page says so, and offers the way back."""
    visit = visitor(site).sign_in("runa", decision="deny").check()
    assert "You declined at Oura" in visit.text
    assert (site.people(), site.granted("runa")) == ({}, [])
    assert visit.press("#sign-in").consent("runa").path == "/welcome"


def test_when_oura_is_away_nothing_is_kept_and_it_can_be_tried_again(
    site: SandboxedSite, visitor: Visitor
) -> None:
    """The code is lost, the person is not."""
    site.sandbox.fault("gateway_timeout", route="token", count=None)
    visit = visitor(site).sign_in("runa").check()
    assert visit.heading == "Oura is unavailable"
    assert [trouble[:3] for trouble in visit.problems] == ["503"]
    visit.problems.clear()
    site.sandbox.clear_faults()
    assert visit.press("#sign-in").consent("runa").path == "/welcome"


def test_reconnecting_takes_one_button(site: SandboxedSite, visitor: Visitor) -> None:
    """Tokens end at Oura; the page says so, and afterwards everything is as before."""
    visit = visitor(site).join("runa", "runa")
    site.sandbox.change_person("runa", revoke="all")
    site.fetch("runa", "daily_sleep")
    visit.open("/me").check()
    assert site.people() == {"runa": "sign_in_required"}
    assert "Reconnect with Oura" in visit.text
    row = visit.page.locator("#type-daily_sleep").inner_text()
    assert ("Will be fetched once you reconnect." in row, "invalid_grant" in row) == (True, False)
    visit.press("#reconnect").consent("runa").check()
    assert (visit.path, visit.heading) == ("/me", "runa")
    assert visit.page.locator("#reconnect").count() == 0
    assert site.people() == {"runa": "connected"}


def test_another_browser_with_the_same_oura_account_is_the_same_person(
    site: SandboxedSite, visitor: Visitor
) -> None:
    """Nobody is asked for a second username."""
    visitor(site).join("runa", "runa")
    again = visitor(site).sign_in("runa")
    assert (again.path, again.heading) == ("/me", "runa")
    assert site.people() == {"runa": "connected"}


def test_two_people_see_each_their_own(site: SandboxedSite, visitor: Visitor) -> None:
    """Two browsers, two pages."""
    runa, koa = visitor(site).join("runa", "runa"), visitor(site).join("koa", "koa")
    assert (runa.open("/me").heading, koa.open("/me").heading) == ("runa", "koa")


def test_an_invite_is_needed_works_once_and_never_wrongly(
    open_site: OpenSite, visitor: Visitor
) -> None:
    """None, a wrong one, a good one, a used one; whoever is here already needs none."""
    site = open_site(OURA_SIGNUP="invite")
    code = site.invite()
    visit = visitor(site).open("/").check().press("#sign-in").consent("runa").check()
    assert "need a valid invite" in visit.text
    visit.open("/").page.fill("#invite", "no-such-code")
    visit.press("#sign-in").check()
    assert "it was used, has expired or is mistyped." in visit.error
    _with_invite(visit, code).page.fill("#username", "runa")
    assert visit.press("#choose").heading == "runa"
    late = visitor(site).open("/")
    late.page.fill("#invite", code)
    assert "it was used" in late.press("#sign-in").error
    assert visitor(site).sign_in("runa").heading == "runa"
    assert site.people() == {"runa": "connected"}
    assert site.granted("koa") == []


def _with_invite(visit: Visit, code: str) -> Visit:
    visit.open("/").page.fill("#invite", code)
    return visit.press("#sign-in").consent("runa")


def test_a_closed_site_admits_nobody_new_and_revokes_the_tokens(
    open_site: OpenSite, visitor: Visitor
) -> None:
    """It says so before and after Oura."""
    site = open_site(OURA_SIGNUP="closed")
    visit = visitor(site).open("/").check()
    assert "Sign-up is closed" in visit.text
    visit.press("#sign-in").consent("runa").check()
    assert "Sign-up is closed" in visit.text
    assert (site.people(), site.granted("runa")) == ({}, [])


def test_a_full_site_says_so(open_site: OpenSite, visitor: Visitor) -> None:
    """Oura's own limit of people, before and after the way to Oura."""
    site = open_site(OURA_PEOPLE_LIMIT="1")
    visitor(site).join("koa", "koa")
    visit = visitor(site).open("/").check()
    assert "1 person, and all places are taken" in visit.text
    assert "places" in visit.press("#sign-in").consent("runa").check().text
    assert (site.people(), site.granted("runa")) == ({"koa": "connected"}, [])


def test_missing_permissions_are_named(site: SandboxedSite, visitor: Visitor) -> None:
    """Everything else works; one button asks Oura once more."""
    visit = visitor(site).join("runa", "runa", without=["workout", "heartrate"]).check()
    assert "E-mail address · Profile · Sleep, activity, readiness · Tags" in visit.text
    missing = visit.page.locator("#missing").inner_text()
    assert ("orkout" in missing, "eart rate" in missing, "leep" in missing) == (True, True, False)
    site.fetch("runa", "daily_sleep", "workout")
    visit.open("/me").check()
    assert "not granted" in visit.page.locator("#type-workout").inner_text()
    visit.press("#grant-more").consent("runa").check()
    assert visit.page.locator("#missing").count() == 0


def test_unreported_scopes_are_unknown_not_missing(site: SandboxedSite, visitor: Visitor) -> None:
    """Neither the callback nor the token answer names them; what is allowed comes all the same."""
    site.sandbox.change_options(callback_scope=False, token_scope=False)
    visit = visitor(site).join("runa", "runa").check()
    assert visit.page.locator("#missing").count() == 0
    assert "unknown" in visit.text
    site.fetch("runa", "sleep")
    assert visit.open("/me").check().page.locator("#type-sleep .state-good").count() == 1


def test_a_sign_in_begun_elsewhere_is_not_finished_here(
    site: SandboxedSite, visitor: Visitor
) -> None:
    """Whoever is sent somebody else's link does not become them, nor they whoever sent it."""
    mine = visitor(site).open("/").press("#sign-in")
    theirs = visitor(site)
    theirs.page.goto(mine.page.url)
    theirs.consent("runa").check()
    assert "opened in another browser" in theirs.text
    assert theirs.open("/me").path != "/me"
    assert site.people() == {}


def test_a_callback_works_once(site: SandboxedSite, visitor: Visitor) -> None:
    """Back button, bookmark, a log that somebody read."""
    visit = visitor(site)
    callbacks = _callbacks(visit.page)
    visit.join("runa", "runa")
    [used] = callbacks
    visit.page.goto(used)
    visit.check()
    assert "This link was already used" in visit.text
    assert visit.open("/me").heading == "runa"
    other = visitor(site)
    other.page.goto(used)
    assert "This link was already used" in other.text


def _callbacks(page: Page) -> list[str]:
    """The addresses under which this page comes back from Oura, from now on."""
    found: list[str] = []
    page.on("request", lambda asked: "/oauth/callback" in asked.url and found.append(asked.url))
    return found


def test_a_first_sign_in_needs_no_script(site: SandboxedSite, visitor: Visitor) -> None:
    """Every page is plain HTML."""
    visit = visitor(site, java_script_enabled=False).join("runa", "runa")
    assert (visit.path, visit.heading) == ("/me", "runa")
    assert visit.press("#sync-now").path == "/me"


def test_a_first_sign_in_needs_no_mouse(site: SandboxedSite, visitor: Visitor) -> None:
    """Tab, Enter and arrows; what has the focus can be seen, and the content can be skipped to."""
    visit = visitor(site).open("/")
    page = visit.page
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    _tab_to(page, "#sign-in")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    _tab_to(page, "input[name=person]")
    page.keyboard.press("ArrowDown")
    _tab_to(page, "button[value=approve]")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    _tab_to(page, "#username")
    page.keyboard.type("koa")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert visit.heading == "koa"
    assert site.granted("koa") != []
    for wanted in ("#sync-now", "#download", "#disconnect", "#delete", "#sign-out"):
        page.keyboard.press("Home")
        page.evaluate("() => document.activeElement.blur()")
        _tab_to(page, wanted)


def _tab_to(page: Page, selector: str) -> None:
    """Press Tab until that has the focus; everything on the way shows that it has it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement === document.body"):
            continue
        assert page.evaluate(_FOCUS_SHOWN), page.evaluate("() => document.activeElement.outerHTML")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"{selector} cannot be reached with Tab")


_FOCUS_SHOWN = """() => {
  const style = getComputedStyle(document.activeElement)
  return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
}"""


def test_a_phone_is_enough(site: SandboxedSite, visitor: Visitor) -> None:
    """A small touch screen; nothing is wider than it, and what is touched is large enough."""
    visit = visitor(site, viewport=PHONE, is_mobile=True, has_touch=True)
    visit.join("runa", "runa")
    site.fetch("runa", "daily_sleep")
    for path in ("/", "/me", "/me/delete", "/nowhere"):
        visit.open(path)
        wide = "() => [document.scrollingElement.scrollWidth <= innerWidth, innerWidth]"
        assert visit.page.evaluate(wide) == [True, 360], path
        assert visit.page.evaluate(_TOO_SMALL) == [], path


# WCAG 2.2, 2.5.8: 24 pixels; links inside of sentences are exempt.
_TOO_SMALL = """() => [...document.querySelectorAll('button, input:not([type=hidden]), a.button')]
  .filter(e => e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"""


def test_signing_out_and_in_again(site: SandboxedSite, visitor: Visitor) -> None:
    """Afterwards the page is closed, and Oura opens it again."""
    visit = visitor(site).join("runa", "runa")
    visit.press("#sign-out").check()
    assert visit.open("/me").path != "/me"
    assert visit.sign_in("runa").heading == "runa"
