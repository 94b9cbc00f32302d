"""What a person does on their page: sync, download, disconnect, delete; and pages nobody wants."""

from __future__ import annotations

import zipfile
from datetime import timedelta

import pytest
from playwright.sync_api import FilePayload

from oura_pipeline_tests.accounts.times import age
from oura_pipeline_tests.browser.conftest import Visitor
from oura_pipeline_tests.browser.visits import SandboxedSite
from oura_pipeline_tests.web.pages.test_bring import SCORES


def test_the_page_shows_what_was_fetched(site: SandboxedSite, visitor: Visitor) -> None:
    """Each kind of document with its latest day and how many there are, and the profile."""
    visit = visitor(site).join("runa", "runa")
    types = ("daily_sleep", "sleep", "daily_readiness", "daily_activity", "workout")
    site.sync("runa", *types, "ring_configuration", "personal_info", days=5)
    visit.open("/me").check()
    row = visit.page.locator("#type-daily_sleep").inner_text()
    assert "2026-10-28" in row
    held = len(site.sandbox.truth("runa", "daily_sleep", "2026-10-24", "2026-10-28"))
    assert visit.page.locator("#type-daily_sleep .number").inner_text() == str(held)
    [profile] = site.sandbox.truth("runa", "personal_info")
    assert str(profile["document"]["age"]) in visit.page.locator("#profile-values").inner_text()


def test_a_sync_cannot_be_requested_twice_at_once(site: SandboxedSite, visitor: Visitor) -> None:
    """The page says that it was understood, and how it goes, without being loaded again."""
    visit = visitor(site).join("runa", "runa").press("#sync-now").check()
    assert visit.path == "/me"
    state = visit.page.locator("#sync-state")
    assert state.inner_text() == "You asked just now. It begins within a minute."
    assert visit.page.locator("#sync-now").count() == 0
    site.fetch("runa", days=1)
    state.filter(has_text="Done, as you asked").wait_for()
    assert visit.page.locator("#sync-look").inner_text() == "Show the new data"


def test_data_can_be_downloaded(site: SandboxedSite, visitor: Visitor) -> None:
    """A ZIP that opens, with more in it once something was fetched."""
    visit = visitor(site).join("runa", "runa")
    site.sync("runa", "daily_sleep", "heartrate")
    visit.open("/me")
    with visit.page.expect_download() as download:
        visit.page.click("#download")
    assert download.value.suggested_filename.endswith(".zip")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert [name for name in names if "daily_sleep" in name] != []
    assert [name for name in names if "koa" in name] == []


def test_a_history_can_be_brought(site: SandboxedSite, visitor: Visitor) -> None:
    """The page says what is wrong with a file, and what came of one."""
    visit = visitor(site).join("runa", "runa").press("#bring").check()
    for content in (b"no archive", SCORES):
        file = FilePayload(name="data.zip", mimeType="application/zip", buffer=content)
        visit.page.set_input_files("#export", file)
        visit.press("button#bring").check()
        if content != SCORES:
            assert "this is no ZIP file" in visit.error
    assert "daily_sleep" in visit.page.locator("tbody th").inner_text()


def test_disconnecting_ends_the_access_and_keeps_the_data(
    site: SandboxedSite, visitor: Visitor
) -> None:
    """Oura has nothing of us any more; one button connects again under the same username."""
    visit = visitor(site).join("runa", "runa")
    site.sync("runa", "daily_sleep")
    visit.open("/me").press("#disconnect").check()
    assert (site.people(), site.granted("runa")) == ({"runa": "disconnected"}, [])
    assert visit.page.locator("#disconnect").count() == 0
    assert "2026-10-28" in visit.page.locator("#type-daily_sleep").inner_text()
    visit.press("#reconnect").consent("runa").check()
    assert (visit.heading, site.people()) == ("runa", {"runa": "connected"})


def test_deleting_everything_wants_the_username_and_signs_out(
    site: SandboxedSite, visitor: Visitor
) -> None:
    """A wrong one deletes nothing; afterwards this browser is nobody."""
    visit = visitor(site).join("runa", "runa")
    visit.press("#delete").check()
    visit.page.fill("#username", "koa")
    visit.press("#delete-everything").check()
    assert visit.error == "To confirm, type runa exactly as shown."
    assert visit.page.title().startswith("Not deleted")
    assert site.people() == {"runa": "connected"}
    visit.page.fill("#username", "runa")
    visit.press("#delete-everything").check()
    assert site.granted("runa") == []
    assert site.people().get("runa") != "connected"
    assert visit.open("/me").path != "/me"


def test_after_ten_minutes_downloading_and_deleting_ask_for_oura_once_more(
    site: SandboxedSite, visitor: Visitor
) -> None:
    """The page leads to Oura, and from there on to what was wanted."""
    visit = visitor(site).join("runa", "runa")
    age(site.home, "sessions", "signed_in_at", timedelta(minutes=11))
    visit.open("/me").press("#download").check()
    assert (visit.heading, "Downloading everything" in visit.text) == ("Sign in once more", True)
    visit.open("/me").press("#delete").check()
    assert (visit.heading, "Deleting everything" in visit.text) == ("Sign in once more", True)
    visit.press("#sign-in").consent("runa")
    assert (visit.path, visit.heading) == ("/me/delete", "Delete everything")


@pytest.mark.parametrize("path", ["/nowhere", "/signin", "/oauth/callback", "/oauth/callback?x=1"])
def test_an_unknown_page_shows_a_way_on(site: SandboxedSite, visitor: Visitor, path: str) -> None:
    """A mistyped address, a form that was bookmarked: a page, not a stack trace."""
    visit = visitor(site).open(path).check()
    assert visit.page.locator("main a.button, main button").count() >= 1
    assert "Traceback" not in visit.page.content()
