"""Somebody brings what they downloaded from Oura."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.oura.http import tls
from oura_pipeline_tests.member_export.readers import killing_readers
from oura_pipeline_tests.web.conftest import OpenSite, RunningSite
from oura_pipeline_tests.web.html_browser import HtmlBrowser

ADDRESS = "/me/bring"


def archive(**files: str) -> bytes:
    """A ZIP archive of tables."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as opened:
        for name, text in files.items():
            opened.writestr(zipfile.ZipInfo(f"App Data/{name}.csv", (2026, 5, 4, 0, 0, 0)), text)
    return written.getvalue()


SCORES = archive(dailysleep="id;day;score\nx;2020-05-01;81\ny;2020-05-02;82\n")


@pytest.fixture
def site(open_site: OpenSite) -> RunningSite:
    return open_site()


@pytest.fixture
def runa(site: RunningSite) -> HtmlBrowser:
    browser = site.browser()
    browser.join("runa")
    return browser


def bring(browser: HtmlBrowser, content: bytes, **more: Any) -> httpx.Response:
    """Send the form with a file."""
    csrf = dict(browser.go(ADDRESS).form(ADDRESS).fields)["csrf"]
    given = {"data": {"csrf": csrf}, "files": {"export": ("data.zip", content)}} | more
    return browser.http.post(ADDRESS, **given)


def scores(site: RunningSite) -> list[date]:
    found = site.pipeline.warehouse.documents(DAILY_SLEEP, "runa", date.min, date.max)
    return [day for day, _ in found]


def left(site: RunningSite) -> list[str]:
    return [path.name for path in site.settings.storage.home.glob(".import.*")]


@pytest.mark.usefixtures("described")
def test_what_was_brought_lands_and_the_file_is_gone(site: RunningSite, runa: HtmlBrowser) -> None:
    answer = bring(runa, SCORES)
    assert answer.status_code == 200
    assert "daily_sleep" in answer.text
    assert scores(site) == [date(2020, 5, 1), date(2020, 5, 2)]
    assert left(site) == []


@pytest.mark.usefixtures("described")
def test_ones_page_shows_what_was_brought(site: RunningSite, runa: HtmlBrowser) -> None:
    """As data that is there and was not fetched, also of kinds that are never fetched."""
    day = datetime.now(UTC).date() - timedelta(days=1)
    temperatures = f"timestamp;skin_temp\n{day}T10:00:00Z;35.2\n{day}T11:00:00Z;35.4\n"
    bring(runa, archive(dailysleep=f"id;day;score\nx;{day};81\n", temperature=temperatures))
    page = runa.go("/me")
    for name, many in (("daily_sleep", 1), ("temperature", 2)):
        shown = page.text_of(f"type-{name}")
        assert shown.endswith(f"✓ brought {many} from a file that you brought. – {day} {many}")
    assert "type-meal" not in page.ids
    assert f"{day}: brought" in page.html


def test_what_is_no_export_says_why_and_changes_nothing(
    site: RunningSite, runa: HtmlBrowser
) -> None:
    for content, why in (
        (b"<html>", "this is no ZIP file"),
        (b"", "Choose the file that Oura gave you"),
        (archive(bank="a;b\n"), "none of its 1 tables is one of Oura"),
    ):
        answer = bring(runa, content)
        assert (answer.status_code, why in answer.text) == (422, True)
    assert (scores(site), left(site)) == ([], [])


@pytest.mark.usefixtures("described")
def test_a_reader_that_is_killed_is_told_and_nothing_is_lost(
    site: RunningSite, runa: HtmlBrowser
) -> None:
    with killing_readers():
        answer = bring(runa, SCORES)
    assert (answer.status_code, "bring the file once more" in answer.text) == (503, True)
    assert (scores(site), left(site)) == ([], [])
    assert bring(runa, SCORES).status_code == 200
    assert scores(site) == [date(2020, 5, 1), date(2020, 5, 2)]


def test_a_form_of_another_site_is_refused(site: RunningSite, runa: HtmlBrowser) -> None:
    """Also one that has its token only after the file, or none."""
    for more in (
        {"data": {}},
        {"data": {"csrf": "x"}},
        {"headers": {"Origin": "https://evil.example"}},
        {"headers": {"Sec-Fetch-Site": "cross-site"}},
        {"files": {"other": ("data.zip", SCORES)}, "data": {}},
    ):
        assert bring(runa, SCORES, **more).status_code == 403
    assert (scores(site), left(site)) == ([], [])


def test_nobody_brings_anything_without_a_session(site: RunningSite) -> None:
    answer = httpx.post(
        site.url + ADDRESS, files={"export": ("data.zip", SCORES)}, trust_env=False, verify=tls()
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
