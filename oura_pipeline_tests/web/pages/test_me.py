"""One's own page: what it says, what its buttons do, and that it is nobody else's."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from oura_pipeline.accounts.database import file_lock
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, PERSONAL_INFO, SLEEP
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.people.leave import revoke
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.sync.publish import publish
from oura_pipeline.web.downloads import Downloads
from oura_pipeline.web.pages.me_text import granted_types, history_text
from oura_pipeline_tests.web.conftest import OPERATOR, OpenSite, RunningSite
from oura_pipeline_tests.web.html_browser import HtmlBrowser

TODAY = datetime.now(UTC).date()


def now() -> datetime:
    """When a test runs, which may be long after this module was read."""
    return datetime.now(UTC)


def fetch(name: str, status: FetchStatus, *, day: date = TODAY, error: str | None = None) -> Fetch:
    """A row of the ledger, for runa."""
    return Fetch(
        username="runa",
        document_type=name,
        day=day,
        status=status,
        documents=3 if status is FetchStatus.LANDED else 0,
        error=error,
        run_id="run",
        at=now() - timedelta(hours=2, minutes=1),
    )


def until(true: Callable[[], object]) -> None:
    """Wait for it, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def site(open_site: OpenSite) -> RunningSite:
    """An open site."""
    return open_site()


@pytest.fixture
def runa(site: RunningSite) -> HtmlBrowser:
    """A browser in which runa is signed in."""
    browser = site.browser()
    browser.join("runa")
    return browser


def test_every_document_type_has_a_row(site: RunningSite, runa: HtmlBrowser) -> None:
    """Landed, empty, failed with its reason, and never asked: none is taken for another."""
    site.accounts.fetches.record(
        [
            fetch("daily_sleep", FetchStatus.LANDED),
            fetch("daily_sleep", FetchStatus.LANDED, day=TODAY - timedelta(days=1)),
            fetch("tag", FetchStatus.EMPTY),
            fetch("workout", FetchStatus.FAILED, error="Oura is out of order; ask again later"),
        ]
    )
    page = runa.go("/me")
    assert [
        name
        for document_type in DOCUMENT_TYPES
        if (name := f"type-{document_type.name}") not in page.ids
    ] == []
    sleep = "Daily sleep Sleep score and its contributors. ✓ fetched 2 hours ago"
    assert page.text_of("type-daily_sleep") == f"{sleep} {TODAY} 6"
    assert "– no data Oura has no data of this type. 2 hours ago – 0" in page.text_of("type-tag")
    assert "✕ failed on 1 day Oura is out of order; ask again later." in page.text_of(
        "type-workout"
    )
    assert page.text_of("type-session").endswith("– not fetched yet – – –")


def test_the_history_has_a_sentence_and_a_bar(site: RunningSite, runa: HtmlBrowser) -> None:
    """How far back every kind was asked for."""
    assert "and goes back to 2025-01-01." in runa.go("/me").text_of("history-text")
    back = TODAY - timedelta(days=100)
    days = [document_type.name for document_type in DOCUMENT_TYPES if document_type.partitioned]
    site.accounts.fetches.record([fetch(name, FetchStatus.EMPTY, day=back) for name in days])
    page = runa.go("/me")
    assert page.text_of("history-text") == f"Fetched back to {back}; the goal is 2025-01-01."
    share = 100 / (TODAY - date(2025, 1, 1)).days
    assert page.ids["history-bar"]["value"] == str(int(share * 100))


def test_the_history_ends_where_oura_has_nothing_earlier(
    site: RunningSite, runa: HtmlBrowser
) -> None:
    """And so does the calendar: what is earlier is not waited for."""
    first = TODAY - timedelta(days=10)
    site.accounts.people.set_first_day(["runa"], first)
    days = [document_type.name for document_type in DOCUMENT_TYPES if document_type.partitioned]
    site.accounts.fetches.record(
        [
            fetch(name, FetchStatus.EMPTY, day=first + timedelta(days=number))
            for name in days
            for number in range(11)
        ]
    )
    page = runa.go("/me")
    assert page.text_of("history-text") == f"Complete: fetched back to {first}."
    calendar = page.text_of("calendar-table")
    assert f"{first:%B %Y} " in calendar
    assert f"{first.replace(day=1) - timedelta(days=1):%B %Y} " not in calendar


def test_the_history_is_complete_only_when_it_is() -> None:
    """99 % until the first day of everything was asked."""
    assert history_text([], date(2026, 1, 1), date(2026, 1, 1)).percent < 100


@pytest.mark.usefixtures("described")
def test_the_profile_comes_from_the_published_copy_without_the_address(
    site: RunningSite, runa: HtmlBrowser
) -> None:
    """Not fetched yet, until somebody has published it; then age, weight, height and sex."""
    assert "Not fetched yet." in runa.go("/me").text
    land_profile(site)
    page = runa.go("/me")
    (told,) = site.sandbox.truth("runa", "personal_info")
    info = told["document"]
    assert page.text_of("profile-values") == (
        f"Age {info['age']} years Weight {info['weight']:.1f} kg "
        f"Height {info['height']:.2f} m Biological sex {info['biological_sex']}"
    )
    assert info["email"] not in page.html


def land_profile(site: RunningSite, username: str = "runa") -> None:
    """Fetch runa's profile and publish it, as a run does; under another name where one is given."""
    document = site.pipeline.client("runa").personal_info()
    with site.pipeline.warehouse.spool(PERSONAL_INFO) as spool:
        spool.add(username, [document])
        site.pipeline.warehouse.land(
            PERSONAL_INFO,
            spool,
            usernames=[username],
            first_day=document.day,
            last_day=document.day,
            fetched_at=now(),
            run_id="run",
        )
    site.pipeline.warehouse.publish(site.settings.storage.analytics_path)


def test_a_new_person_sees_sentences_and_no_charts(site: RunningSite, runa: HtmlBrowser) -> None:
    """Without a copy, with a copy without them, and with a file that is no copy at all."""
    copy = site.settings.storage.analytics_path
    for prepare in (
        lambda: None,
        lambda: land_profile(site, "someone"),
        lambda: copy.write_bytes(b"no database"),
    ):
        prepare()
        page = runa.go("/me")
        assert page.status == 200
        assert page.text_of("no-nights").startswith("No nights yet.")
        assert page.text_of("no-trends").startswith("No trends yet.")
        assert "chart" not in page.html.partition("<main")[2].partition('id="calendar"')[0]
        assert "published" not in page.ids


def test_the_calendar_counts_what_was_asked(site: RunningSite, runa: HtmlBrowser) -> None:
    """As of now, from the ledger; only the kinds that were allowed, and only one's own."""
    today = now().date()
    koa = site.browser()
    koa.join("koa")
    months = today.replace(day=1)
    types = [document_type.name for document_type in DOCUMENT_TYPES if document_type.partitioned]
    site.accounts.fetches.record(
        [fetch(name, FetchStatus.LANDED, day=months) for name in types]
        + [fetch(name, FetchStatus.FAILED, day=today, error="later") for name in types[:1]]
    )
    page = runa.go("/me")
    one = months == today
    rows = page.text_of("calendar-table").partition("Not fetched yet ")[2]
    asked = f"{f'{0 if one else 1}'} 0 0 1 0 0 {today.day - (1 if one else 2)}"
    assert rows.endswith(f"{months:%B %Y} {asked}")
    assert f"{months:%B %Y} 0 0 0 0 0 0 {today.day}" in koa.go("/me").text_of("calendar-table")


def test_a_calendar_without_permissions_says_so(open_site: OpenSite) -> None:
    """Not that it was not asked for yet."""
    today = now().date()
    site = open_site(oura_history_start=today)
    browser = site.browser()
    browser.sign_in("runa", granted=["email"])
    browser.send("/welcome", username="runa")
    assert browser.go("/me").text_of("calendar-table").endswith(f"{today:%B %Y} 0 0 0 0 1 0 0")


@pytest.mark.usefixtures("described")
def test_nights_and_trends_are_ones_own(site: RunningSite, runa: HtmlBrowser) -> None:
    """Each sees the numbers of their own documents, in words, drawings and tables."""
    koa = site.browser()
    koa.join("koa")
    for username in ("runa", "koa"):
        land_day(site, username)
    publish(site.pipeline)
    for browser, username in ((runa, "runa"), (koa, "koa")):
        page = browser.go("/me")
        [(day, night)] = newest_nights(site, username)
        assert page.ids[f"night-{day}-title"] is not None
        table = page.text_of(f"night-table-{day}")
        assert f"Lowest heart rate {night['lowest_heart_rate']} bpm" in table
        assert f"Average HRV {night['average_hrv']} ms RMSSD" in table
        assert f"HRV {night['average_hrv']} ms RMSSD" in page.text_of(f"trend-of-{HRV}")
        assert page.text_of("published").startswith("Nights and trends show data published")
    first, second = (newest_nights(site, name)[0][1]["id"] for name in ("runa", "koa"))
    assert first != second
    assert runa.page.text_of(f"trend-of-{HRV}") != koa.page.text_of(f"trend-of-{HRV}")


HRV = "hrv_average_ms"


def land_day(site: RunningSite, username: str) -> None:
    """Fetch somebody's sleep of the last days, as a run does."""
    fetch_and_land(
        site.pipeline,
        SLEEP,
        people_to_fetch(site.pipeline, [username]),
        first_day=TODAY - timedelta(days=2),
        last_day=TODAY,
        run_id="run",
    )


def newest_nights(site: RunningSite, username: str) -> list[tuple[str, dict[str, Any]]]:
    """The newest night that the sandbox holds: day and document."""
    first, last = str(TODAY - timedelta(days=2)), str(TODAY)
    held = [row["document"] for row in site.sandbox.truth(username, "sleep", first, last)]
    nights = [night for night in held if night["type"] == "long_sleep"]
    night = max(nights, key=lambda night: (night["day"], night["time_in_bed"]))
    return [(night["day"], night)]


def test_a_sync_can_be_requested_every_five_minutes(site: RunningSite, runa: HtmlBrowser) -> None:
    """The button is gone meanwhile, and the page says when it was pressed."""
    page = runa.send("/me/sync")
    assert page.text_of("sync-state") == "You asked just now. It begins within a minute."
    assert "sync-now" not in page.ids
    asked = site.accounts.people.get("runa").sync_asked_at
    assert asked is not None
    site.accounts.fetches.record([fetch("tag", FetchStatus.EMPTY)])
    with site.accounts._database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE people SET sync_asked_at = datetime(sync_asked_at, '-6 minutes')"
        )
    page = runa.go("/me")
    assert page.text_of("sync-state") == (
        "You asked 6 minutes ago, and it has not begun yet. If it stays like this, tell the "
        "operator of this site."
    )
    assert "sync-now" in page.ids


def test_a_requested_sync_says_how_it_goes(site: RunningSite, runa: HtmlBrowser) -> None:
    """What is being fetched, how much of it is new, and when it is done; to its own person only."""
    runa.send("/me/sync")
    assert runa.http.get("/me/sync").json()["running"]
    names = granted_types(site.accounts.people.get("runa"))
    rows = [replace(fetch(name, FetchStatus.LANDED), at=now(), changed=2) for name in names]
    site.accounts.fetches.record(rows[:3])
    assert runa.http.get("/me/sync").json() == {
        "text": f"Fetching: 3 of {len(names)} kinds of data so far, 6 new or changed documents.",
        "running": True,
    }
    site.accounts.fetches.record(rows)
    told = runa.http.get("/me/sync").json()
    new = f"{2 * len(names)} new or changed documents"
    assert told == {"text": f"Done, as you asked just now: {new}.", "running": False}
    assert "<script" not in runa.go("/me").html
    with site.accounts._database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE people SET sync_asked_at = datetime(sync_asked_at, '-2 days')"
        )
    text = "Fetch the last days now instead of at the usual time."
    assert runa.http.get("/me/sync").json() == {"text": text, "running": False}


def test_signing_in_again_does_not_change_since_when_somebody_is_connected(
    site: RunningSite, runa: HtmlBrowser
) -> None:
    before = site.accounts.people.get("runa").state_since
    with site.accounts._database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE people SET state_since = datetime(state_since, '-3 days')"
        )
    site.browser().sign_in("runa")
    person = site.accounts.people.get("runa")
    assert person.connected_since > before > person.state_since
    assert "Connected since 3 days ago" in runa.go("/me").text


def test_disconnecting_gives_the_access_back_and_keeps_the_page(
    site: RunningSite, runa: HtmlBrowser
) -> None:
    """Nothing is fetched any more; one button brings it back."""
    site.sandbox.reset_requests()
    page = runa.send("/me/disconnect")
    assert page.title == "runa: Disconnected · Oura pipeline"
    assert site.accounts.people.get("runa").state is PersonState.DISCONNECTED
    assert site.sandbox.requests()["revoke"] == {"runa": 1}
    assert "disconnect" not in page.ids
    assert "sync-now" not in page.ids
    assert "reconnect" in page.ids
    runa.send("/signin")
    assert runa.go(runa.consent("runa")).title == "runa: Connected · Oura pipeline"


def test_having_to_reconnect_is_shown_first(site: RunningSite, runa: HtmlBrowser) -> None:
    """With the button."""
    with site.accounts._database.writing() as connection:
        connection.exec_driver_sql("UPDATE people SET state = 'sign_in_required', error = 'x'")
    page = runa.go("/me")
    assert page.title == "runa: Must reconnect · Oura pipeline"
    assert "reconnect" in page.ids
    runa.send("/signin")
    assert runa.go(runa.consent("runa")).title == "runa: Connected · Oura pipeline"


@pytest.mark.usefixtures("described")
def test_a_download_is_everything_as_a_zip(site: RunningSite, runa: HtmlBrowser) -> None:
    """Named for the person, never kept by a proxy, and no file of it stays here."""
    land_profile(site)
    answer = runa.http.get("/me/data.zip")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="oura-runa-{datetime.now(UTC):%Y-%m-%d}.zip"'
    )
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert any(name.endswith("personal_info.parquet") for name in names)
    assert list(site.settings.storage.home.glob(".download.*")) == []


@pytest.mark.usefixtures("described")
def test_a_second_download_waits_for_the_first(site: RunningSite, runa: HtmlBrowser) -> None:
    """Also when making it waits for the warehouse: nobody takes all the threads of the site."""
    land_profile(site)
    packing = threading.Thread(target=runa.http.get, args=["/me/data.zip"])
    with file_lock(site.pipeline.warehouse.path.with_name("warehouse.duckdb.lock"), 10):
        packing.start()
        until(lambda: list(site.settings.storage.home.glob(".download.*")))
        second = runa.http.get("/me/data.zip")
    packing.join()
    assert (second.status_code, second.headers["retry-after"]) == (503, "60")
    assert runa.http.get("/me/data.zip").status_code == 200


@pytest.mark.usefixtures("described")
def test_an_aborted_download_ends(site: RunningSite, runa: HtmlBrowser) -> None:
    """However it ended, the next one may begin."""
    land_profile(site)
    with runa.http.stream("GET", "/me/data.zip") as answer:
        assert answer.status_code == 200
    until(lambda: runa.http.get("/me/data.zip").status_code == 200)


def test_downloads_are_limited_in_total_and_per_person() -> None:
    """Who ended makes room, for themselves and for others."""
    downloads = Downloads(limit=2)
    assert [downloads.begin(name) for name in ("ada", "ada", "koa", "milo")] == [
        True,
        False,
        True,
        False,
    ]
    downloads.end("ada")
    assert [downloads.begin(name) for name in ("milo", "ada")] == [True, False]


def test_deleting_needs_the_username(site: RunningSite, runa: HtmlBrowser) -> None:
    """Something else deletes nothing, and the field says so."""
    runa.go("/me/delete")
    page = runa.send("/me/delete", username="rune")
    assert (page.status, page.ids["username"]["aria-invalid"]) == (422, "true")
    assert page.text_of("username-error") == "✕ To confirm, type runa exactly as shown."
    assert site.accounts.people.get("runa").state is PersonState.CONNECTED


def test_deleting_retires_and_signs_out(site: RunningSite, runa: HtmlBrowser) -> None:
    """The access goes back at once; the rest is deleted by the job that sees them retired."""
    site.sandbox.reset_requests()
    runa.go("/me/delete")
    page = runa.send("/me/delete", username="runa")
    assert (page.title, runa.path) == ("Goodbye · Oura pipeline", "/farewell")
    assert site.accounts.people.get("runa").state is PersonState.RETIRED
    assert site.sandbox.requests()["revoke"] == {"runa": 1}
    runa.go("/me")
    assert runa.path == "/"


def test_people_can_leave_while_oura_is_unavailable(site: RunningSite, runa: HtmlBrowser) -> None:
    """The access is given back later; the farewell comes now."""
    site.sandbox.fault("error", route="revoke", status=503, count=None)
    runa.go("/me/delete")
    page = runa.send("/me/delete", username="runa")
    assert page.title == "Goodbye · Oura pipeline"
    assert "Our access to your Oura account is not given back yet" in page.text
    assert "has been revoked" not in page.text
    assert site.accounts.removal.to_revoke() == ["runa"]


def test_a_lapsed_membership_is_said_once_and_asks_for_no_sign_in(
    site: RunningSite, runa: HtmlBrowser
) -> None:
    """However many types Oura keeps back."""
    lapsed = [
        Fetch(
            username="runa",
            document_type=name,
            day=datetime.now(UTC).date(),
            status=FetchStatus.FAILED,
            error="membership lapsed: Oura keeps this person's data back (403)",
            run_id="run",
            at=datetime.now(UTC),
        )
        for name in ("sleep", "daily_sleep", "workout")
    ]
    site.accounts.fetches.record(lapsed)
    runa.go("/me")
    assert runa.page.text.count("Your Oura membership has lapsed") == 1
    assert "keeps this person" not in runa.page.text
    assert "reconnect" not in runa.page.ids
    operator = site.browser()
    operator.go("/operator")
    operator.send("/operator", token=OPERATOR)
    assert "! connected; membership lapsed" in operator.page.text_of(
        site.accounts.people.get("runa").id
    )


def test_disconnecting_says_whether_the_access_is_given_back(
    site: RunningSite, runa: HtmlBrowser
) -> None:
    site.sandbox.fault("error", route="revoke", status=503, count=None)
    runa.send("/me/disconnect")
    assert "Our access to your Oura account is not given back yet" in runa.page.text
    site.sandbox.clear_faults()
    revoke(site.pipeline, "runa")
    runa.go("/me")
    assert "access to your Oura account has been revoked" in runa.page.text
    assert "not given back" not in runa.page.text


def test_nobody_else_sees_it(site: RunningSite, runa: HtmlBrowser) -> None:
    """Whoever is not signed in lands at the front page, whatever they ask for."""
    stranger = site.browser()
    for address in ("/me", "/me/data.zip", "/me/delete"):
        stranger.go(address)
        assert stranger.path == "/"


def test_an_old_cookie_does_not_open_the_page_of_the_next_one(
    site: RunningSite, runa: HtmlBrowser
) -> None:
    """A username that is free again may be somebody else's."""
    site.accounts.removal.delete("runa")
    site.browser().join("koa", "runa")
    runa.go("/me")
    assert runa.path == "/"
    assert "nav-me" not in runa.page.ids
